"""The main page of a benchmark: its figures are those of the client, its state is its address."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import numpy as np
import pytest
from bench_server import BenchServer
from PIL import Image

from bench_client import BenchClient

PAGE: Final = "explore/nasbench201"
PART: Final[dict[str, Any]] = {"dataset": "cifar10", "num_epochs": 200}
AT: Final = f"{PAGE}?dataset=cifar10&num_epochs=200"
WITHIN: Final[dict[str, Any]] = {"max_flops": 80, "min_test_acc": 30}
PNG: Final = "PNG {}\N{MULTIPLICATION SIGN}"
BOUNDED: Final = f"{AT}&x=flops&y=test_acc&max_flops=80&min_test_acc=30"

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")


@pytest.fixture(scope="module")
def bench(served: BenchServer) -> Iterator[BenchClient]:
    with BenchClient(served.url) as client:
        yield client


@pytest.fixture(scope="module")
def columns(bench: BenchClient) -> Callable[[str], Any]:
    """Gives a column of the part that the tests look at."""
    return lambda name: bench.column("nasbench201", name, **PART).to_numpy()


def kept(explorer: Any) -> int:
    text: str = explorer.find("#kept").inner_text()
    return int(text.split(maxsplit=1)[0].replace(",", ""))


def state(explorer: Any) -> dict[str, list[str]]:
    return parse_qs(explorer.query)


class TestFigures:
    def test_of_the_table_are_those_of_top(self, explorer: Any, bench: BenchClient) -> None:
        explorer.open(BOUNDED)
        best = bench.top("nasbench201", metric="test_acc", n=12, **WITHIN, **PART)
        rows = explorer.find(".virtual tbody tr:not(.spacer)")
        explorer.page.get_by_text(best[0].config.arch_str).first.wait_for()
        for rank, item in enumerate(best):
            cells = rows.nth(rank).locator("td").all_inner_texts()
            assert cells[1] == str(item.config.index)
            assert cells[2] == item.config.arch_str
            assert float(cells[3]) == pytest.approx(item.metrics["test_acc"], rel=2e-4)
            assert float(cells[4]) == pytest.approx(item.metrics["flops"], rel=2e-4)

    def test_of_what_is_kept_and_of_the_front_are_those_of_the_client(
        self, explorer: Any, bench: BenchClient, columns: Callable[[str], Any]
    ) -> None:
        explorer.open(f"{BOUNDED}&pareto=1")
        within = (columns("flops") <= 80) & (columns("test_acc") >= 30)
        assert kept(explorer) == within.sum() > 3
        front = bench.pareto("nasbench201", x="flops", y="test_acc", **WITHIN, **PART)
        summary = explorer.find("#summary").inner_text()
        assert summary.startswith(f"{within.sum()} of {len(within)} kept; best test_acc")
        assert f"{len(front)} on the Pareto front" in summary
        assert f"{len(within)} of {len(within)} architectures are shown" in (
            explorer.find(".drawn").inner_text()
        )

    def test_of_facets_are_counts_of_what_is_kept(
        self, explorer: Any, columns: Callable[[str], Any]
    ) -> None:
        explorer.open(BOUNDED)
        within = (columns("flops") <= 80) & (columns("test_acc") >= 30)
        values = columns("@op.0_1")
        facet = explorer.find('[data-facet="@op.0_1=3"]')
        assert facet.inner_text().split()[-1] == str((values[within] == 3).sum())
        facet.click()
        explorer.wait()
        assert kept(explorer) == (within & (values == 3)).sum()
        assert state(explorer)["op.0_1"] == ["nor_conv_3x3"]
        facet.press("Enter")
        facet.click(modifiers=["Alt"])
        explorer.find(".facet.dropped").wait_for()
        assert kept(explorer) == (within & (values != 3)).sum()
        assert state(explorer)["op.0_1"] == ["!nor_conv_3x3"]
        explorer.page.reload()
        explorer.wait()
        assert kept(explorer) == (within & (values != 3)).sum()
        explorer.page.go_back()
        explorer.wait()
        assert "op.0_1" not in state(explorer)


class TestTheBrush:
    def test_keeps_what_lies_in_it_and_survives_reload_and_back(
        self, explorer: Any, columns: Callable[[str], Any]
    ) -> None:
        explorer.open(f"{AT}&x=flops&y=test_acc")
        box = explorer.find(".u-over").bounding_box()
        mouse = explorer.page.mouse
        mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
        mouse.down()
        mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
        mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
        mouse.up()
        explorer.find('[data-bound="max_flops"]').wait_for()
        explorer.wait()
        bounds = {
            name: float(value[0])
            for name, value in state(explorer).items()
            if "_" in name and name[:4] in {"min_", "max_"}
        }
        assert len(bounds) == 4
        within = np.ones(len(columns("flops")), bool)
        for name in ("flops", "test_acc"):
            within &= columns(name) >= np.float32(bounds[f"min_{name}"])
            within &= columns(name) <= np.float32(bounds[f"max_{name}"])
        assert 0 < kept(explorer) == within.sum() < len(within)
        explorer.page.reload()
        explorer.wait()
        assert kept(explorer) == within.sum()
        explorer.find("#plot").focus()
        explorer.page.keyboard.press("]")
        explorer.wait()
        assert float(state(explorer)["min_flops"][0]) > bounds["min_flops"]
        explorer.page.keyboard.press("Escape")
        explorer.page.locator("[data-bound]").first.wait_for(state="detached")
        assert kept(explorer) == len(within)
        explorer.page.go_back()
        explorer.find('[data-bound="max_flops"]').wait_for()

    def test_zooms_with_shift_and_by_the_wheel(self, explorer: Any) -> None:
        explorer.open(f"{AT}&x=flops&y=test_acc")
        box = explorer.find(".u-over").bounding_box()
        mouse, keyboard = explorer.page.mouse, explorer.page.keyboard
        keyboard.down("Shift")
        mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
        mouse.down()
        mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"], steps=5)
        mouse.up()
        keyboard.up("Shift")
        explorer.page.wait_for_url("**view=**")
        explorer.wait()
        first = [float(end) for end in state(explorer)["view"][0].split(",")]
        drawn = explorer.find(".drawn").inner_text()
        assert not drawn.startswith("150 of 150")
        mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
        mouse.wheel(0, -120)
        explorer.page.wait_for_url(lambda _: state(explorer)["view"] != [",".join(map(str, first))])
        explorer.wait()
        explorer.find("#plot").focus()
        keyboard.press("0")
        explorer.page.wait_for_url(lambda url: "view=" not in url)
        explorer.wait()
        assert explorer.find(".drawn").inner_text().startswith("150 of 150")


class TestBounds:
    def test_are_typed_told_and_taken_away(
        self, explorer: Any, columns: Callable[[str], Any]
    ) -> None:
        explorer.open(f"{AT}&x=flops&y=test_acc")
        explorer.page.keyboard.press("/")
        explorer.page.keyboard.type("flps <= 3")
        assert "Unknown metric flps" in explorer.find("#bound-told").inner_text()
        explorer.find("#search").fill("flops <= 80")
        explorer.page.keyboard.press("Enter")
        chip = explorer.find('[data-bound="max_flops"]')
        chip.wait_for()
        assert "flops ≤ 80" in chip.inner_text()
        assert kept(explorer) == (columns("flops") <= 80).sum()
        field = explorer.find('[data-metric="test_acc"] input[data-side="min"]')
        field.fill("40")
        field.press("Tab")
        explorer.find('[data-bound="min_test_acc"]').wait_for()
        assert state(explorer)["min_test_acc"] == ["40"]
        # The next field still has the focus, and after a chip that is taken away the next one.
        assert explorer.find('[data-metric="test_acc"] [data-side="max"]:focus').count() == 1
        chip.get_by_role("button").press("Enter")
        chip.wait_for(state="detached")
        assert explorer.find('[data-bound="min_test_acc"] button:focus').count() == 1
        assert kept(explorer) == (columns("test_acc") >= 40).sum()

    def test_are_dragged_in_a_histogram(self, explorer: Any) -> None:
        explorer.open(f"{AT}&x=flops&y=test_acc")
        box = explorer.find('[data-metric="flops"] canvas').bounding_box()
        mouse = explorer.page.mouse
        mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 20)
        mouse.down()
        mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 20, steps=5)
        mouse.up()
        explorer.find('[data-bound="min_flops"]').wait_for()
        explorer.wait()
        label = explorer.find('[data-metric="flops"] canvas').get_attribute("aria-label")
        assert f"{kept(explorer)} of 150 kept" in label


class TestTheAddress:
    def test_that_is_broken_is_kept_and_told(self, explorer: Any) -> None:
        broken = "x=nothing&odd=%3Cimg src=x onerror=alert(1)%3E&max_flops=many&view=1,2&sel=-4"
        explorer.open(f"{AT}&{broken}&op.0_1=none&op.9_9=what&sort=-nothing&y=test_acc")
        told = " ".join(explorer.find(".mark").all_inner_texts())
        for part in ("x=nothing", "max_flops=many", "view=1,2", "sel=-4", "sort=-nothing"):
            assert part in told
        assert "odd" in told
        assert "op.9_9" in told
        assert "onerror" in explorer.query
        assert kept(explorer) < 150
        explorer.find("#toggle-log-x").click()
        explorer.wait()
        assert "onerror" in explorer.query

    def test_of_other_data_says_so(self, explorer: Any, bench: BenchClient) -> None:
        digest = bench.benchmark("nasbench201").provenance.content_digest[7:19]
        explorer.open(f"{AT}&d={digest}")
        assert explorer.find('[data-mark="changed"]').count() == 0
        explorer.open(f"{AT}&d=0123456789ab")
        assert "changed since" in explorer.find('[data-mark="changed"]').inner_text()

    def test_of_another_part_shows_its_figures(self, explorer: Any, bench: BenchClient) -> None:
        explorer.open(f"{AT}&y=test_acc")
        explorer.find("#choose-dataset").select_option("cifar100")
        explorer.page.wait_for_url("**dataset=cifar100**")
        explorer.wait()
        (best,) = bench.top(
            "nasbench201", metric="test_acc", n=1, dataset="cifar100", num_epochs=200
        )
        first = explorer.find(".virtual tbody tr").first.locator("td").all_inner_texts()
        assert first[1] == str(best.config.index)
        explorer.page.go_back()
        explorer.page.wait_for_url("**dataset=cifar10&**")
        explorer.wait()

    def test_of_no_benchmark_says_which_there_are(self, explorer: Any) -> None:
        held: list[Any] = []

        def hold(route: Any) -> None:
            held.append(route)

        explorer.page.route("**/v1/benchmarks/nowhere", hold)
        with explorer.page.expect_response("**/v1/nowhere/columns"):
            explorer.page.goto(f"{explorer.url}/explore/nowhere")
        held[0].continue_()  # The answer that says it comes last.
        explorer.wait("failed")
        assert "nowhere" in explorer.status
        assert "nasbench201" in explorer.status
        explorer.complained("404")


class TestTheKeyboard:
    def test_walks_selects_and_opens(self, explorer: Any, columns: Callable[[str], Any]) -> None:
        explorer.page.route("**/arch?**", lambda route: route.fulfill(body="the architecture"))
        explorer.open(f"{AT}&x=flops&y=test_acc")
        explorer.find("#plot").focus()
        keyboard = explorer.page.keyboard
        keyboard.press("ArrowRight")
        flops = columns("flops")
        first = int(np.argsort(flops, kind="stable")[0])
        assert f"Architecture {first}:" in explorer.find(".readout").inner_text()
        keyboard.press("ArrowRight")
        second = int(np.argsort(flops, kind="stable")[1])
        assert f"Architecture {second}:" in explorer.find(".readout").inner_text()
        keyboard.press("Space")
        explorer.page.wait_for_url(f"**sel={second}**")
        keyboard.press("p")
        explorer.page.wait_for_url("**pareto=1**")
        keyboard.press("?")
        explorer.find("dialog[open]").wait_for()
        keyboard.press("Escape")
        explorer.find("dialog").wait_for(state="detached")
        explorer.find("#plot").focus()
        keyboard.press("Enter")
        explorer.page.wait_for_url("**/explore/nasbench201/arch?arch=**")
        assert parse_qs(explorer.query)["num_epochs"] == ["200"]

    def test_goes_through_the_table_and_compares(self, explorer: Any) -> None:
        explorer.page.route("**/compare?**", lambda route: route.fulfill(body="compared"))
        explorer.open(f"{AT}&x=flops&y=test_acc")
        explorer.find(".virtual").focus()
        for _ in range(3):
            explorer.page.keyboard.press("ArrowDown")
        place = explorer.page.evaluate("() => document.activeElement.dataset.place")
        assert place == "2"
        explorer.page.keyboard.press("End")
        place = explorer.page.evaluate("() => document.activeElement.dataset.place")
        assert place == "149"
        explorer.find('[data-sort="flops"]').click()
        explorer.page.wait_for_url("**sort=**")
        explorer.wait()
        explorer.page.keyboard.press("Home")
        for box in explorer.find(".virtual input[type=checkbox]").all()[:3]:
            box.check()
        assert explorer.find("#compare").inner_text() == "Compare 3"
        explorer.find("#compare").click()
        explorer.page.wait_for_url("**/compare?arch=**")
        assert len(parse_qs(explorer.query)["arch"]) == 3

    def test_keeps_what_it_has_come_to_while_rows_are_drawn_anew(self, explorer: Any) -> None:
        explorer.open(AT)
        box = explorer.find(".virtual tbody input").nth(3)
        box.focus()
        held = box.element_handle()
        explorer.page.keyboard.press("Space")
        # Rows further down come into view: all are drawn anew, in the next frame.
        explorer.find(".virtual").evaluate("one => one.scrollTo(0, 64)")
        explorer.find('tr[data-place="30"]').wait_for(state="attached")
        kept = "box => box.isConnected && box.checked && box === document.activeElement"
        assert held.evaluate(kept)
        explorer.page.keyboard.press("Space")
        assert not held.evaluate(kept)

    def test_reaches_the_last_row_with_text_of_twice_the_size(self, explorer: Any) -> None:
        explorer.open(AT)
        explorer.page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
        row = explorer.find(".virtual tbody tr").nth(2)
        row.focus()
        explorer.page.keyboard.press("End")
        last = explorer.find('tr[data-place="149"]:focus')
        last.wait_for()
        assert last.bounding_box()["height"] == pytest.approx(64, abs=1)
        foot = "one => one.getBoundingClientRect().bottom"
        assert last.evaluate(foot) <= explorer.find(".virtual").evaluate(foot)
        assert explorer.width <= 1280


class TestTakenAway:
    def test_files_carry_what_is_kept_and_where_it_is_from(
        self, explorer: Any, columns: Callable[[str], Any], tmp_path: Path
    ) -> None:
        explorer.open(f"{BOUNDED}&pareto=1")
        within = np.flatnonzero((columns("flops") <= 80) & (columns("test_acc") >= 30))
        numbers = columns("@number")[within]
        saved = self.save(explorer, "CSV", tmp_path)
        first, *rest = saved.read_text().splitlines()
        assert first.startswith("# MADE-UP DATA · NAS-Bench-201 · ")
        rows = list(csv.DictReader(io.StringIO("\n".join(rest))))
        assert sorted(int(row["number"]) for row in rows) == sorted(numbers)
        by_number = dict(zip(columns("@number"), columns("flops"), strict=True))
        for row in rows:
            assert float(row["flops (M)"]) == pytest.approx(by_number[int(row["number"])], rel=1e-6)
        npy = np.load(self.save(explorer, "NumPy", tmp_path))
        assert npy.dtype == np.int32
        assert npy.tolist() == numbers.tolist()
        sizes = [
            self.image(self.save(explorer, PNG.format(scale), tmp_path)).size for scale in (1, 2, 4)
        ]
        assert sizes[1] == (2 * sizes[0][0], 2 * sizes[0][1])
        assert sizes[2] == (4 * sizes[0][0], 4 * sizes[0][1])
        picture = self.image(tmp_path / PNG.format(2)).convert("RGB")
        assert len(picture.getcolors(2**24) or ()) > 20
        vector = self.save(explorer, "SVG", tmp_path).read_text()
        assert "MADE-UP DATA" in vector
        assert vector.count("<path") > 5
        assert "<polyline" in vector

    def test_lines_give_the_same(self, open_page: Callable[..., Any], served: BenchServer) -> None:
        explorer = open_page(served)
        explorer.open(f"{BOUNDED}&op.0_1=!none")
        program = self.copy(explorer, "Copy Python")
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert int(ended.stdout) == kept(explorer)
        line = self.copy(explorer, "Copy curl")
        assert '-H "Authorization: Bearer $NASBENCH_API_KEY"' in line
        asked = subprocess.run(
            ["sh", "-c", line.replace("curl", "curl -sSf", 1)],  # noqa: S607 - a shell's own line
            capture_output=True,
            text=True,
            check=True,
        )
        assert '"test_acc":' in asked.stdout
        link = self.copy(explorer, "Copy link")
        assert "&d=" in link
        explorer.page.goto(link)
        explorer.wait()
        assert explorer.find('[data-mark="changed"]').count() == 0
        assert "ICLR" in self.copy(explorer, "Copy citation")

    @staticmethod
    def image(path: Path) -> Image.Image:
        return Image.open(io.BytesIO(path.read_bytes()))

    @staticmethod
    def save(explorer: Any, label: str, folder: Path) -> Path:
        with explorer.page.expect_download() as started:
            explorer.page.get_by_role("button", name=label, exact=True).click()
        path = folder / label
        started.value.save_as(path)
        return path

    @staticmethod
    def copy(explorer: Any, label: str) -> str:
        explorer.page.get_by_role("button", name=label, exact=True).click()
        explorer.page.get_by_text(f"{label}: copied.").wait_for()
        text: str = explorer.page.evaluate("() => navigator.clipboard.readText()")
        return text


class TestLooks:
    def test_are_accessible_in_both_themes_on_any_screen(
        self, open_page: Callable[..., Any], served: BenchServer
    ) -> None:
        explorer = open_page(served, reduced_motion="reduce")
        explorer.open(f"{BOUNDED}&pareto=1&c=parameters&xs=log&sel=5")
        explorer.accessible_in_both_themes()
        assert explorer.find('[data-mark="made-up"]').inner_text() == "made-up data"
        assert "parameters" in explorer.find(".scale").inner_text()
        explorer.page.set_viewport_size({"width": 320, "height": 800})
        explorer.page.reload()
        explorer.wait()
        assert explorer.width <= 320

    def test_are_those_of_every_benchmark(self, explorer: Any) -> None:
        for name in ("nasbench101", "natssss", "nds"):
            explorer.open(f"explore/{name}")
            assert kept(explorer) > 0
            assert explorer.find(".virtual tbody tr").count() == min(kept(explorer), 12)

    def test_without_a_canvas_are_the_table(self, explorer: Any) -> None:
        explorer.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        explorer.open(BOUNDED)
        assert "cannot draw the plot" in explorer.find("#plot").inner_text()
        assert explorer.find(".virtual tbody tr").count() > 3

    @pytest.mark.parametrize("status", [429, 503])
    def test_wait_for_a_busy_service(self, explorer: Any, status: int) -> None:
        refused: list[str] = []

        def once(route: Any) -> None:
            if refused:
                route.continue_()
            else:
                refused.append(route.request.url)
                route.fulfill(status=status, headers={"Retry-After": "1"}, body="{}")

        explorer.page.route("**/column?metric=flops**", once)
        explorer.page.goto(f"{explorer.url}/{BOUNDED}")
        explorer.page.get_by_text("the service is busy, retrying in 1 s").wait_for()
        explorer.wait()
        assert kept(explorer) > 3
        explorer.complained(str(status))

    def test_tell_a_refusal_and_go_on_after_it(self, explorer: Any) -> None:
        told = json.dumps({"detail": "a key with the scope 'other' is needed"})
        explorer.open(BOUNDED)
        explorer.page.route(
            "**/column?metric=train_loss**",
            lambda route: route.fulfill(status=403, body=told, content_type="application/json"),
        )
        explorer.find("#choose-y").select_option("train_loss")
        explorer.wait("failed")
        assert "the scope 'other'" in explorer.status
        explorer.find("#choose-y").select_option("valid_acc")
        explorer.wait()
        assert kept(explorer) > 3
        explorer.complained("403")


class TestManyArchitectures:
    def test_are_counts_of_the_service_until_their_columns_are_here(
        self, explorer: Any, columns: Callable[[str], Any]
    ) -> None:
        def few(route: Any) -> None:
            script = route.fetch().text()
            assert "MOST_AT_ONCE = 50_000" in script
            route.fulfill(
                body=script.replace("MOST_AT_ONCE = 50_000", "MOST_AT_ONCE = 50"),
                content_type="text/javascript",
            )

        held: list[Any] = []
        explorer.page.route("**/benchmark.js", few)
        explorer.page.route("**/column?**", lambda route: held.append(route))  # noqa: PLW0108
        explorer.page.goto(f"{explorer.url}/{BOUNDED}&xs=log")
        explorer.wait("approximate")
        within = int(((columns("flops") <= 80) & (columns("test_acc") >= 30)).sum())
        assert kept(explorer) == within
        assert explorer.find('[data-mark="approximate"]').count() == 1
        assert "approximate" in explorer.find("#summary").inner_text()
        explorer.page.unroute("**/column?**")
        for route in held:
            route.continue_()
        explorer.wait()
        assert kept(explorer) == within
        assert explorer.find('[data-mark="approximate"]').count() == 0
