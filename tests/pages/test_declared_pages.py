"""Declared tables have their pages without a line of code; what they are called stays text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from bench_server import BenchServer, ending_together
from declared_tables import RAW, archs, rows, written_declaration
from made_once import made_once

from generators.declared import generate_table

LISTED: Final = 30
HOSTILE: Final = (
    "<img src=x onerror=document.title='run'>",
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} (1) !",
    "a" * 1_900,
)


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

    folder = made_once(tmp_path_factory, "declared-pages", make)
    with ending_together() as start:
        yield start(BenchServer(tmp_path_factory.mktemp("declared"), folder))


def test_thirty_are_listed_and_their_names_are_text(
    open_page: Callable[..., Any], tables: BenchServer
) -> None:
    explorer = open_page(tables, viewport={"width": 320, "height": 700})

    def ten_times(route: Any) -> None:
        items = route.fetch().json()["items"]
        route.fulfill(json={"items": items * (LISTED // len(items))})

    explorer.page.route("**/v1/benchmarks", ten_times)
    explorer.open("explore")
    assert explorer.find("article.card").count() == LISTED
    titles = explorer.find("article.card h2").all_inner_texts()
    assert HOSTILE[0] in titles
    assert explorer.find("article.card img, article.card script").count() == 0
    explorer.find("summary").first.click()
    assert "</dd><script>" in explorer.find("article.card").first.inner_text()
    assert explorer.page.title() != "run"
    assert explorer.page.evaluate("() => document.documentElement.scrollWidth") <= 320


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
