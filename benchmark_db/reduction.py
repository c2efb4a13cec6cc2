"""Reductions: the mean, spread or extremes of several runs of one configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias, get_args

from benchmark_db.errors import InvalidQuestionError, shown

__all__ = ["REDUCTIONS", "Reduction", "checked_reduction", "reduce_columns"]
__all__ += ["reduce_constant", "reduce_values"]

Reduction: TypeAlias = Literal["mean", "std", "min", "max"]
REDUCTIONS: Final[tuple[Reduction, ...]] = get_args(Reduction)


def checked_reduction(name: str | None) -> Reduction | None:
    """Return the reduction of this name, None for None.

    Raises:
        InvalidQuestionError: There is no reduction of this name.
    """
    if name is None or name in REDUCTIONS:
        return name
    raise InvalidQuestionError(
        "reduction", f"unknown reduction {shown(name)}; known are {', '.join(REDUCTIONS)}"
    )


def reduce_values(values: Sequence[float | None], how: Reduction) -> float | None:
    """Reduce the recorded values of several runs; None when no run recorded one.

    `mean` does not depend on the order of the runs: the sum is exact before it is divided. `std`
    is the population standard deviation (divided by n, as the benchmark papers report it), 0 for
    a single run.
    """
    if None in values:
        values = [value for value in values if value is not None]
        if not values:
            return None
    return _REDUCERS[how](values)  # type: ignore[arg-type]  # no None is left


def reduce_constant(value: float, how: Reduction) -> float:
    """Return what `reduce_values` gives for runs that all have this value."""
    return 0.0 if how == "std" else value


def reduce_columns(
    curves: Sequence[Sequence[float | None] | None], how: Reduction
) -> list[float | None] | None:
    """Reduce the same curve of several runs epoch by epoch.

    Runs without the curve are left out, and so is, at each epoch, a run that has nothing there.
    Curves of different lengths are reduced over the runs that reach the epoch.
    """
    present = [curve for curve in curves if curve is not None]
    if not present:
        return None
    length = max(map(len, present))
    padded = [curve if len(curve) == length else _padded(curve, length) for curve in present]
    return [reduce_values(values, how) for values in zip(*padded, strict=True)]


def _padded(curve: Sequence[float | None], length: int) -> list[float | None]:
    return [*curve, *[None] * (length - len(curve))]


def _mean(values: Sequence[float]) -> float:
    # Equal values must come back as they are, which rounding the quotient does not promise.
    if values.count(values[0]) == len(values):
        return values[0]
    try:
        return math.fsum(values) / len(values)
    except OverflowError:  # the sum of the largest doubles is none; their mean is
        return math.fsum(value / len(values) for value in values)


def _std(values: Sequence[float]) -> float:
    mean = _mean(values)
    # Not a sum of squares, which a diverged loss would overflow.
    return math.hypot(*(value - mean for value in values)) / math.sqrt(len(values))


_REDUCERS: Final[dict[Reduction, Callable[[Sequence[float]], float]]] = {
    "mean": _mean,
    "std": _std,
    "min": min,
    "max": max,
}
