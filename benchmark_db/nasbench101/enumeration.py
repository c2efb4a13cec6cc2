"""The whole space of NAS-Bench-101: one cell of each isomorphism class, with its hash.

Every set of at most nine forward edges in which each vertex but the input is fed and each but the
output feeds another is a pruned graph. Graphs that hash alike under equal labels are the same
graph, and labelled cells that hash alike are the same cell, as the benchmark defines it: 423,624.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from benchmark_db.nasbench101.cell import (
    MAX_EDGES,
    MAX_VERTICES,
    OPERATION_NAMES,
    VERTEX_COUNT_SHIFT,
    Cell,
    edge_bit,
    operation_shift,
)
from benchmark_db.nasbench101.code_arrays import predecessor_column
from benchmark_db.nasbench101.graph_hash import hash_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["CELLS_BY_VERTICES", "NUM_CELLS", "enumerate_cells", "enumerate_codes"]

CELLS_BY_VERTICES = {2: 1, 3: 6, 4: 84, 5: 2441, 6: 62010, 7: 359082}
"""Published sizes, by number of vertices."""

NUM_CELLS = sum(CELLS_BY_VERTICES.values())
"""Size of the whole space: 423,624."""

_FEWEST_VERTICES = 2


def enumerate_cells(max_vertices: int = MAX_VERTICES) -> Iterator[tuple[str, Cell]]:
    """Yield the hash and one pruned cell of every class, by number of vertices.

    The order and the representatives are the same in every run. All seven-vertex cells are
    hashed before the first of them is yielded: some seconds, about 200 MB.

    Args:
        max_vertices: Where to stop, 2 to 7.
    """
    for size in range(_FEWEST_VERTICES, max_vertices + 1):
        codes, digests = enumerate_codes(size)
        for row, code in enumerate(codes.tolist()):
            yield digests[row].tobytes().hex(), Cell(code)


def enumerate_codes(num_vertices: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return one pruned cell of every class with so many vertices.

    Args:
        num_vertices: 2 to 7, input and output included.

    Returns:
        The cells' codes, shape (N,), and their hashes, shape (N, 16).
    """
    graphs = _pruned_graphs(num_vertices)
    graphs = graphs[_first_of_each(hash_codes(graphs))]
    codes = (graphs[:, None] | _labelings(num_vertices)[None, :]).ravel()
    digests = hash_codes(codes)
    kept = _first_of_each(digests)
    return codes[kept], digests[kept]


def _pruned_graphs(size: int) -> NDArray[np.int64]:
    """Return the codes of all pruned graphs, isomorphic ones too, with every label 0."""
    edges = np.arange(1 << edge_bit(0, size), dtype=np.int64)
    edges = edges[np.bitwise_count(edges) <= MAX_EDGES]
    for target in range(1, size):
        edges = edges[predecessor_column(edges, target) != 0]
    for source in range(size - 1):
        leaving = sum(1 << edge_bit(source, target) for target in range(source + 1, size))
        edges = edges[edges & leaving != 0]
    return edges | size << VERTEX_COUNT_SHIFT


def _labelings(size: int) -> NDArray[np.int64]:
    """Return the operation bits of every assignment of operations to the interior vertices."""
    labels = range(len(OPERATION_NAMES))
    return np.array(
        [
            sum(label << operation_shift(vertex) for vertex, label in enumerate(chosen, start=1))
            for chosen in itertools.product(labels, repeat=size - 2)
        ],
        dtype=np.int64,
    )


def _first_of_each(digests: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return where each distinct digest occurs first, ascending."""
    high, low = digests.view(np.uint64).T
    order = np.lexsort((low, high))  # stable: of equal digests the first stays first
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (np.diff(high[order]) != 0) | (np.diff(low[order]) != 0)
    return np.sort(order[fresh])
