"""Pages of a table that a plan makes: its versions, how complete it is, and its noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from bench_server import BenchServer, ending_together
from planned import WORKER, content, do_cells, make_version, seeds_that_repeat
from waiting import until

from bench_client import BenchClient
from service.jobs import JobSettings, open_jobs

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.errors.PartialDataWarning")

NAME: Final = "grown"
GAP: Final = 6
"""Points of accuracy between both trainings of it."""
PAGES: Final = ("", "/arch?arch=0", "/compare?arch=0&arch=1", "/correlation?x=flops&y=valid_acc")


def seeds_that_repeat_the_last() -> list[int]:
    """Return four seeds with which the last of the twenty cells alone is trained twice."""
    plan = {"name": NAME, "protocol__epochs": [1]}
    return seeds_that_repeat(4, lambda drawn: drawn == {19}, **plan)


def grow(bench: BenchClient, number: int, *, cells: int) -> None:
    """Wait for so many cells, and have a version made of them."""
    until(
        lambda: bench.plan_named(NAME).counts,
        lambda counts: counts.done >= cells,
        what=f"{cells} cells done",
    )
    make_version(bench, NAME, number)


def served_version(bench: BenchClient) -> object:
    """Return the version that the server has gone over to."""
    found = [one for one in bench.benchmarks() if one.name == NAME]
    return found[0].provenance.contents["version"] if found else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    """A server of a plan's table with versions 2 to 4, whose last one has a noise floor."""
    folder = tmp_path_factory.mktemp("versions")
    (folder / "data").mkdir()
    with ending_together() as start:
        server = start(BenchServer(folder, folder / "data"))
        settings = JobSettings(jobs_dir=server.jobs_folder)
        with open_jobs(settings) as jobs, BenchClient(server.url) as bench:
            jobs.workers.heartbeat(WORKER)
            seeds = seeds_that_repeat_the_last()
            changes = {"protocol__seeds": seeds, "protocol__epochs": [1]}
            bench.plan(content(name=NAME, **changes), pilot=False)
            bench.start_plan(NAME)
            for number in (1, 2, 3):
                do_cells(jobs, 5)
                grow(bench, number, cells=5 * number)
            do_cells(jobs, 5)
            do_cells(jobs, 1, lower=GAP)
            until(
                lambda: bench.plan_named(NAME),
                lambda plan: plan.state == "finished",
                what="the plan finished",
            )
            grow(bench, 4, cells=20)
            until(
                lambda: served_version(bench), lambda version: version == 4, what="version 4 served"
            )
            # Its file is removed after the last version is served.
            first = f"{server.url}/v1/benchmarks/{NAME}?version=1"
            until(lambda: httpx.get(first).status_code == 404, what="version 1 gone")
        yield server


@pytest.fixture
def bench(server: BenchServer) -> Iterator[BenchClient]:
    with BenchClient(server.url) as client:
        yield client


def watched(explorer: Any) -> list[str]:
    """Return the list to which the addresses of questions about the table are added."""
    asked: list[str] = []
    about = (f"/v1/{NAME}/", f"/v1/benchmarks/{NAME}")
    explorer.page.on(
        "request",
        lambda request: (
            asked.append(request.url) if any(one in request.url for one in about) else 0
        ),
    )
    return asked


def version_of(url: str) -> list[str]:
    return parse_qs(urlsplit(url).query).get("version", [])


def test_every_question_of_every_page_names_the_version_of_the_address(
    open_page: Callable[..., Any], server: BenchServer, bench: BenchClient
) -> None:
    explorer = open_page(server, viewport={"width": 320, "height": 800})
    asked = watched(explorer)
    for path in PAGES:
        asked.clear()
        explorer.open(f"explore/{NAME}{path}{'&' if '?' in path else '?'}version=3")
        explorer.find("#version").wait_for()
        assert explorer.find("#version").inner_text() == "version 3 of 4, 75 % of cells"
        marks = explorer.find("#marks .mark").all_inner_texts()
        assert {"measured here", "partial: 15 of 20 cells"} <= {*marks}
        assert explorer.find("#noise").count() == 0
        # One of them asks what is served, to know which version is the newest.
        unnamed = [url for url in asked if version_of(url) != ["3"]]
        assert [urlsplit(url).path for url in unnamed] == [f"/v1/benchmarks/{NAME}"]
        assert len(asked) > 3
        for link in explorer.find("#parts a, #content a").all():
            href = link.get_attribute("href") or ""
            if f"/explore/{NAME}" in href:
                assert version_of(href) == ["3"], href
        assert explorer.width <= 320
        explorer.accessible()
    explorer.open(f"explore/{NAME}?version=3&y=valid_acc&num_epochs=1")
    best = bench.top(f"{NAME}@3", metric="valid_acc", n=1, num_epochs=1)[0].metrics["valid_acc"]
    assert f"best valid_acc {best:.4g} %" in explorer.find("#summary").inner_text()


