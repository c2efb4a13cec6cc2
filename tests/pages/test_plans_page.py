"""The pages of plans, in a browser, beside a server whose cells are done by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from bench_server import BenchServer, ending_together
from planned import TRAINER, WORKER, content, do_cells
from waiting import until

from bench_client import BenchClient
from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.records import Failure, TrainerState

HOSTILE: Final = "<img src=x onerror=document.title='run'> \N{HEBREW LETTER ALEF} (1) " + "w" * 400


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    """A server without databases, into whose folder plans write theirs."""
    folder = tmp_path_factory.mktemp("planned")
    (folder / "data").mkdir()
    with ending_together() as start:
        yield start(BenchServer(folder, folder / "data"))


@pytest.fixture
def jobs(server: BenchServer) -> Iterator[Jobs]:
    """The jobs of that server, with a worker that has a data set."""
    with open_jobs(JobSettings(jobs_dir=server.jobs_folder)) as opened:
        opened.workers.heartbeat(WORKER)
        yield opened


@pytest.fixture
def bench(server: BenchServer, jobs: Jobs) -> Iterator[BenchClient]:
    """A client; no cell of a plan waits after a test, for the next one would get it."""
    assert jobs
    with BenchClient(server.url) as client:
        yield client
        for plan in client.plans():
            if plan.state in {"pilot", "ready", "running", "paused"}:
                client.stop_plan(plan)


def still(bench: BenchClient, name: str, *, failed: int) -> Any:
    """Return a plan once all its cells have ended or wait, so many of them having failed."""
    return until(
        lambda: bench.plan_named(name),
        lambda plan: (plan.counts.failed, plan.counts.left) == (failed, plan.counts.outstanding),
        what=f"{failed} cells of {name} failed and nothing left but what waits",
    )


def fits(explorer: Any) -> bool:
    """Whether nothing is wider than the narrowest screen; in both themes axe has nothing to say."""
    explorer.accessible_in_both_themes()
    return bool(explorer.width <= 320)


def test_a_plan_is_followed_while_its_cells_are_done(
    open_page: Callable[..., Any], server: BenchServer, jobs: Jobs, bench: BenchClient
) -> None:
    # No two plans have cells in common: they would be done already.
    name = "followed"
    explorer = open_page(server, viewport={"width": 320, "height": 800})
    bench.plan(content(name=name, title=HOSTILE, licence=HOSTILE, protocol__seeds=[1, 2]))
    explorer.open("explore/plans")
    explorer.find(f'tr:has([data-plan="{name}"]) [data-state="pilot"]').wait_for()
    assert fits(explorer)
    explorer.find(f'[data-plan="{name}"]').press("Enter")
    explorer.wait()
    assert explorer.query == f"name={name}"
    assert explorer.find("#title").inner_text() == HOSTILE
    do_cells(jobs, 5)
    explorer.page.get_by_role("button", name="Start").press("Enter")
    explorer.find('.facts [data-state="running"]').wait_for()
    do_cells(jobs, 3)
    do_cells(jobs, 2, failure=Failure(kind="test", message=HOSTILE))
    counts = still(bench, name, failed=2).counts
    told = f"{counts.done} done, 0 diverged, 2 failed, {counts.outstanding} queued or running"
    explorer.page.get_by_text(told).wait_for()
    explorer.find("#failures tbody tr").nth(1).wait_for()
    assert explorer.find("#failures tbody tr").count() == 2
    assert HOSTILE[:28] in explorer.find("#failures").inner_text()
    assert fits(explorer)
    assert explorer.find("img").count() == 0
    assert explorer.page.title() != "run"
    bench.retry_plan(name)
    do_cells(jobs, counts.left + 2)
    explorer.find('.facts [data-state="finished"]').wait_for()
    explorer.page.get_by_text("No cell has failed.").wait_for()
    bench.seal_plan(name)
    explorer.find('[data-state="sealed"]').first.wait_for()
    explorer.page.get_by_text("Open the table").wait_for()
    assert json.loads(explorer.find("#plan").text_content()) == bench.plan_named(name).plan
    assert fits(explorer)
    explorer.page.get_by_text("Open the table").press("Enter")
    explorer.page.wait_for_url(f"**/explore/{name}")
    explorer.wait()


def test_the_trainer_of_a_plan_is_named(
    open_page: Callable[..., Any], server: BenchServer, jobs: Jobs, bench: BenchClient
) -> None:
    jobs.workers.heartbeat(replace(WORKER, trainers=(TrainerState(**TRAINER),)))
    bench.plan(content(name="by-trainer", protocol__trainer={"name": "quick"}), pilot=False)
    explorer = open_page(server, viewport={"width": 320, "height": 800})
    explorer.open("explore/plans?name=by-trainer")
    explorer.page.get_by_text("quick of lab 1, cccccccc").wait_for()
    assert fits(explorer)


def test_the_map_of_a_plan_is_walked_by_keys_and_restored(
    open_page: Callable[..., Any], server: BenchServer, jobs: Jobs, bench: BenchClient
) -> None:
    name = "mapped"
    bench.plan(content(name=name, protocol__seeds=[11, 12]), pilot=False)
    bench.start_plan(name)
    do_cells(jobs, 3)
    do_cells(jobs, 1, failure=Failure(kind="test", message=HOSTILE))
    still(bench, name, failed=1)
    explorer = open_page(server)
    explorer.open(f"explore/plans?name={name}")
    explorer.find("summary").first.click()
    rows = explorer.find('[aria-label="Cells by seed and epochs"] tbody tr').all_inner_texts()
    counts = bench.plan_map(name)
    assert [row.split("\t") for row in rows] == [
        [
            *(str(each.seed), str(each.num_epochs)),
            *(str(sum(lines[turn])) for lines in (counts.done, counts.diverged)),
            *(str(sum(lines[turn])) for lines in (counts.outstanding, counts.failed)),
            "0",
        ]
        for turn, each in enumerate(counts.rounds)
    ]
    failed = bench.plan_cells(name, state="failed")[0]
    assert failed.cell == 3
    explorer.find("#map").focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowRight"):
        explorer.page.keyboard.press(key)
    readout = explorer.find("#map-readout").inner_text()
    assert readout == "Architecture 3 in the order of the plan, seed 11, 1 epochs: failed"
    explorer.page.keyboard.press("Enter")
    explorer.page.wait_for_url("**cell=3")
    explorer.find('#cell [data-state="failed"]').wait_for()
    explorer.page.go_back()
    explorer.page.wait_for_url(f"**name={name}")
    explorer.page.go_forward()
    explorer.page.reload()
    explorer.wait()
    assert failed.arch_str in explorer.find("#cell").inner_text()
    # The picture is neither empty nor of one colour.
    colors = explorer.page.evaluate(
        """() => {
          const canvas = document.querySelector("#map canvas");
          const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )
    assert colors > 4
    explorer.find("#map canvas").click(position={"x": 100, "y": 5})
    explorer.page.wait_for_url("**cell=0")
    explorer.find('#cell [data-state="done"]').wait_for()
    with explorer.page.expect_download() as download:
        explorer.page.get_by_role("button", name="PNG").press("Enter")
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    assert download.value.suggested_filename == f"plan-{name}.png"


