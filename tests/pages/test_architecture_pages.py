"""The pages about architectures: one, several side by side, and how two metrics agree."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from bench_server import BenchServer, ending_together

from bench_client import BenchClient
from benchmark_spec.declaration import read_declaration, shipped_declarations
from generators.declared import generate_table
from generators.sample.declared import write_table_sample
from service.access.keys import KeyFile, KeyScope

pytestmark = pytest.mark.filterwarnings("ignore:the numbers of")

PART: Final = {"num_epochs": 200, "dataset": "cifar10-valid"}
QUERY: Final = "num_epochs=200&dataset=cifar10-valid"
ARCH: Final = 80
"""It has two runs there, and neighbors and equals among the 150 of the sample."""
PAGES: Final = {
    "arch": f"arch?arch={ARCH}&{QUERY}",
    "compare": f"compare?arch={ARCH}&arch=7&arch=2&{QUERY}",
    "correlation": f"correlation?x=flops&y=test_acc&{QUERY}&resamples=20",
}
HOSTILE: Final = ("<img src=x onerror=alert(1)>", "\u202egnp.exe\u202c", "a" * 3000)


@pytest.fixture(scope="module")
def bench(served: BenchServer) -> Iterator[BenchClient]:
    with BenchClient(served.url) as client:
        yield client


def shown(explorer: Any, selector: str, attribute: str = "data-value") -> list[float | None]:
    found = explorer.find(selector).evaluate_all(
        "(all, name) => all.map((one) => one.getAttribute(name))", attribute
    )
    return [float(text) if text else None for text in found]


def copied(explorer: Any, label: str) -> str:
    explorer.page.get_by_role("button", name=label, exact=True).click()
    explorer.page.get_by_text(f"{label}: copied.").wait_for()
    return str(explorer.page.evaluate("() => navigator.clipboard.readText()"))


def lines_run(lines: str) -> dict[str, Any]:
    """Return what copied lines have made."""
    known: dict[str, Any] = {}
    exec(lines, known)  # noqa: S102 - our own page
    known["bench"].close()
    return known


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_ready_and_accessible_in_both_themes(
    open_page: Callable[..., Any], served: BenchServer, name: str
) -> None:
    explorer = open_page(served, viewport={"width": 320, "height": 800})
    explorer.open(f"explore/nasbench201/{PAGES[name]}&odd=1")
    assert "made-up data" in explorer.find("#marks").inner_text()
    assert "invalid in the URL: odd" in explorer.find("#marks").inner_text()
    assert explorer.width <= 320
    explorer.accessible_in_both_themes()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_without_a_canvas_has_its_tables(explorer: Any, name: str) -> None:
    explorer.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    explorer.open(f"explore/nasbench201/{PAGES[name]}")
    explorer.page.get_by_text("This browser cannot draw the plot").first.wait_for()
    assert explorer.find("main table").count() > 0


class TestOneArchitecture:
    def test_shows_the_figures_of_the_client(self, explorer: Any, bench: BenchClient) -> None:
        explorer.open(f"explore/nasbench201/{PAGES['arch']}")
        runs = bench.query_nb201(ARCH, 200, "cifar10-valid")
        (mean,) = bench.query_nb201(ARCH, 200, "cifar10-valid", reduction="mean")
        (spread,) = bench.query_nb201(ARCH, 200, "cifar10-valid", reduction="std")
        for name in ("train_acc", "valid_acc", "test_loss", "flops", "training_time"):
            told = shown(explorer, f'#runs-table tr[data-metric="{name}"] td')
            of_spread = getattr(spread, name) if len(runs) > 1 else None
            expected = [getattr(mean, name), of_spread, *(getattr(run, name) for run in runs)]
            assert told == expected
        assert explorer.find("#runs-table tr").count() > 10

        parts = [
            {"num_epochs": num_epochs, "dataset": dataset}
            for num_epochs in (12, 200)
            for dataset in bench.benchmark("nasbench201").datasets
        ]
        ranks = [bench.rank("nasbench201", ARCH, metric="test_acc", **part) for part in parts]
        assert shown(explorer, "#ranks tbody tr", "data-rank") == [one.rank for one in ranks]
        rows = explorer.find("#ranks tbody tr").all_inner_texts()
        assert all(f"of {one.of}" in row for one, row in zip(ranks, rows, strict=True))

        neighbors = bench.neighbors("nasbench201", ARCH)
        found = bench.query_nb201_many(
            [one.index for one in neighbors], 200, "cifar10-valid", reduction="mean"
        )
        best = max(of[0].test_acc for of in found if of)
        assert f"{best:.2f} %" in explorer.find("#best-neighbor").inner_text()
        assert explorer.find("a.neighbor").count() == len(neighbors)

        cost = bench.hardware_nb201(ARCH, "cifar10-valid".removesuffix("-valid"))
        told = explorer.find('#costs tr[data-metric="edgegpu_latency"] td').first.inner_text()
        assert float(told) == pytest.approx(cost[0].edgegpu_latency, rel=1e-3)

    def test_has_the_picture_of_the_theme_however_fast_that_changes(
        self, open_page: Callable[..., Any], served: BenchServer
    ) -> None:
        explorer = open_page(served, own_profile=True)
        explorer.open(f"explore/nasbench201/{PAGES['arch']}")
        pixels = """async () => {
          const image = document.querySelector("#picture");
          await image.decode();
          const canvas = document.createElement("canvas");
          canvas.getContext("2d").drawImage(image, 0, 0);
          return canvas.toDataURL();
        }"""
        light = explorer.page.evaluate(pixels)
        old = explorer.find("#picture").get_attribute("src")
        # From light to dark and on, faster than a picture comes.
        explorer.find("#theme").evaluate("one => { for (let i = 0; i < 5; i += 1) one.click(); }")
        assert explorer.find("html").get_attribute("data-theme") == "dark"
        explorer.page.wait_for_function(
            "old => document.querySelector('#picture').src !== old", arg=old
        )
        assert explorer.page.evaluate(pixels) != light

    def test_tells_what_equals_differ_by(self, explorer: Any, bench: BenchClient) -> None:
        arch = next(
            index
            for index in range(150)
            if sum(one < 150 for one in bench.describe_nb201(index).isomorphic_indices) > 1
        )
        explorer.open(f"explore/nasbench201/arch?arch={arch}&num_epochs=12&dataset=cifar10")
        equals = bench.describe_nb201(arch).isomorphic_indices
        found = bench.query_nb201_many(equals, 12, "cifar10", reduction="mean")
        spread = statistics.pstdev(of[0].test_acc for of in found if of)
        text = explorer.find("#equal-spread").inner_text()
        assert f"{len(equals) - 1} other architectures" in text
        assert float(text.rpartition("deviation ")[2].split(" %")[0]) == pytest.approx(
            spread, rel=5e-3
        )

    def test_draws_curves_and_keeps_its_state_in_the_address(
        self, explorer: Any, bench: BenchClient
    ) -> None:
        explorer.open(f"explore/nasbench201/{PAGES['arch']}")
        explorer.find("#curves select").select_option("train_loss")
        explorer.wait()
        explorer.page.get_by_label("one line per run").check()
        explorer.wait()
        assert parse_qs(explorer.query)["curve"] == ["train_loss"]
        assert parse_qs(explorer.query)["runs"] == ["1"]
        curves = bench.curves_nb201(ARCH, 200, "cifar10-valid")
        for _ in range(2):  # also after the page is loaded anew
            assert explorer.page.get_by_label("logarithmic").is_checked()
            explorer.find("#curves summary").click()
            rows = explorer.find("#curves tbody tr")
            assert rows.count() == 200
            last = rows.last.inner_text().split()[1:]
            assert [float(text) for text in last] == pytest.approx(
                [curve.train_loss[-1] for curve in curves], rel=1e-4
            )
            explorer.page.reload()
            explorer.wait()
        assert drawing(explorer) == {"curve": len(curves)}
        explorer.page.go_back()
        explorer.wait()
        assert not explorer.page.get_by_label("one line per run").is_checked()
        assert drawing(explorer) == {"curve": 1, "band": 1}
        drawn = explorer.find("#curve-plot canvas").first.evaluate(
            "canvas => new Set(new Uint32Array(canvas.getContext('2d')"
            ".getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"
        )
        assert drawn > 3

    def test_that_is_not_recorded_says_so_and_offers_neighbors(
        self, explorer: Any, bench: BenchClient
    ) -> None:
        arch = next(
            one.index
            for one in bench.neighbors("nasbench201", ARCH)
            if one.index >= 150
            and sum(other.index < 150 for other in bench.neighbors("nasbench201", one.index)) == 1
        )
        explorer.open(f"explore/nasbench201/arch?arch={arch}")
        assert "not recorded" in explorer.status
        assert explorer.find("#costs").count() == 0
        assert "1 of them recorded" in explorer.find("#best-neighbor").inner_text()
        explorer.find("#best-neighbor a").click()
        explorer.page.wait_for_url(f"**/arch?*arch={ARCH}*")
        explorer.wait()
        assert "test_acc is" in explorer.status

    @pytest.mark.parametrize("arch", HOSTILE, ids=["markup", "backwards", "long"])
    def test_that_is_none_is_refused_as_text(self, explorer: Any, arch: str) -> None:
        explorer.open(f"explore/nasbench201/arch?arch={quote(arch)}", "failed")
        explorer.complained("422")
        assert "Failed: " in explorer.status
        assert explorer.find("main img").count() == 0
        assert explorer.width <= 1280
        explorer.find("#arch").fill(str(ARCH))
        explorer.find("#arch").press("Enter")
        explorer.wait()

    def test_is_copied_as_lines_that_run(
        self, open_page: Callable[..., Any], served: BenchServer, bench: BenchClient
    ) -> None:
        explorer = open_page(served)
        explorer.open(f"explore/nasbench201/{PAGES['arch']}")
        runs = lines_run(copied(explorer, "Copy as Python"))["runs"]
        assert list(runs) == list(bench.query_nb201(ARCH, 200, "cifar10-valid"))
        assert "/computed-stats?arch=80&num_epochs=200" in copied(explorer, "Copy as curl")
        link = copied(explorer, "Copy link")
        digest = bench.benchmark("nasbench201").provenance.content_digest
        assert link == f"{explorer.page.url}&d={digest.removeprefix('sha256:')[:12]}"
        explorer.open(f"{link.removeprefix(explorer.url + '/')}0")
        assert "the data has changed since this link" in explorer.find("#marks").inner_text()
        assert "model_hub.build(row)" in explorer.find("#build").text_content()
        explorer.open(f"explore/nasbench201/{PAGES['compare']}")
        rows = lines_run(copied(explorer, "Copy as Python"))["rows"]
        assert [of[0].config.index for of in rows] == [ARCH, 7, 2]
        explorer.open(f"explore/nasbench201/{PAGES['correlation']}")
        assert lines_run(copied(explorer, "Copy as Python"))["found"].x == "flops"


def drawing(explorer: Any) -> dict[str, int]:
    """Take the curves away as SVG, and return how many lines and bands it has."""
    with explorer.page.expect_download() as download:
        explorer.find("#curves").get_by_role("button", name="SVG").press("Enter")
    assert download.value.suggested_filename == "train_loss.svg"
    root = ET.parse(download.value.path()).getroot()  # noqa: S314 - what our own page has made
    texts = "".join(root.itertext())
    assert "MADE-UP DATA" in texts
    assert "epoch" in texts
    found: Counter[str] = Counter()
    height = float(root.attrib["height"])
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        if kind := path.get("class"):
            found[kind] += 1
            points = [point.split() for point in path.attrib["d"].strip("MZ").split("L")]
            assert len(points) in {200, 400}
            assert all(0 < float(y) < height for _, y in points)
    return dict(found)


class TestCompare:
    def test_shows_the_best_and_the_differences(self, explorer: Any, bench: BenchClient) -> None:
        explorer.open(f"explore/nasbench201/{PAGES['compare']}")
        found = bench.query_nb201_many([ARCH, 7, 2], 200, "cifar10-valid", reduction="mean")
        for name, best in (("test_acc", max), ("train_loss", min), ("flops", min)):
            values = [getattr(of[0], name) for of in found]
            row = f'#compared tr[data-metric="{name}"]'
            assert shown(explorer, f"{row} td") == values
            bold = explorer.find(f"{row} strong").first.inner_text().replace(",", "")
            assert float(bold) == pytest.approx(best(values), rel=1e-4)
        ranks = bench.rank("nasbench201", 7, metric="test_acc", **PART)
        assert f"{ranks.rank} of {ranks.of}" in explorer.find("#ranks").inner_text()
        assert explorer.find("#compared .marked").count() > 0

    def test_is_built_by_keyboard_alone(self, explorer: Any) -> None:
        explorer.open("explore/nasbench201/compare")
        assert explorer.status == "Add two architectures to compare."
        for arch in ("7", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "2"):
            explorer.find("#add").focus()
            explorer.page.keyboard.type(arch)
            explorer.page.keyboard.press("Enter")
            explorer.page.wait_for_url(f"**arch={quote(arch, safe='')[:5]}**")
            explorer.wait()
        assert explorer.page.evaluate("() => document.activeElement.id") == "add"
        explorer.find('[data-move="2"]').focus()
        explorer.page.keyboard.press("ArrowLeft")
        explorer.find('main[data-state="ready"] [data-move="1"]:focus').wait_for()
        assert parse_qs(explorer.query)["arch"][1] == "2"
        explorer.page.get_by_role("button", name="Remove A").press("Enter")
        explorer.page.wait_for_url(lambda url: "arch=7" not in url)
        explorer.wait()
        assert explorer.find("#compared thead th").count() == 2
        explorer.page.go_back()
        explorer.wait()
        assert parse_qs(explorer.query)["arch"][0] == "7"

    def test_is_put_in_order_by_dragging(self, explorer: Any) -> None:
        explorer.open(f"explore/nasbench201/{PAGES['compare']}")
        assert parse_qs(explorer.query)["arch"] == [str(ARCH), "7", "2"]
        explorer.page.drag_and_drop('[data-move="0"]', "#compared thead th:nth-of-type(3)")
        explorer.page.wait_for_url(lambda url: parse_qs(urlsplit(url).query)["arch"][0] == "7")
        explorer.wait()
        first, *_ = explorer.find("#compared thead th").all_inner_texts()
        explorer.page.go_back()
        explorer.wait()
        assert parse_qs(explorer.query)["arch"] == [str(ARCH), "7", "2"]
        assert explorer.find("#compared thead th").first.inner_text() != first

    def test_keeps_what_is_none_apart(self, explorer: Any) -> None:
        explorer.open(f"explore/nasbench201/compare?arch=7&arch={quote(HOSTILE[0])}")
        explorer.complained("422")
        assert "is not an architecture" in explorer.find("#compared").inner_text()
        assert explorer.find("main img").count() == 0


class TestCorrelation:
    def test_is_that_of_the_client(self, explorer: Any, bench: BenchClient) -> None:
        explorer.open(
            "explore/nasbench201/correlation?x=test_acc&y=test_acc&dataset=cifar10"
            "&num_epochs=12&y_num_epochs=200&top_k=10"
        )
        found = bench.correlation(
            "nasbench201",
            x="test_acc",
            y="test_acc",
            dataset="cifar10",
            num_epochs=12,
            y_num_epochs=200,
            top_k=10,
        )
        for name in ("kendall", "spearman", "pearson", "top_k_overlap", "n"):
            (told,) = shown(explorer, f'tr[data-figure="{name}"]')
            assert told == getattr(found, name)
        assert f"{found.n} points drawn" in explorer.status
        explorer.page.get_by_role("button", name="Confidence intervals (200 resamples)").click()
        explorer.page.wait_for_url("**resamples=200**")
        explorer.wait()
        assert " to " in explorer.find('tr[data-figure="kendall"]').inner_text()
        explorer.page.get_by_role("button", name="Swap x and y").click()
        explorer.page.wait_for_url("**num_epochs=200**y_num_epochs=12**")
        explorer.wait()
        assert shown(explorer, 'tr[data-figure="kendall"]') == [found.kendall]


class TestWhatGoesWrong:
    def test_a_refusal_is_told_where_it_happens_and_a_limit_is_waited_for(
        self, explorer: Any
    ) -> None:
        told = {"detail": "this needs the scope <b>read</b>", "status": 403}
        limited: list[str] = []

        def refuse(route: Any) -> None:
            route.fulfill(status=403, body=json.dumps(told), content_type="application/json")

        def limit(route: Any) -> None:
            if limited:
                route.fallback()
                return
            limited.append(route.request.url)
            route.fulfill(status=429, headers={"Retry-After": "1"}, body="{}")

        explorer.page.route("**/architectures/neighbors", refuse)
        explorer.page.route("**/intermediate-stats?**", limit)
        explorer.open(f"explore/nasbench201/{PAGES['arch']}")
        explorer.complained("403", "429")
        assert told["detail"] in explorer.find("#neighbors").inner_text()
        assert limited
        assert explorer.find("#curve-plot canvas").count() > 0

    def test_a_key_that_is_missing_is_asked_for(
        self, open_page: Callable[..., Any], sample_folder: Path, tmp_path: Path
    ) -> None:
        token = KeyFile(tmp_path / "keys.json").create("lab", KeyScope.READ)
        told = {"NASBENCH_KEYS_FILE": str(tmp_path / "keys.json"), "NASBENCH_READ_ACCESS": "keyed"}
        with ending_together() as start:
            server = start(BenchServer(tmp_path, sample_folder, **told))
            explorer = open_page(server)
            explorer.page.goto(f"{server.url}/explore/nasbench201/arch?arch=7")
            explorer.page.wait_for_url("**/explore/key?back=**")
            explorer.wait()
            explorer.complained("401")
            explorer.find("#key").fill(token)
            explorer.find("#key").press("Enter")
            explorer.page.wait_for_url("**/arch?arch=7")
            explorer.wait()
            assert "test_acc is" in explorer.status


@pytest.fixture(scope="module")
def more(sample_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    """A server that has a declared table, too."""
    folder = tmp_path_factory.mktemp("more")
    for path in sample_folder.glob("*.db"):
        (folder / path.name).hardlink_to(path)
    path = shipped_declarations()["nasbenchmacro"]
    raw = write_table_sample(read_declaration(path), folder / "raw", architectures=60, seed=0)
    generate_table(path, raw, folder)
    with ending_together() as start:
        yield start(BenchServer(folder, folder))


class TestAnyBenchmark:
    @pytest.mark.parametrize("name", ["nasbench101", "natssss", "nds", "nasbenchmacro"])
    def test_has_the_sections_that_its_description_allows(
        self, open_page: Callable[..., Any], more: BenchServer, name: str
    ) -> None:
        explorer = open_page(more)
        with BenchClient(more.url) as bench:
            config = bench.query(name)[0].config.model_dump()
        arch = config.get("hash") or config.get("arch_str")
        if arch is None:
            arch = json.dumps({one: config[one] for one in ("model_spec", "cell_spec")})
        for page in ("compare", "arch"):
            explorer.open(f"explore/{name}/{page}?arch={quote(str(arch))}")
            sections = explorer.find("main section").evaluate_all("all => all.map((s) => s.id)")
            assert ("curves" in sections) == (name != "nasbenchmacro")
            assert "[object" not in explorer.find("main").inner_text()
        if name == "nds":  # whose network depends on its design space, too
            explorer.page.get_by_role("button", name="Build network").press("Enter")
            explorer.find('#job [data-state="queued"]').wait_for()
            explorer.find("#jobs tbody tr").wait_for(state="attached")
        explorer.open(f"explore/{name}/correlation")
        assert "points drawn" in explorer.status
