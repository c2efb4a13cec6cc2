"""Declared tables have their pages without a line of code; what they are called stays text."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from bench_server import BenchServer, ending_together
from declared_tables import DECLARATION, RAW, archs, rows, written_declaration
from made_once import made_once
from waiting import until

from bench_client import BenchClient
from generators.declared import generate_table

LISTED: Final = 30
HOSTILE: Final = (
    "<img src=x onerror=document.title='run'>",
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} (1) !",
    "a" * 1_900,
)


ARCHS: Final = (
    "<img/src=x/onerror=document.title='run'>",
    "</textarea><svg/onload=alert(1)>",
    "=HYPERLINK(0)&amp;" + "w" * 480,
)
PART: Final = "<b onclick=alert(1)>\N{ARABIC LETTER BEH} 1"

REPLACED: Final = {
    "": ("Tiny table", ""),
    "/changing?dataset=one&x=loss&y=test_acc": ("best test_acc 41.5 %", "best test_acc 72.5 %"),
    "/changing/arch?arch=1&dataset=one": ("test_acc is 16.5 %", "test_acc is 47.5 %"),
    "/changing/compare?arch=1&arch=2&dataset=one": ("16.5", "47.5"),
    "/changing/correlation?dataset=one&x=loss&y=test_acc": ("Kendall", "Kendall"),
}
"""What pages tell before a table is replaced under them, and of its other part after that; the page
of all benchmarks then has the new digest."""


def hostile_everywhere(folder: Path) -> Path:
    """Write a declaration, and its rows, whose every text that may be anything is hostile."""
    begin, end = DECLARATION.index("[space]"), DECLARATION.index("[parts]")
    path = written_declaration(
        folder,
        (DECLARATION[begin:end], f'[space]\nkind = "listed"\nexample = "{ARCHS[1]}"\n\n'),
        ('"tiny-table"', '"named"'),
        ('"Tiny table"', f'"{HOSTILE[0]}{HOSTILE[1]}{"b" * 3_800}"'),
        ('"MIT"', f'"{HOSTILE[0]}"'),
        ('["one", "two"]', f'["{PART}", "two"]'),
        ("complete = true\n", ""),
        ('better = "larger"\n', f'better = "larger"\ndescription = "{HOSTILE[0]}"\n'),
        ('"skip|conv|pool", dataset = "one"', f'"{ARCHS[0]}", dataset = "{PART}"'),
        ("20.5", "15.5"),
        ("Nobody. Nothing.", "</dd><script>document.title='run'</script>"),
    )
    runs = [row for row in rows() if archs().index(row["cell"]) < len(ARCHS)]
    named = [
        {
            **row,
            "cell": ARCHS[archs().index(row["cell"])],
            "data": {"one": PART}.get(row["data"], row["data"]),
        }
        for row in runs
    ]
    with path.with_name("rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(named[0]))
        writer.writeheader()
        writer.writerows(named)
    return path


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    """A server of tables that are called what pages must not believe."""

    def make(folder: Path) -> None:
        for rank, title in enumerate(HOSTILE):
            path = written_declaration(
                folder / f"declared-{rank}",
                ('"tiny-table"', f'"table-{rank}"'),
                ('"Tiny table"', f'"{title}"'),
                ("Nobody. Nothing.", "</dd><script>document.title='run'</script>"),
                ("Made for tests.", HOSTILE[0]),
            )
            name, write = RAW["csv"]
            raw = path.with_name(name)
            raw.write_bytes(write(rows()))
            generate_table(path, raw, folder)

        path = hostile_everywhere(folder / "declared-named")
        generate_table(path, path.with_name("rows.csv"), folder)

    folder = made_once(tmp_path_factory, "declared-pages", make)
    with ending_together() as start:
        yield start(BenchServer(tmp_path_factory.mktemp("declared"), folder))


def test_thirty_are_listed_and_their_names_are_text(
    open_page: Callable[..., Any], tables: BenchServer
) -> None:
    explorer = open_page(tables, viewport={"width": 320, "height": 700})

    def many_times(route: Any) -> None:
        items = route.fetch().json()["items"]
        route.fulfill(json={"items": (items * LISTED)[:LISTED]})

    explorer.page.route("**/v1/benchmarks", many_times)
    explorer.open("explore")
    assert explorer.find("article.card").count() == LISTED
    titles = explorer.find("article.card h2").all_inner_texts()
    assert HOSTILE[0] in titles
    assert explorer.find("article.card img, article.card script").count() == 0
    explorer.find("summary").first.click()
    assert "</dd><script>" in explorer.find("article.card").first.inner_text()
    assert explorer.page.title() != "run"
    assert explorer.width <= 320


def test_a_page_shows_all_of_a_table(open_page: Callable[..., Any], tables: BenchServer) -> None:
    explorer = open_page(tables)
    explorer.open("explore/table-0?dataset=one")
    assert explorer.find("#title").inner_text() == HOSTILE[0]
    assert explorer.find("#main img, #main script").count() == 0
    assert explorer.find("#kept").inner_text() == f"{len(archs())} of {len(archs())} kept"
    assert explorer.find("#summary").inner_text().startswith("27 of 27 kept; best test_acc 41.5 %")
    explorer.page.get_by_text("pool|pool|pool").first.wait_for()
    explorer.find('[data-facet="@op.2=1"]').click()
    explorer.page.wait_for_url("**op.2=conv**")
    explorer.wait()
    assert explorer.find("#kept").inner_text() == "9 of 27 kept"
    explorer.open("explore/table-0?dataset=two")
    assert "best test_acc 71.5 %" in explorer.find("#summary").inner_text()
    explorer.accessible()


def test_what_is_hostile_stays_text_on_every_page(
    open_page: Callable[..., Any], tables: BenchServer
) -> None:
    explorer = open_page(tables, viewport={"width": 320, "height": 700})
    chosen = "&".join(f"arch={quote(arch, safe='')}" for arch in ARCHS)
    part = f"dataset={quote(PART)}"
    for path, shown in (
        ("explore", HOSTILE[0]),
        ("explore/status", HOSTILE[0]),
        (f"explore/named?{part}&sel=0", ARCHS[1]),
        (f"explore/named/arch?arch={quote(ARCHS[0], safe='')}&{part}", ARCHS[0]),
        (f"explore/named/compare?{chosen}&{part}", ARCHS[1]),
        (f"explore/named/correlation?{part}", HOSTILE[0]),
    ):
        explorer.open(path)
        explorer.page.get_by_text(shown[:20]).filter(visible=True).first.wait_for()
        assert explorer.find("[onerror], [onload], [onclick], main b").count() == 0
        assert explorer.page.title() != "run"
        assert explorer.width <= 320, path
        explorer.accessible()


def test_a_table_that_is_replaced_under_an_open_page_is_shown_anew(
    open_page: Callable[..., Any], tmp_path: Path
) -> None:
    path = written_declaration(tmp_path / "declared", ('"tiny-table"', '"changing"'))
    name, write = RAW["csv"]
    raw = path.with_name(name)
    raw.write_bytes(write(rows()))
    (tmp_path / "data").mkdir()
    generate_table(path, raw, tmp_path / "data")
    with ending_together() as start:
        server = start(BenchServer(tmp_path, tmp_path / "data"))
        shown = {}
        for below, (told, _) in REPLACED.items():
            shown[below] = open_page(server)
            shown[below].open(f"explore{below}")
            shown[below].page.get_by_text(told).filter(visible=True).first.wait_for()
        with BenchClient(server.url) as bench:
            before = bench.benchmarks()[0].provenance.content_digest
            text = path.read_text().replace("20.5", "21.5")
            path.write_text(text)
            raw.write_bytes(write([{**row, "acc": row["acc"] + 1} for row in rows()]))
            generate_table(path, raw, tmp_path / "data")
            now = until(
                lambda: bench.benchmarks()[0].provenance.content_digest,
                lambda digest: digest != before,
                what="the new table served",
            )
        for below, explorer in shown.items():
            if below:
                explorer.find("#choose-dataset, select[name=dataset]").first.select_option("two")
            else:
                # Nothing is asked there before somebody comes back to the page.
                explorer.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            explorer.page.get_by_text("the data was replaced while this page was open").wait_for()
            explorer.wait()
            told = REPLACED[below][1] or now.removeprefix("sha256:")[:12]
            explorer.page.get_by_text(told).filter(visible=True).first.wait_for()
            explorer.accessible()
