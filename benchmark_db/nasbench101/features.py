"""Columns derived from NAS-Bench-101's cells alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark_db.features import MARK, Feature, by_number, choice
from benchmark_db.nasbench101.cell import (
    EDGE_BITS,
    MAX_VERTICES,
    OPERATION_NAMES,
    VERTEX_COUNT_SHIFT,
    edge_bit,
    operation_shift,
)

__all__ = ["cell_features"]

Codes: TypeAlias = NDArray[np.int64]

_NO_VERTEX: Final = len(OPERATION_NAMES)
_VERTICES: Final = range(MAX_VERTICES)


def cell_features(codes: Callable[[], Codes]) -> tuple[Feature, ...]:
    """Return the operations, the edges and the size of cells.

    Vertices are numbered as in the recorded cells: the input is 0, the output is the cell's last
    vertex. The operation of a vertex that a cell lacks is `none`.

    Args:
        codes: Returns the code of each recorded cell, in the order of the cells' indices.
    """

    def of(compute: Callable[[Codes], NDArray[Any]]) -> Any:
        return by_number(lambda: compute(codes()))

    legend = (*OPERATION_NAMES, "none")
    operations = [
        choice(f"{v}", f"The operation of vertex {v}.", legend, of(partial(_operation, vertex=v)))
        for v in range(1, MAX_VERTICES - 1)
    ]
    edges = [
        Feature(
            name=f"{MARK}edge.{source}_{target}",
            kind="flag",
            type="uint8",
            description=f"Whether vertex {source} feeds vertex {target}.",
            values=of(partial(_edge, bit=edge_bit(source, target))),
            legend=("no", "yes"),
        )
        for target in _VERTICES
        for source in range(target)
    ]
    sizes = [
        _count("vertices", "Vertices, input and output included.", of(_vertices)),
        _count("edges", "Edges.", of(_edges)),
    ]
    return (*operations, *edges, *sizes)


def _count(name: str, description: str, values: Any) -> Feature:
    return Feature(
        name=MARK + name, kind="count", type="uint8", description=description, values=values
    )


def _operation(codes: Codes, *, vertex: int) -> NDArray[Any]:
    labels = codes >> operation_shift(vertex) & 3
    return np.where(vertex < _vertices(codes) - 1, labels, _NO_VERTEX)


def _edge(codes: Codes, *, bit: int) -> NDArray[Any]:
    return codes >> bit & 1


def _vertices(codes: Codes) -> NDArray[Any]:
    return codes >> VERTEX_COUNT_SHIFT


def _edges(codes: Codes) -> NDArray[Any]:
    found: NDArray[Any] = np.zeros(len(codes), np.uint8)
    for bit in range(EDGE_BITS):
        found += (codes >> bit & 1).astype(np.uint8)
    return found
