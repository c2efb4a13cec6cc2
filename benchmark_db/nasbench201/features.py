"""Columns derived from NAS-Bench-201's architectures alone."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark_db.features import Feature, by_number, choice, equal_feature, flag
from benchmark_db.nasbench201.architecture import (
    EDGES,
    OPERATIONS,
    isomorphism_classes,
    published_order,
)

__all__ = ["architecture_features"]


@cache
def architecture_features() -> tuple[Feature, ...]:
    """Return the columns: operations of edges, whether the output is reached, equal functions."""
    edges = (
        choice(edge, f"The operation on edge {edge}.", OPERATIONS, by_number(partial(_edge, place)))
        for place, edge in enumerate(EDGES)
    )
    reached = "Whether the output depends on the input."
    return (
        *edges,
        flag("connected", reached, by_number(_connected)),
        equal_feature(isomorphism_classes),
    )


@cache
def _ranks() -> NDArray[np.uint8]:
    """Return the position in `OPERATIONS` of each operation, shape (architectures, edges)."""
    rank = {name: place for place, name in enumerate(OPERATIONS)}
    return np.array([[rank[name] for name in each] for each in published_order()], np.uint8)


def _edge(place: int) -> NDArray[Any]:
    return _ranks()[:, place]


def _connected() -> NDArray[np.bool_]:
    carries = {edge: _edge(place) != 0 for place, edge in enumerate(EDGES)}
    first = carries["0_1"]
    second = carries["0_2"] | (carries["1_2"] & first)
    reached: NDArray[np.bool_] = (
        carries["0_3"] | (carries["1_3"] & first) | (carries["2_3"] & second)
    )
    return reached
