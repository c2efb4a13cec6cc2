import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_db.nasbench101.batch_hash import hash_cells, hash_codes
from benchmark_db.nasbench101.batch_md5 import BLOCK_BYTES, block_count, md5_of_padded, padded
from benchmark_db.nasbench101.cell import MAX_EDGES, Cell, edge_bit
from benchmark_db.nasbench101.graph_hash import hash_cell, hash_code
from benchmark_db.nasbench101.spelling import parse_cell

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "nasbench101"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the published cells are not beside the checkout (../shared/data)"
)

# specs/raw-formats.md section 1 and cells of PedramBakh/EC-NAS-Bench: predecessors of vertices
# 1 to V - 1, labels of vertices 1 to V - 2.
INSTALLABLE = {
    "043721b9c7fe8c5fad811d47d83132ec": ([[0]], []),
    "09fc2d10bdd6225e167a6f81a22a3f06": ([[0], [0, 1]], [1]),
    "53cee42601ad14d661bb6878031d6acb": ([[0], [1]], [2]),
    "001a6fcc8b38cbc515be788a86bdc804": ([[0], [0, 1], [2]], [2, 2]),
    "01f0f1cf81ef9193f2946db78ea759ee": ([[0], [1], [0, 1, 2]], [0, 0]),
    "005d730dc32caf954ab507d61e15cd6f": ([[0], [1], [1, 2], [3]], [2, 0, 1]),
    "006a8c8225a795824292a06f371586e7": ([[0], [1], [0, 1, 2], [0, 1, 2, 3]], [1, 2, 0]),
    "00005c142e6f48ac74fdcf73e3439874": (
        [[0], [1], [2], [0], [0, 3, 4], [2, 5]],
        [0, 2, 0, 0, 1],
    ),
}


def published_cell(sources: list[list[int]], labels: list[int]) -> Cell:
    return Cell.from_predecessors([sum(1 << u for u in above) for above in sources], labels)


def random_cells(count: int, seed: int) -> list[Cell]:
    """Cells of up to seven vertices, stranded vertices included."""
    rng = np.random.default_rng(seed)
    cells: list[Cell] = []
    while len(cells) < count:
        size = int(rng.integers(2, 8))
        edges = int(rng.integers(1, 1 << edge_bit(0, size)))
        if edges.bit_count() <= MAX_EDGES:
            masks = [edges >> edge_bit(0, v) & ((1 << v) - 1) for v in range(1, size)]
            cell = Cell.from_predecessors(masks, rng.integers(0, 3, size - 2).tolist())
            if cell.on_path:
                cells.append(cell)
    return cells


@pytest.mark.parametrize(("digest", "graph"), INSTALLABLE.items())
def test_a_published_cell_has_its_published_hash(
    digest: str, graph: tuple[list[list[int]], list[int]]
) -> None:
    assert hash_cell(published_cell(*graph)) == digest


def test_published_cells_have_their_hashes_in_a_batch_of_thousands() -> None:
    cells = [published_cell(*graph) for graph in INSTALLABLE.values()] * 600
    assert hash_cells(cells) == list(INSTALLABLE) * 600


@needs_shared
def test_all_cells_of_up_to_five_vertices_have_their_published_hashes() -> None:
    installed: dict[str, Any] = json.loads((SHARED / "cells-up-to-5-vertices.json").read_text())
    names = {-1: "input", -2: "output", 0: "conv3x3", 1: "conv1x1", 2: "maxpool"}
    cells = [
        parse_cell({"module_adjacency": rows, "module_operations": [names[i] for i in labels]})
        for rows, labels in installed.values()
    ]
    assert len(cells) == 2532
    assert [hash_cell(cell) for cell in cells] == list(installed)
    assert hash_cells(cells) == list(installed)


def test_a_batch_hashes_as_each_cell_alone_stranded_vertices_or_not() -> None:
    cells = random_cells(3000, seed=0)
    assert any(not cell.is_pruned for cell in cells)
    assert hash_cells(cells) == [hash_cell(cell) for cell in cells]


@pytest.mark.parametrize("count", [0, 1, 2, 149, 150, 151])
def test_a_batch_may_be_of_any_size(count: int) -> None:
    cells = [cell for cell in random_cells(600, seed=1) if cell.pruned().num_vertices == 4][:count]
    cells = (cells * 200)[:count]
    assert hash_cells(cells) == [hash_cell(cell) for cell in cells]


def test_digests_come_as_rows_of_sixteen_bytes() -> None:
    cell = published_cell(*INSTALLABLE["00005c142e6f48ac74fdcf73e3439874"])
    digests = hash_codes(np.array([cell.code] * 2))
    assert digests.shape == (2, 16)
    assert digests[1].tobytes().hex() == "00005c142e6f48ac74fdcf73e3439874"


def test_a_stranded_vertex_does_not_change_the_hash() -> None:
    with_dead_end = parse_cell({"op1": "maxpool", "input1": [0], "input2": [0]})
    assert hash_cell(with_dead_end) == "043721b9c7fe8c5fad811d47d83132ec"


def test_cells_without_a_path_are_refused_alone_and_in_a_batch() -> None:
    pathless = Cell.from_predecessors([0], [])
    for attempt in (lambda: hash_cell(pathless), lambda: hash_cells([pathless])):
        with pytest.raises(ValueError, match=r"path|reach"):
            attempt()


def test_what_is_remembered_is_bounded() -> None:
    assert hash_code.cache_info().maxsize == 1 << 14


def test_md5_side_by_side_is_md5() -> None:
    messages = [os.urandom(length) for length in range(250)]
    messages.sort(key=lambda message: -block_count(len(message)))
    blocks = np.array([block_count(len(message)) for message in messages])
    rows = np.zeros((len(messages), int(blocks[0]) * BLOCK_BYTES), dtype=np.uint8)
    for row, message in zip(rows, messages, strict=True):
        row[: len(padded(message))] = np.frombuffer(padded(message), dtype=np.uint8)
    expected = [hashlib.md5(message, usedforsecurity=False).digest() for message in messages]
    assert [bytes(digest) for digest in md5_of_padded(rows, blocks)] == expected
