"""The page of recorded searches, in a browser, beside a server that reads them while they grow."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
from bench_server import BenchServer, ending_together
from PIL import Image

from bench_client import BenchClient
from nas_search.problems import TableProblem
from nas_search.strategies import RandomSearch
from nas_search.study import Budget, Study, StudyFile

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")

HOSTILE: Final = "<img src=x onerror=alert(1)>"


def searched(path: Path, bench: BenchClient, *, seed: int, trials: int, **options: Any) -> None:
    problem = TableProblem(bench, "nasbench201", "cifar10-valid", num_epochs=200, **options)
    with Study(path, problem, RandomSearch(seed=seed)) as study:
        study.run(Budget(trials=trials))


def saved(actions: Any, kind: str, name: str) -> bytes:
    """Return the file that a button saves."""
    with actions.page.expect_download() as download:
        actions.get_by_role("button", name=kind, exact=True).press("Enter")
    assert download.value.suggested_filename == name
    return Path(download.value.path()).read_bytes()


def drawn(vector: bytes) -> ET.Element:
    """Return a picture as its elements."""
    return ET.fromstring(vector)  # noqa: S314 - our own page


@pytest.fixture(scope="module")
def studies(sample_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Searches of two strategies, one of two goals, and a file that is none."""
    folder = tmp_path_factory.mktemp("studies")
    with BenchClient.local(sample_folder) as bench:
        for seed in range(3):
            searched(folder / f"random-{seed}.study", bench, seed=seed, trials=8)
            # Recorded under another name, as if another strategy had made it.
            path = folder.parent / f"{folder.name}-{seed}.study"
            searched(path, bench, seed=10 + seed, trials=8 + seed)
            StudyFile(path).to_run(name=HOSTILE).write(folder / f"other-{seed}.json")
        (folder / "two").mkdir()
        goals = ["valid_acc", "-flops"]
        searched(folder / "two/goals.study", bench, seed=0, trials=10, objectives=goals)
    (folder / "damaged.study").write_bytes(b"SQLite format 3\0" + bytes(200))
    return folder


@pytest.fixture(scope="module")
def server(
    sample_folder: Path, studies: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BenchServer]:
    with ending_together() as start:
        folder = tmp_path_factory.mktemp("server")
        yield start(BenchServer(folder, sample_folder, NASBENCH_STUDIES_DIR=str(studies)))


def test_strategies_are_compared_as_the_client_compares_them(
    open_page: Callable[..., Any], server: BenchServer
) -> None:
    explorer = open_page(server, viewport={"width": 320, "height": 900})
    explorer.open("explore/studies")
    explorer.accessible_in_both_themes()
    link = explorer.page.get_by_role("link", name="main")
    with explorer.page.context.expect_page() as opened:
        link.click(modifiers=["ControlOrMeta"])
    opened.value.wait_for_url("**/explore/studies?name=main")
    opened.value.close()
    assert explorer.query == ""
    link.press("Enter")
    explorer.find(".chart canvas").first.wait_for()
    assert explorer.query == "name=main"
    with BenchClient(server.url) as bench:
        study = bench.study("main")
    (comparison,) = study.comparisons
    explorer.find(".mark.made-up").wait_for()
    legend = explorer.find(".legend li").all_inner_texts()
    assert [text.strip() for text in legend] == [
        f"{band.strategy}, {band.searches} seeds" for band in comparison.bands
    ]
    rows = explorer.find('[aria-label^="regret of valid_acc at"] tbody tr')
    for rank, final in enumerate(comparison.final):
        cells = rows.nth(rank).locator("th, td").all_inner_texts()
        assert cells[:2] == [final.strategy, "3"]
        assert float(cells[3]) == pytest.approx(final.values[1], rel=1e-3, abs=1e-4)
    (test,) = comparison.tests
    cells = explorer.find(
        '[aria-label="Tests of the differences"] tbody :is(th, td)'
    ).all_inner_texts()
    assert cells[:2] == [test.first, test.second]
    assert float(cells[3]) == pytest.approx(test.p_two_sided, rel=1e-2)
    assert "damaged.study" in explorer.find('[aria-label="Skipped files"]').inner_text()
    assert explorer.find("img").count() == 0
    explorer.accessible_in_both_themes()
    assert explorer.width <= 320
    explorer.find("select[name=over]").select_option("evaluations")
    explorer.page.get_by_role("img", name="over evaluations, logarithmic").wait_for()
    explorer.find("input[name=ys]").press("Space")
    explorer.page.get_by_role("img", name="quartiles over evaluations").wait_for()
    assert explorer.query == "name=main&over=evaluations&ys=linear"
    vector = drawn(
        saved(explorer.find(".actions").first, "SVG", "main-regret-of-valid_acc-cifar10-valid.svg")
    )
    assert len(vector.findall(".//{*}path[@class='curve']")) == len(comparison.bands)
    assert len(vector.findall(".//{*}path[@class='band']")) == len(comparison.bands)
    texts = [text.text for text in vector.iter("{http://www.w3.org/2000/svg}text")]
    assert {"evaluations", "regret of valid_acc (points)"} <= {*texts}
    assert {f"{band.strategy}, {band.searches} seeds" for band in comparison.bands} <= {*texts}
    assert texts[-1].startswith("MADE-UP DATA · study main, NAS-Bench-201 · ")
    picture = saved(
        explorer.find(".actions").first, "PNG", "main-regret-of-valid_acc-cifar10-valid.png"
    )
    assert len(Image.open(io.BytesIO(picture)).convert("RGB").getcolors(2**24)) > 8
    explorer.page.reload()
    explorer.find(".chart canvas").first.wait_for()
    assert not explorer.find("input[name=ys]").is_checked()


def test_fronts_are_shown_and_what_grows_is_read_anew(
    open_page: Callable[..., Any], server: BenchServer, studies: Path, sample_folder: Path
) -> None:
    explorer = open_page(server)
    explorer.open("explore/studies?name=two")
    explorer.find(".chart canvas").first.wait_for()
    with BenchClient(server.url) as bench:
        (front,) = bench.study("two").fronts
    rows = explorer.find('[aria-label^="Front of goals.study"] tbody tr')
    assert rows.count() == len(front.values)
    assert rows.first.locator("td").first.inner_text() == f"{front.values[0][0]:.4g}"
    vector = drawn(
        saved(explorer.find(".actions").first, "SVG", "two-regret-of-valid_acc-cifar10-valid.svg")
    )
    assert len(vector.findall(".//{*}path[@class='curve']")) == 1
    ends = [text for text in vector.iter() if text.get("text-anchor") == "end" and text.text]
    places = sorted(float(text.get("y", "0")) for text in ends)
    # A logarithmic axis has more ticks than numbers that there is room for.
    assert min(after - before for before, after in itertools.pairwise(places)) > 9
    vector = drawn(saved(explorer.find(".actions").last, "SVG", "two-goals.study.svg"))
    assert len(vector.findall(".//{*}circle")) == len(front.values)
    link = rows.first.get_by_role("link")
    assert link.inner_text() == front.archs[0]
    assert "explore/nasbench201/arch?arch=" in link.get_attribute("href")
    explorer.accessible()
    searches = explorer.find('[aria-label="Searches"] tbody tr')
    assert "◐ running" in searches.first.inner_text()
    with BenchClient.local(sample_folder) as bench:
        goals = ["valid_acc", "-flops"]
        searched(studies / "two/goals.study", bench, seed=0, trials=14, objectives=goals)
    explorer.find('[aria-label="Searches"] td:text-is("14")').wait_for()
    explorer.open("explore/studies?name=none-such", state="failed")
    explorer.complained("404")
