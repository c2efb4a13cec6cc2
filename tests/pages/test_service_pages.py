"""The pages of jobs and of the status of the service, in a browser, beside a server with jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from bench_server import BenchServer, ending_together
from forked_nbs import start_nbs

from bench_client import BenchClient
from service.access.keys import KeyFile, KeyScope
from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.records import (
    Artifact,
    Capabilities,
    Failure,
    Lease,
    Progress,
    TrainerState,
    WorkerState,
)

HOSTILE: Final = "<img src=x onerror=alert(1)>\u202e" + "w" * 170
CAN: Final = Capabilities(device="cpu", datasets=frozenset({"tiny"}))
FITS: Final = """() => {
  const table = document.querySelector(".virtual");
  return table.clientWidth < innerWidth && table.scrollWidth <= table.clientWidth;
}"""
_seeds = count(1)


@pytest.fixture(scope="module")
def server(sample_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    folder = tmp_path_factory.mktemp("server")
    with ending_together() as start:
        yield start(BenchServer(folder, sample_folder))


@pytest.fixture
def jobs(server: BenchServer) -> Iterator[Jobs]:
    """The jobs of that server, as a worker beside it sees them."""
    with open_jobs(JobSettings(jobs_dir=server.jobs_folder)) as opened:
        yield opened


@pytest.fixture
def bench(server: BenchServer) -> Iterator[BenchClient]:
    with BenchClient(server.url) as client:
        yield client


def submitted(bench: BenchClient, **asked: Any) -> str:
    """Return the id of a new job, which nobody does by itself."""
    more = {"seed": next(_seeds), "wait": False, **asked}
    return bench.build("nasbench201", 7, dataset="cifar10", **more).id


def claimed(jobs: Jobs, job_id: str) -> Lease:
    while (taken := jobs.leases.acquire("hand", CAN)) is not None:
        if taken.job.id == job_id:
            return taken
        jobs.leases.fail(taken, Failure(kind="test", message="another test's"))
    raise AssertionError("the job is not in the queue")


def test_a_job_is_followed_from_the_list_to_its_files(
    open_page: Callable[..., Any], server: BenchServer, jobs: Jobs, bench: BenchClient
) -> None:
    explorer = open_page(server, viewport={"width": 320, "height": 700})
    job_id = submitted(bench)
    explorer.open("explore/jobs")
    row = explorer.find(f'tr:has([data-job="{job_id}"])')
    row.locator('[data-state="queued"]').wait_for()
    lease = claimed(jobs, job_id)
    jobs.leases.renew(lease, Progress(stage="building", done=1, total=3))
    row.get_by_text("building 1 of 3").wait_for()
    assert row.locator(".state").inner_text() == "◐ running"  # a shape and a word
    explorer.accessible()
    row.locator("a").press("Enter")
    explorer.wait()
    assert explorer.query == f"id={job_id}"
    for done in (2, 3):
        note = Progress(stage="building", done=done, total=3, message=HOSTILE)
        jobs.leases.renew(lease, note)
        explorer.page.get_by_text(f"building {done} of 3").wait_for()
    content = json.dumps({"made": HOSTILE}).encode()
    digest = hashlib.sha256(content).hexdigest()
    path = server.jobs_folder / "made"
    path.write_bytes(content)
    assert jobs.artifacts.add(path)[0] == digest
    made = Artifact(
        name="made.json", media_type="application/json", size=len(content), sha256=digest
    )
    jobs.leases.succeed(lease, {"parameters": 1_234_567, "notes": [HOSTILE]}, [made])
    explorer.page.get_by_text("1,234,567").wait_for()
    assert explorer.status == "model: succeeded"
    assert json.loads(explorer.find("#request").inner_text()) == bench.job(job_id).request
    explorer.find("summary").click()
    assert json.loads(explorer.find("#result").inner_text()) == bench.job(job_id).result
    with explorer.page.expect_download() as download:
        explorer.page.get_by_role("button", name="Save made.json").press("Enter")
    assert Path(download.value.path()).read_bytes() == content
    explorer.accessible()
    assert explorer.width <= 320
    explorer.page.get_by_role("button", name="Again").press("Enter")
    explorer.page.get_by_text("An identical job has this result already.").wait_for()
    explorer.page.go_back()
    row.locator('[data-state="succeeded"]').wait_for()
    explorer.find("select[name=state]").select_option("queued")
    explorer.wait()
    assert "state=queued" in explorer.query
    assert row.count() == 0
    explorer.page.reload()
    explorer.wait()
    assert explorer.find("select[name=state]").input_value() == "queued"


def test_a_job_is_cancelled_and_asked_for_again(
    explorer_of: Callable[[], Any], jobs: Jobs, bench: BenchClient
) -> None:
    explorer = explorer_of()
    job_id = submitted(bench)
    explorer.open(f"explore/jobs?id={job_id}")
    explorer.page.get_by_role("button", name="Cancel").press("Enter")
    explorer.page.get_by_role("button", name="Again").press("Enter")
    explorer.page.wait_for_url("**/explore/jobs?id=*")
    explorer.find("[data-state=queued]").wait_for()
    other = explorer.query.removeprefix("id=")
    assert other != job_id
    assert bench.job(job_id).state == "cancelled"
    jobs.leases.fail(claimed(jobs, other), Failure(kind=HOSTILE, message=HOSTILE))
    explorer.find(".problem").wait_for()
    assert HOSTILE[:28] in explorer.find(".problem").inner_text()
    assert explorer.find("img").count() == 0
    explorer.accessible()
    explorer.open("explore/jobs?id=none-such", state="failed")
    assert "Failed: " in explorer.status
    explorer.complained("404")


def test_what_is_under_the_hand_stays_while_a_job_is_followed(
    explorer_of: Callable[[], Any], jobs: Jobs, bench: BenchClient
) -> None:
    explorer = explorer_of()
    job_id = submitted(bench)
    lease = claimed(jobs, job_id)
    explorer.open(f"explore/jobs?id={job_id}")
    button = explorer.page.get_by_role("button", name="Cancel")
    button.focus()
    held = button.element_handle()
    for done in (1, 2):
        jobs.leases.renew(lease, Progress(stage="building", done=done, total=3))
        explorer.page.get_by_text(f"building {done} of 3").wait_for()
    assert held.evaluate("button => button.isConnected && button === document.activeElement")
    explorer.page.keyboard.press("Enter")
    explorer.page.get_by_text("cancelling").wait_for()
    assert bench.job(job_id).cancel_requested
    assert held.evaluate("button => button.isConnected && button === document.activeElement")
    jobs.leases.fail(lease, Failure(kind="test", message="stopped"))
    explorer.page.get_by_role("button", name="Again").wait_for()
    # A key that is still held down asks for nothing: the focus is on how the job is.
    assert "Attempts" in explorer.find(":focus").inner_text()
    explorer.open("explore/jobs")
    link = explorer.find(f'[data-job="{job_id}"]')
    held = link.element_handle()
    link.focus()
    newer = submitted(bench)
    explorer.find(f'[data-job="{newer}"]').wait_for()
    assert explorer.find(f'[data-job="{job_id}"]:focus').count() == 1


@pytest.fixture
def explorer_of(open_page: Callable[..., Any], server: BenchServer) -> Callable[[], Any]:
    return lambda: open_page(server, color_scheme="dark")


def test_an_architecture_is_timed_from_its_page_and_what_was_timed_before_is_told(
    explorer_of: Callable[[], Any], jobs: Jobs, bench: BenchClient
) -> None:
    explorer = explorer_of()
    explorer.open("explore/nasbench201/arch?arch=7&dataset=cifar10&num_epochs=200")
    button = explorer.page.get_by_role("button", name="Measure latency")
    button.press("Enter")
    explorer.find('#job [data-state="queued"]').wait_for()
    (job,) = bench.jobs(kind="latency")
    assert explorer.find("#job a").get_attribute("href").endswith(f"explore/jobs?id={job.id}")
    told = {"minimum": 0.002, "median": 0.0021, "batch_size": 1, "repeats": 50}
    result = {**told, "device": "cpu", "input_shape": [3, 32, 32]}
    jobs.leases.succeed(claimed(jobs, job.id), result, [])
    button.press("Enter")
    explorer.find('#job [data-state="succeeded"]').wait_for()
    assert explorer.find("#job").inner_text() == f"✓ succeeded 2.1 ms: job {job.id[:12]}"
    assert len(bench.jobs(kind="latency")) == 1
    explorer.find("#jobs summary").press("Enter")
    told = explorer.find("#jobs tbody").inner_text()
    assert told.count("latency") == 1
    assert f"job {job.id[:12]}" in told
    assert "✓ succeeded" in told
    assert "2.1 ms" in told
    about = bench.jobs(benchmark="nasbench201", arch=7, dataset="cifar10")
    assert explorer.find("#jobs tbody tr").count() == min(len(about), 20)
    explorer.accessible()


def test_a_service_that_stops_is_waited_for(
    open_page: Callable[..., Any], sample_folder: Path, tmp_path: Path
) -> None:
    with ending_together() as start:
        server = start(BenchServer(tmp_path, sample_folder))
        with BenchClient(server.url) as bench:
            job_id = submitted(bench)
        explorer = open_page(server)
        explorer.open(f"explore/jobs?id={job_id}")
        other = open_page(server)
        other.open("explore/status")
        server.stop()
        explorer.page.get_by_text("; retrying").wait_for()
        other.page.get_by_text("the service does not answer.").wait_for()
        server.start()
        with open_jobs(JobSettings(jobs_dir=server.jobs_folder)) as jobs:
            jobs.leases.fail(claimed(jobs, job_id), Failure(kind="test", message="over"))
        explorer.find(".problem").wait_for()
        other.page.get_by_text("everything works;").wait_for()
        for one in (explorer, other):
            one.complained("ERR_", "Failed to load", "500", "503")


def test_pages_show_what_there_is_where_the_jobs_are_away(
    open_page: Callable[..., Any], sample_folder: Path, tmp_path: Path
) -> None:
    away = {"NASBENCH_JOBS_URL": "postgresql://nobody@127.0.0.1:9/jobs"}
    with ending_together() as start:
        explorer = open_page(start(BenchServer(tmp_path, sample_folder, **away)))
        # None of them waits for the jobs, which are another subject than theirs.
        explorer.open("explore/zoo")
        assert explorer.find("tbody tr").count() > 10
        missing = "measurements cannot be listed: the database of the jobs does not answer"
        assert missing in explorer.find("main").inner_text()
        explorer.accessible()
        explorer.open("explore/status")
        assert "the database of the jobs does not answer" in explorer.find("#whole").inner_text()
        assert "the database of the jobs does not answer" in explorer.find("#datasets").inner_text()
        assert "workers are alive" not in explorer.status
        assert explorer.find("main").get_by_text("NAS-Bench-201").count()
        for path in ("", "/studies", "/nasbench201", "/nasbench201/arch?arch=5"):
            explorer.open(f"explore{path}")
        explorer.page.get_by_text("Jobs cannot be listed").wait_for()
        explorer.complained("Failed to load")


def test_a_key_that_may_only_read_is_told_its_scope(
    open_page: Callable[..., Any], sample_folder: Path, tmp_path: Path
) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    reader, worker = keys.create("one", KeyScope.READ), keys.create("two", KeyScope.JOBS)
    told = {"NASBENCH_KEYS_FILE": str(tmp_path / "keys.json"), "NASBENCH_READ_ACCESS": "keyed"}
    with ending_together() as start:
        server = start(BenchServer(tmp_path, sample_folder, **told))
        with BenchClient(server.url, api_key=worker) as bench:
            job_id = submitted(bench)
        explorer = open_page(server)
        explorer.open("explore/key")
        explorer.find("#key").fill(reader)
        explorer.find("#key").press("Enter")
        explorer.find("#held").wait_for()
        explorer.open(f"explore/jobs?id={job_id}")
        explorer.page.get_by_role("button", name="Cancel").click()
        explorer.page.get_by_text("scope").wait_for()
        explorer.complained("403")
        explorer.open("explore/status")
        keys.revoke("one")
        # In the middle: the next look, within seconds, leads to where a key is entered.
        explorer.page.wait_for_url("**/explore/key?back=**")
        explorer.wait()
        explorer.complained("401")


def test_the_status_tells_what_the_client_says(
    open_page: Callable[..., Any], server: BenchServer, jobs: Jobs, bench: BenchClient
) -> None:
    trainer = TrainerState(name="quick", package=HOSTILE, version="1", sha256="c" * 64)
    named = {"id": HOSTILE[:60], "host": "here", "pid": 1, "version": "7.8"}
    state = WorkerState(**named, datasets=(HOSTILE,), trainers=(trainer,))  # type: ignore[arg-type]  # each is of its own
    jobs.workers.heartbeat(state)
    submitted(bench)
    explorer = open_page(server, viewport={"width": 320, "height": 700})
    explorer.open("explore/status")
    text = explorer.find("main").inner_text()
    for info in bench.benchmarks():
        assert info.title in text
        assert info.provenance.content_digest.removeprefix("sha256:")[:12] in text
    assert explorer.status == "everything works; 1 worker is alive."
    targets = explorer.find("table a").evaluate_all("all => all.map((a) => a.pathname)")
    # What adds columns to another benchmark is shown there.
    assert targets.count("/explore/nasbench201") == 2
    assert "/explore/hw-nas-bench" not in targets
    assert "made-up data" in text
    assert HOSTILE[:60] in text
    assert "✓ alive" in text
    assert f"quick ({HOSTILE[:28]}" in text
    assert HOSTILE[:28] in explorer.find("#datasets").inner_text()
    assert explorer.find("img").count() == 0
    queued = explorer.find('[data-state="queued"]').inner_text()
    assert queued == f"○ {len(bench.jobs(state='queued'))}"
    explorer.accessible()
    explorer.page.route("**/v1/workers", lambda route: route.fulfill(json={"items": []}))
    explorer.page.reload()
    explorer.wait()
    waiting = len(bench.jobs(state="queued"))
    told = "1 job is queued" if waiting == 1 else f"{waiting} jobs are queued"
    assert explorer.find("#whole").inner_text() == f"! {told}, but no worker is alive"
    assert explorer.width <= 320


def test_a_real_worker_is_watched(
    open_page: Callable[..., Any], sample_folder: Path, tmp_path: Path
) -> None:
    with ending_together() as start:
        server = start(BenchServer(tmp_path, sample_folder))
        explorer = open_page(server)
        with BenchClient(server.url) as bench:
            job_id = submitted(bench, formats=["report"])
            explorer.open(f"explore/jobs?id={job_id}")
            worker = start_nbs("worker", env=server.options["env"], stdout=None, stderr=None)
            try:
                explorer.find('.facts [data-state="succeeded"]').wait_for(timeout=60_000)
            finally:
                worker.terminate()
                worker.wait()
            result = bench.job(job_id).result
        assert result is not None
        assert f"{result['parameters']:,}" in explorer.find("main").inner_text()


def test_the_zoo_tells_what_was_published_and_what_was_measured(
    open_page: Callable[..., Any], server: BenchServer, jobs: Jobs, bench: BenchClient
) -> None:
    name = "mobilenetv3-small-050"
    state = WorkerState(
        id="zoo", host="here", pid=2, version="7", datasets=("tiny",), models=(name,)
    )
    jobs.workers.heartbeat(state)
    models = {model.name: model for model in bench.zoo()}
    published = models[name].figures[0].top1
    assert models[name].parameters == 1_593_224
    for measured, images in ((published - 0.7, 50_000), (1.25, 10)):
        job_id = bench.evaluate(model=name, dataset="tiny", batch_size=images % 7 + 1, wait=False)
        lease = claimed(jobs, job_id.id)
        jobs.leases.succeed(lease, {"top1": measured, "count": images, "num_classes": 1000}, [])
        explorer = open_page(server, color_scheme="dark" if images < 50 else "light")
        columns = "space,published,measured,difference,parameters,macs,weights"
        explorer.open(f"explore/zoo?sort=-macs&columns={columns}")
        row = explorer.find(f'tr:has([data-model="{name}"])')
        cells = row.locator("td").all_inner_texts()
        if images == 50_000:
            assert cells[3] == f"{measured:.4g} %"
            assert cells[4] == "! -0.70 (more than 0.5)"
            assert "1 differs by more than 0.5 points" in explorer.status
        else:
            assert cells[3].startswith("1.25 % of 10 of tiny")
            assert cells[4] == "\u2013"
        assert cells[7] == "✓ available"
        explorer.accessible()
    assert explorer.find("img").count() == 0
    shown = explorer.find("tbody tr td:first-child").all_inner_texts()
    macs = [models[each].macs for each in shown if each]
    assert macs == sorted(macs, reverse=True)
    explorer.find("[data-sort=name]").press("Enter")
    assert explorer.find("[data-sort=name]:focus").count() == 1
    assert explorer.query == f"sort=name&columns={columns}"
    row.locator("td").nth(2).click()
    explorer.page.keyboard.press("Enter")
    explorer.find("#model:focus").wait_for()
    assert explorer.query == f"sort=name&columns={columns}&model={name}"
    card = explorer.find("section.card").inner_text()
    for figure in models[name].figures:
        assert f"{figure.top1:.4g} %" in card
        assert figure.source in card
    explorer.accessible()
    explorer.page.set_viewport_size({"width": 320, "height": 700})
    assert explorer.width <= 320
    explorer.page.go_back()
    assert explorer.query == f"sort=name&columns={columns}"
    assert explorer.find("section.card").count() == 0


def test_the_zoo_shows_the_columns_that_fit_or_those_that_are_asked_for(
    open_page: Callable[..., Any], server: BenchServer
) -> None:
    explorer = open_page(server)
    explorer.open("explore/zoo")
    many = explorer.find("thead th").all_inner_texts()
    assert {"Parameters (M)", "Measured here"} <= set(many)
    explorer.page.set_viewport_size({"width": 400, "height": 800})
    explorer.find("thead th", has_text="Parameters").wait_for(state="detached")
    few = explorer.find("thead th").all_inner_texts()
    assert few[:2] == ["Model \N{BLACK UP-POINTING TRIANGLE}", "Published (%)"]
    assert explorer.page.evaluate(FITS)
    explorer.page.set_viewport_size({"width": 320, "height": 800})
    explorer.page.wait_for_function(FITS)
    assert explorer.find("thead th").all_inner_texts()[:2] == few[:2]
    explorer.page.set_viewport_size({"width": 400, "height": 800})
    explorer.find("#columns summary", has_text=f"Columns: {len(few)} of 10").wait_for()
    explorer.find("#columns summary").press("Enter")
    explorer.page.get_by_label("Licence").press("Space")
    explorer.find("thead th", has_text="Licence").wait_for()
    assert "licence" in parse_qs(explorer.query)["columns"][0].split(",")
    assert explorer.page.get_by_label("Licence").is_checked()
    explorer.accessible()
    explorer.page.reload()
    explorer.wait()
    assert len(explorer.find("thead th").all_inner_texts()) == len(few) + 1
    explorer.find("#columns summary").press("Enter")
    explorer.page.get_by_role("button", name="Fit to width").press("Enter")
    explorer.find("thead th", has_text="Licence").wait_for(state="detached")
    assert explorer.query == ""