def test_a_plan_is_paused_and_gone_on_with_and_odd_addresses_are_told(
    open_page: Callable[..., Any], server: BenchServer, jobs: Jobs, bench: BenchClient
) -> None:
    explorer = open_page(server)
    bench.plan(content(name="held", order="depth", protocol__seeds=[7]), pilot=False)
    explorer.open("explore/plans?name=held&cell=9999&odd=1")
    assert "There is no cell 9999." in explorer.find("#cell").inner_text()
    assert "unknown in the URL: odd" in explorer.find("#marks").inner_text()
    explorer.page.get_by_role("button", name="Start").press("Enter")
    do_cells(jobs, 1)
    explorer.page.get_by_role("button", name="Pause").press("Enter")
    explorer.find('.facts [data-state="paused"]').wait_for()
    # A cell in order of depth: the second of the first architecture.
    explorer.find("#map").focus()
    for key in ("Home", "ArrowDown", "Enter"):
        explorer.page.keyboard.press(key)
    explorer.page.wait_for_url("**cell=1**")
    cell = bench.plan_cells("held")[1]
    explorer.find("#cell td").first.wait_for()
    assert cell.arch_str in explorer.find("#cell").inner_text()
    explorer.page.get_by_role("button", name="Resume").press("Enter")
    explorer.find('.facts [data-state="running"]').wait_for()
    assert bench.plan_named("held").state == "running"
    bench.stop_plan("held")
    explorer.find('.facts [data-state="stopped"]').wait_for()
    explorer.open("explore/plans?name=none-such", state="failed")
    assert "Failed: " in explorer.status
    explorer.complained("404")


def test_without_a_canvas_there_is_the_table(
    open_page: Callable[..., Any], server: BenchServer, bench: BenchClient
) -> None:
    explorer = open_page(server)
    bench.plan(content(name="plain", protocol__seeds=[9]), pilot=False)
    explorer.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    explorer.open("explore/plans?name=plain")
    assert "cannot draw the plot" in explorer.find("#map").inner_text()
    explorer.find("summary").first.click()
    assert explorer.find('[aria-label="Cells by seed and epochs"] tbody tr').count() == 2
    explorer.accessible()
