"""Summary of a distribution: its moments, and points of its empirical distribution function."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmark_db.items import Item, reduce_values

__all__ = ["MAX_POINTS", "described"]

MAX_POINTS: Final = 1000
"""Most points of a distribution function."""


def described(values: NDArray[np.float64], points: int) -> Item:
    """Return a summary of the distribution of values; NaN means not recorded.

    Args:
        values: Shape (n,).
        points: Most points of the function; with no more values than that, all are returned.

    Returns:
        `count`, `not_recorded`, `min`, `max`, `mean` and population `std`, None without values;
        `value` and `fraction`: points of the empirical distribution function.
    """
    ascending = np.sort(values[~np.isnan(values)])
    value, fraction = _steps(ascending, points)
    numbers = ascending.tolist()
    return {
        "count": len(numbers),
        "not_recorded": len(values) - len(numbers),
        "min": numbers[0] if numbers else None,
        "max": numbers[-1] if numbers else None,
        "mean": reduce_values(numbers, "mean") if numbers else None,
        "std": reduce_values(numbers, "std") if numbers else None,
        "value": value.tolist(),
        "fraction": fraction.tolist(),
    }


def _steps(
    ascending: NDArray[np.float64], points: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values, and for each the fraction of all values that are at most as large.

    They are every n-th of the sorted values and the largest, without duplicates.
    """
    count = len(ascending)
    ranks = -(-np.arange(1, points + 1) * count // points)
    value = np.unique(ascending[ranks - 1]) if count else ascending
    return value, np.searchsorted(ascending, value, side="right") / max(count, 1)
