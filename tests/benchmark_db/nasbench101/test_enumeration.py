import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from measuring import unmeasured

from benchmark_db.nasbench101.cell import MAX_EDGES, Cell
from benchmark_db.nasbench101.graph_hash import hash_cell
from benchmark_db.nasbench101.space import CELLS_BY_VERTICES, enumerate_cells, enumerate_codes

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "nasbench101"


@pytest.fixture(scope="module")
@unmeasured()
def space() -> dict[int, Any]:
    """Codes and hashes of all cells, by number of vertices."""
    return {size: enumerate_codes(size) for size in CELLS_BY_VERTICES}


@pytest.fixture(scope="module")
def cells(space: dict[int, Any]) -> list[tuple[bytes, Cell]]:
    """Hash and cell."""
    return [
        (digest.tobytes(), Cell(code))
        for codes, digests in space.values()
        for code, digest in zip(codes.tolist(), digests, strict=True)
    ]


def test_the_space_has_its_published_size_by_number_of_vertices(
    space: dict[int, Any], cells: list[tuple[bytes, Cell]]
) -> None:
    assert {size: len(codes) for size, (codes, _) in space.items()} == CELLS_BY_VERTICES
    assert len(cells) == 423_624
    assert Counter(cell.num_vertices for _, cell in cells) == CELLS_BY_VERTICES


def test_no_hash_occurs_twice(cells: list[tuple[bytes, Cell]]) -> None:
    assert len({digest for digest, _ in cells}) == len(cells)


def test_every_cell_is_within_the_limits(cells: list[tuple[bytes, Cell]]) -> None:
    assert max(cell.num_edges for _, cell in cells) == MAX_EDGES


def test_the_hashes_belong_to_the_cells_and_the_cells_are_pruned(
    cells: list[tuple[bytes, Cell]],
) -> None:
    for digest, cell in random.Random(0).sample(cells, 300):  # noqa: S311 - a sample, no secret
        assert cell.is_pruned
        assert hash_cell(cell) == digest.hex()


def test_the_golden_cell_is_in_the_space(cells: list[tuple[bytes, Cell]]) -> None:
    golden = bytes.fromhex("00005c142e6f48ac74fdcf73e3439874")
    (cell,) = (cell for digest, cell in cells if digest == golden)
    assert cell.num_edges == 9


def test_enumeration_can_stop_early_and_begins_with_the_smallest() -> None:
    few = list(enumerate_cells(max_vertices=4))
    assert [cell.num_vertices for _, cell in few] == [2] + [3] * 6 + [4] * 84


@pytest.mark.skipif(
    not SHARED.is_dir(), reason="the published cells are not beside the checkout (../shared/data)"
)
def test_the_cells_of_up_to_five_vertices_are_the_published_ones() -> None:
    installed = json.loads((SHARED / "cells-up-to-5-vertices.json").read_text())
    assert {digest for digest, _ in enumerate_cells(max_vertices=5)} == set(installed)
