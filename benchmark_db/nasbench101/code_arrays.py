"""Batches of cells as numpy arrays of their codes: edges by column, pruning without a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark_db.nasbench101.cell import (
    EDGE_BITS,
    MAX_VERTICES,
    VERTEX_COUNT_SHIFT,
    edge_bit,
    operation_shift,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["operation_column", "predecessor_column", "prune_codes", "vertex_counts"]


def vertex_counts(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of vertices of each cell."""
    return codes >> VERTEX_COUNT_SHIFT


def predecessor_column(codes: NDArray[np.int64], vertex: int) -> NDArray[np.int64]:
    """Return, per cell, the mask of the vertices that feed `vertex` (0 beyond the output)."""
    return codes >> edge_bit(0, vertex) & ((1 << vertex) - 1)


def operation_column(codes: NDArray[np.int64], vertex: int) -> NDArray[np.int64]:
    """Return, per cell, the label of an interior vertex (0 where there is none)."""
    return codes >> operation_shift(vertex) & 3


def prune_codes(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each cell without the vertices that lie on no path from input to output.

    Raises:
        ValueError: A cell's output cannot be reached from its input.
    """
    kept = _on_path(codes)
    if not (kept & 1).all():
        raise ValueError(f"cell {codes[~(kept & 1).astype(bool)][0]} does not reach its output")
    pruned = codes.copy()
    loose = np.flatnonzero(kept + 1 != np.int64(1) << vertex_counts(codes))
    if len(loose):
        pruned[loose] = _compacted(codes[loose], kept[loose])
    return pruned


def _on_path(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    columns = [predecessor_column(codes, vertex) for vertex in range(MAX_VERTICES)]
    reached = np.ones_like(codes)
    for vertex, column in enumerate(columns):
        reached |= (column & reached != 0).astype(np.int64) << vertex
    needed = np.int64(1) << (vertex_counts(codes) - 1)
    for vertex in reversed(range(MAX_VERTICES)):
        needed |= columns[vertex] * (needed >> vertex & 1)
    return reached & needed


def _compacted(codes: NDArray[np.int64], kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop the vertices outside the masks `kept` and renumber the others."""
    number = [
        np.bitwise_count(kept & ((1 << vertex) - 1)).astype(np.int64)
        for vertex in range(MAX_VERTICES)
    ]
    stays = [kept >> vertex & 1 for vertex in range(MAX_VERTICES)]
    count = np.bitwise_count(kept).astype(np.int64)
    compact = count << VERTEX_COUNT_SHIFT
    for target in range(1, MAX_VERTICES):
        column = predecessor_column(codes, target)
        base = number[target] * (number[target] - 1) // 2
        for source in range(target):
            edge = (column >> source & 1) & stays[source] & stays[target]
            compact |= edge << (base + number[source])
    for vertex in range(1, MAX_VERTICES - 1):
        # The output carries no label: its two bits are zero and stay so.
        label = operation_column(codes, vertex) * stays[vertex]
        compact |= label << (EDGE_BITS + 2 * np.maximum(number[vertex] - 1, 0))
    return compact