def test_another_version_is_chosen_the_newest_is_offered_and_back_leads_back(
    open_page: Callable[..., Any], server: BenchServer
) -> None:
    explorer = open_page(server)
    for path in PAGES:
        explorer.open(f"explore/{NAME}{path}{'&' if '?' in path else '?'}version=2")
        explorer.page.get_by_role("link", name="Show the latest, 4").press("Enter")
        explorer.page.get_by_text("version 4 of 4, all cells").wait_for()
        explorer.wait()
        assert "version" not in explorer.query
        told = explorer.find("#noise").inner_text()
        assert f"Differences of valid_acc under ±{GAP} points are within the noise" in told
        assert "1 cell was trained twice" in told
        assert "all 20 cells" in explorer.find("#marks").inner_text()
        explorer.find("select[name=version]").select_option("3")
        explorer.page.get_by_text("version 3 of 4, 75 % of cells").wait_for()
        explorer.page.go_back()
        explorer.page.get_by_text("version 4 of 4, all cells").wait_for()
        explorer.page.go_back()
        explorer.page.get_by_text("version 2 of 4, 50 % of cells").wait_for()
        explorer.wait()


@pytest.mark.parametrize("held", ["benchmarks/grown", "grown/columns", "grown/computed-stats"])
@pytest.mark.parametrize("path", PAGES)
def test_back_from_a_version_that_still_loads_shows_the_one_before(
    open_page: Callable[..., Any], server: BenchServer, path: str, held: str
) -> None:
    explorer = open_page(server)
    explorer.open(f"explore/{NAME}{path}")
    waiting: list[Any] = []
    released = False

    def hold(route: Any) -> None:
        if not released and version_of(route.request.url) == ["3"]:
            waiting.append(route)
        else:
            route.continue_()

    explorer.page.route(f"**/v1/{held}*", hold)
    explorer.find("select[name=version]").select_option("3")
    explorer.page.wait_for_url("**version=3**")
    explorer.page.wait_for_timeout(300)
    explorer.page.go_back()
    explorer.page.wait_for_timeout(300)
    released = True
    for route in waiting:
        route.continue_()
    explorer.page.get_by_text("version 4 of 4, all cells").wait_for()
    explorer.wait()
    explorer.page.wait_for_load_state("networkidle")
    assert explorer.find("#version").inner_text() == "version 4 of 4, all cells"
    assert "all 20 cells" in explorer.find("#marks").inner_text()


@pytest.mark.parametrize("path", PAGES)
def test_a_version_that_is_not_kept_is_told_with_those_that_are(
    open_page: Callable[..., Any], server: BenchServer, path: str
) -> None:
    explorer = open_page(server)
    more = f"{path}{'&' if '?' in path else '?'}"
    explorer.open(f"explore/{NAME}{more}version=1", state="failed")
    explorer.complained("404")
    assert "version 1 of this table is no longer available" in explorer.status
    kept = explorer.find("#versions a").all_inner_texts()
    assert kept == ["4, all cells", "3, 75 % of cells", "2, 50 % of cells", "latest"]
    explorer.accessible()
    explorer.page.get_by_role("link", name="3, 75 % of cells").press("Enter")
    explorer.page.get_by_text("version 3 of 4, 75 % of cells").wait_for()
    explorer.wait()
    explorer.open(f"explore/{NAME}{more}version=x")
    assert "invalid in the URL: version=x" in explorer.find("#marks").inner_text()
    assert explorer.find("#version").inner_text() == "version 4 of 4, all cells"


def test_the_noise_stands_on_the_page_of_the_plan_and_within_it_differences_are_marked(
    open_page: Callable[..., Any], server: BenchServer, bench: BenchClient
) -> None:
    explorer = open_page(server)
    explorer.open(f"explore/plans?name={NAME}")
    assert f"under ±{GAP} points" in explorer.find("#noise").inner_text()
    ranked = bench.top(NAME, metric="valid_acc", n=5, num_epochs=1)
    compared = [ranked[3], ranked[4], ranked[0]]
    values = [item.metrics["valid_acc"] for item in compared]
    noisy = [abs(value - values[0]) <= GAP for value in values[1:]]
    assert noisy == [True, False]
    chosen = "&".join(f"arch={item.config.index}" for item in compared)
    explorer.open(f"explore/{NAME}/compare?{chosen}")
    changes = explorer.find('#compared tr[data-metric="valid_acc"] .change').all_inner_texts()
    assert ["≈" in change for change in changes] == noisy


def test_a_table_that_no_plan_made_has_neither_versions_nor_noise(
    open_page: Callable[..., Any], served: BenchServer
) -> None:
    explorer = open_page(served)
    for path in ("?", "/compare?arch=1&arch=2&"):
        explorer.open(f"explore/nasbench201{path}version=3")
        assert "version" in explorer.find("#marks").inner_text()
        assert explorer.find("#versions").inner_text() == ""
        assert explorer.find("#noise").count() == 0


def test_versions_stand_in_what_is_taken_away(
    open_page: Callable[..., Any], server: BenchServer
) -> None:
    explorer = open_page(server)
    explorer.open(f"explore/{NAME}?version=3")
    for label, part in (("Copy Python", '"grown@3"'), ("Copy curl", "version=3")):
        explorer.page.get_by_role("button", name=label, exact=True).click()
        explorer.page.get_by_text(f"{label}: copied.").wait_for()
        assert part in explorer.page.evaluate("() => navigator.clipboard.readText()")
    with explorer.page.expect_download() as download:
        explorer.page.get_by_role("button", name="CSV", exact=True).click()
    first = Path(download.value.path()).read_text().splitlines()[0]
    assert "plan grown, version 3, 15 of 20 cells" in first
