"""Density: number of candidates in each cell of a grid over two metrics.

A few thousand counts suffice to draw 423,624 points. Values are the 32-bit floats of the columns:
a client that has both columns obtains the same counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.items import Item

__all__ = ["MAX_BINS", "MIN_BINS", "GridSide", "counted"]

MIN_BINS: Final = 8
MAX_BINS: Final = 512
"""Most cells per side of the grid: more than a page has pixels for."""

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GridSide:
    """One side of a grid.

    Attributes:
        name: `x` or `y`, as questions name it.
        log: Whether cells are equally wide in the logarithm.
        low: Start of the side; None for the smallest counted value.
        high: End of the side, included; None for the largest counted value.
    """

    name: str
    log: bool = False
    low: float | None = None
    high: float | None = None


def counted(
    x: Values,
    y: Values,
    kept: NDArray[np.bool_],
    *,
    of_x: GridSide,
    of_y: GridSide,
    bins: int,
) -> Item:
    """Return the counts of a grid.

    Cell (row, column), counted from 0, holds the candidates whose `x` is in interval `column` of
    its side and whose `y` is in interval `row` of its side. Intervals include their lower ends; the
    last one includes both.

    Args:
        x: One metric of every candidate, shape (n,), NaN where it is not recorded.
        y: The other, aligned with it.
        kept: Which candidates are counted.
        of_x: The side of `x`.
        of_y: The side of `y`.
        bins: Intervals per side, `MIN_BINS` to `MAX_BINS`.

    Returns:
        `bins`; `x` and `y`: `log`, `low` and `high` each (None where nothing is counted);
        `counted`; `outside`: number outside the grid; `left_out`: number without both values or,
        on a logarithmic side, not above 0; `layout`: `dense` or `sparse`; `cells`: number of
        non-empty cells; `data`: uint32, little-endian. Dense: the counts, row after row. Sparse:
        the positions of the non-empty cells, row * bins + column, ascending, then their counts.

    Raises:
        InvalidQuestionError: `bins` is out of range, or a side ends before it begins.
    """
    if type(bins) is not int or not MIN_BINS <= bins <= MAX_BINS:
        raise InvalidQuestionError("bins", f"{shown(bins)} is not in {MIN_BINS} to {MAX_BINS}")
    sides = ((x[kept].astype(np.float32), of_x), (y[kept].astype(np.float32), of_y))
    usable = np.ones(int(kept.sum()), np.bool_)
    for values, side in sides:
        usable &= np.isfinite(values) if not side.log else np.isfinite(values) & (values > 0)
    places, said, within = [], [], np.ones(int(usable.sum()), np.bool_)
    for values, side in sides:
        scaled = values[usable].astype(np.float64)
        low, high = _ends(scaled, side)
        said.append({"log": side.log, "low": low, "high": high})
        if low is None or high is None:
            places.append(np.empty(0, np.int64))
            continue
        within &= (scaled >= low) & (scaled <= high)
        places.append(_places(scaled, low, high, log=side.log, bins=bins))
    counts = np.bincount((places[1] * bins + places[0])[within], minlength=bins * bins)
    filled = np.flatnonzero(counts)
    sparse = 2 * len(filled) < len(counts)
    data = np.concatenate([filled, counts[filled]]) if sparse else counts
    return {
        "bins": bins,
        "x": said[0],
        "y": said[1],
        "counted": int(counts.sum()),
        "outside": int((~within).sum()),
        "left_out": len(usable) - int(usable.sum()),
        "layout": "sparse" if sparse else "dense",
        "cells": len(filled),
        "data": data.astype("<u4").tobytes(),
    }


def _ends(values: Values, side: GridSide) -> tuple[float | None, float | None]:
    """Return the start and the end of a side, which always differ."""
    given = {"from": side.low, "to": side.high}
    for end, value in given.items():
        if value is not None and side.log and value <= 0:
            field = f"{side.name}_{end}"
            raise InvalidQuestionError(field, f"{shown(value)} has no logarithm")
    low, high = side.low, side.high
    if low is not None and high is not None and not low < high:
        raise InvalidQuestionError(f"{side.name}_to", f"{shown(high)} is not above {shown(low)}")
    if not len(values) and None in (low, high):
        return None, None
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    if low < high:
        return low, high
    # All values are equal, or beyond the given end.
    if side.low is not None:
        return low, low * 2 if side.log else low + max(abs(low), 1.0)
    if side.high is not None:
        return high / 2 if side.log else high - max(abs(high), 1.0), high
    half = max(abs(low), 1.0) / 2
    return (low / 2, low * 2) if side.log else (low - half, low + half)


def _places(values: Values, low: float, high: float, *, log: bool, bins: int) -> NDArray[np.int64]:
    if log:
        values, low, high = np.log(values), math.log(low), math.log(high)
    scaled = (values - low) / (high - low) * bins
    return np.clip(scaled, 0, bins - 1).astype(np.int64)
