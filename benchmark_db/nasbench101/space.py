"""The space of NAS-Bench-101: all of its cells, and their neighbours.

Every set of at most nine forward edges in which each vertex but the input has a source and each but
the output has a target is a pruned graph. Graphs with equal hashes under equal labels are the same
graph, and labelled cells with equal hashes are the same cell, as the benchmark defines it: 423,624.

Neighbours are one edit apart. An edit changes the operation of one interior vertex, removes one
edge, or adds one edge that closes no cycle. Two choices make this a relation between architectures
rather than between matrices:

- Edits apply to the pruned cell, and an added edge may join two vertices in whichever direction
  keeps the graph acyclic; vertices are renumbered if necessary. Otherwise the neighbours would
  depend on the order in which a description numbers unrelated vertices.
- The edited cell must still have every vertex on a path from input to output. An edit that takes
  vertices off all paths is, after pruning, several edits away, with no single edit leading back.
  Neighbours thus have equally many vertices, and A is a neighbour of B exactly when B is one of A.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from benchmark_db.nasbench101.batch_hash import hash_cells, hash_codes, predecessor_column
from benchmark_db.nasbench101.cell import (
    MAX_EDGES,
    MAX_VERTICES,
    OPERATION_NAMES,
    VERTEX_COUNT_SHIFT,
    Cell,
    edge_bit,
    operation_shift,
)
from benchmark_db.nasbench101.graph_hash import hash_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "CELLS_BY_VERTICES",
    "NUM_CELLS",
    "enumerate_cells",
    "enumerate_codes",
    "neighboring_cells",
]

CELLS_BY_VERTICES = {2: 1, 3: 6, 4: 84, 5: 2441, 6: 62010, 7: 359082}
"""Published sizes, by number of vertices."""

NUM_CELLS = sum(CELLS_BY_VERTICES.values())
"""Size of the whole space: 423,624."""

_FEWEST_VERTICES = 2


def enumerate_cells(max_vertices: int = MAX_VERTICES) -> Iterator[tuple[str, Cell]]:
    """Yield the hash and one pruned cell of every isomorphism class, by number of vertices.

    The order and the representatives are the same in every run. All seven-vertex cells are hashed
    before the first of them is yielded, which takes some seconds and about 200 MB.

    Args:
        max_vertices: Largest number of vertices, 2 to 7.
    """
    for size in range(_FEWEST_VERTICES, max_vertices + 1):
        codes, digests = enumerate_codes(size)
        for row, code in enumerate(codes.tolist()):
            yield digests[row].tobytes().hex(), Cell(code)


def enumerate_codes(num_vertices: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return one pruned cell of every isomorphism class with this many vertices.

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
    """Return the codes of all pruned graphs, isomorphic ones included, with every label 0."""
    edges = np.arange(1 << edge_bit(0, size), dtype=np.int64)
    edges = edges[np.bitwise_count(edges) <= MAX_EDGES]
    for target in range(1, size):
        edges = edges[predecessor_column(edges, target) != 0]
    for source in range(size - 1):
        leaving = sum(1 << edge_bit(source, target) for target in range(source + 1, size))
        edges = edges[edges & leaving != 0]
    return edges | size << VERTEX_COUNT_SHIFT


def _labelings(size: int) -> NDArray[np.int64]:
    """Return the operation bits of all assignments of operations to the interior vertices."""
    labels = range(len(OPERATION_NAMES))
    return np.array(
        [
            sum(label << operation_shift(vertex) for vertex, label in enumerate(chosen, start=1))
            for chosen in itertools.product(labels, repeat=size - 2)
        ],
        dtype=np.int64,
    )


def _first_of_each(digests: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the first position of each distinct digest, ascending."""
    high, low = digests.view(np.uint64).T
    order = np.lexsort((low, high))  # stable: the first of equal digests stays first
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (np.diff(high[order]) != 0) | (np.diff(low[order]) != 0)
    return np.sort(order[fresh])


def neighboring_cells(cell: Cell) -> list[tuple[str, Cell]]:
    """Return the cells one edit away, without the cell itself, de-duplicated by hash.

    Args:
        cell: Any cell whose output is reachable; it is pruned first.

    Returns:
        Hash and pruned cell, in the order of hashes. The hashes are the same for every spelling of
        an architecture; the matrices follow the numbering of `cell`.

    Raises:
        ValueError: The output cannot be reached from the input.
    """
    pruned = cell.pruned()
    edited = [*_other_operations(pruned), *_fewer_edges(pruned), *_more_edges(pruned)]
    found = dict(zip(hash_cells(edited), edited, strict=True))
    found.pop(hash_cell(pruned), None)
    return sorted(found.items(), key=lambda item: item[0])


def _other_operations(cell: Cell) -> Iterator[Cell]:
    for vertex, label in enumerate(cell.operations, start=1):
        shift = operation_shift(vertex)
        for other in range(len(OPERATION_NAMES)):
            if other != label:
                yield Cell(cell.code ^ (label ^ other) << shift)


def _fewer_edges(cell: Cell) -> Iterator[Cell]:
    for target, mask in enumerate(cell.predecessors):
        for source in range(target):
            if mask >> source & 1:
                edited = Cell(cell.code ^ 1 << edge_bit(source, target))
                if edited.is_pruned:
                    yield edited


def _more_edges(cell: Cell) -> Iterator[Cell]:
    """Add each edge that closes no cycle; an additional edge never takes a vertex off its path."""
    if cell.num_edges == MAX_EDGES:
        return
    output = cell.num_vertices - 1
    ancestors = _ancestors(cell)
    for target in range(1, output + 1):
        for source in range(output):
            joined = cell.predecessors[target] >> source & 1
            cyclic = source == target or ancestors[source] >> target & 1
            if joined or cyclic:
                continue
            if source < target:
                yield Cell(cell.code | 1 << edge_bit(source, target))
            else:
                # No path leads from target to source, so that the source and its ancestors can
                # move in front of the target.
                yield _moved_ahead(cell, source, target, ancestors[source])


def _ancestors(cell: Cell) -> list[int]:
    """Return per vertex the mask of all vertices with a path to it."""
    ancestors: list[int] = []
    for mask in cell.predecessors:
        above = mask
        for vertex, known in enumerate(ancestors):
            if mask >> vertex & 1:
                above |= known
        ancestors.append(above)
    return ancestors


def _moved_ahead(cell: Cell, source: int, target: int, ancestors: int) -> Cell:
    """Add the edge source -> target, source > target, and renumber the vertices between."""
    between = range(target, source + 1)
    first = [vertex for vertex in between if vertex == source or ancestors >> vertex & 1]
    then = [vertex for vertex in between if vertex not in first]
    order = [*range(target), *first, *then, *range(source + 1, cell.num_vertices)]
    moved = cell.reordered(order)
    return Cell(moved.code | 1 << edge_bit(order.index(source), order.index(target)))
