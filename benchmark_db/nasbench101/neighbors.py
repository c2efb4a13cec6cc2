"""Cells one edit away from a cell.

An edit changes the operation of one interior vertex, removes one edge, or adds one edge that
closes no cycle. Two choices make this a relation between architectures rather than matrices:

- Edits apply to the pruned cell, and an added edge may join two vertices in whichever direction
  keeps the graph acyclic, the vertices being renumbered if need be. Otherwise the answer would
  depend on the order in which a spelling happens to number unrelated vertices.
- The edited cell must still have every vertex on a path from input to output. An edit that
  strands vertices is, after pruning, several edits away from where it began, with no single edit
  leading back. Neighbours thus have equally many vertices, and A is a neighbour of B exactly
  when B is one of A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_db.nasbench101.cell import (
    MAX_EDGES,
    OPERATION_NAMES,
    Cell,
    edge_bit,
    operation_shift,
)
from benchmark_db.nasbench101.graph_hash import hash_cell, hash_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["neighboring_cells"]


def neighboring_cells(cell: Cell) -> list[tuple[str, Cell]]:
    """Return the cells one edit away, without the cell itself, de-duplicated by hash.

    Args:
        cell: Any cell whose output is reachable; it is pruned first.

    Returns:
        Hash and pruned cell, in the order of hashes. The hashes are the same for every spelling
        of one architecture; the matrices follow the numbering of `cell`.

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
    """Add each edge that closes no cycle; an edge more never takes a vertex off its path."""
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
                # Nothing leads from target to source, so that the source and what leads to it
                # can move in front of the target.
                yield _moved_ahead(cell, source, target, ancestors[source])


def _ancestors(cell: Cell) -> list[int]:
    """Return per vertex the mask of all vertices from which a path leads to it."""
    ancestors: list[int] = []
    for mask in cell.predecessors:
        above = mask
        for vertex, known in enumerate(ancestors):
            if mask >> vertex & 1:
                above |= known
        ancestors.append(above)
    return ancestors


def _moved_ahead(cell: Cell, source: int, target: int, ancestors: int) -> Cell:
    """Add the edge source -> target, source > target, renumbering the vertices between."""
    between = range(target, source + 1)
    first = [vertex for vertex in between if vertex == source or ancestors >> vertex & 1]
    then = [vertex for vertex in between if vertex not in first]
    order = [*range(target), *first, *then, *range(source + 1, cell.num_vertices)]
    moved = cell.reordered(order)
    return Cell(moved.code | 1 << edge_bit(order.index(source), order.index(target)))
