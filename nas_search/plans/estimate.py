"""What a plan costs: seconds of workers, from the sizes of networks and what some took.

Seconds of an epoch are modelled as a + b · multiply-adds + c · activations, none of the three
negative. The fit is on the logarithm, so that an error of a tenth counts the same for small and
large networks: least squares of (model - seconds) / model, weighted anew until it settles. The
error is that of leaving one timing out, or a fifth of many, and predicting it from the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean, median
from typing import Any, Final

from nas_search.plans.cells import Cells

__all__ = ["CostModel", "Estimate", "Timing", "estimate", "fit_seconds", "pilot_positions"]

_TERMS: Final = 3
_ROUNDS: Final = 6
_EIGHTY_PERCENT: Final = 1.2816
"""Standard deviations around the median that hold 80 % of a normal distribution."""
_ROW_BYTES: Final = 600
"""Of a cell in the ledger, its provenance packed, beside its curves."""
_VALUE_BYTES: Final = 8
_PILOT: Final = 8
_FEW: Final = 16
_FOLDS: Final = 5
"""Of more timings, a fifth at a time is left out."""
_UNKNOWN_ERROR: Final = 0.5
"""Of the logarithm, where too few timings are there to tell."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What a training took.

    Attributes:
        macs: Multiply-adds of one input.
        activations: Numbers in the results of its layers; 0 where nobody knows.
        epoch_seconds: Of an epoch, its evaluation included.
        other_seconds: Of the whole attempt, beside its epochs.
    """

    macs: float
    activations: float
    epoch_seconds: float
    other_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds of an epoch by the size of a network.

    Attributes:
        constant: Seconds.
        per_mac: Seconds for each multiply-add.
        per_activation: Seconds for each activation.
        other: Seconds of a cell beside its epochs, the median.
        error: Root mean square of the logarithm of predicted over measured, each timing predicted
            from the others.
        timings: How many it was fitted to.
    """

    constant: float
    per_mac: float
    per_activation: float
    other: float
    error: float
    timings: int

    def epoch(self, macs: float, activations: float) -> float:
        """Return the seconds of an epoch."""
        return self.constant + self.per_mac * macs + self.per_activation * activations


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan costs as a whole.

    Attributes:
        cells: How many cells.
        hours: Worker hours, the median.
        low: Where the 80 % interval begins.
        high: Where it ends.
        days: With the workers that there are.
        days_with_twice: With twice as many.
        workers: How many there are.
        disk_bytes: Of the ledger, curves and weights included.
        parameters: Of the largest network; None where no formula tells.
        macs: Likewise.
        timings: Trainings that it rests on; 0: sizes only, and no hours.
        error: Relative error of predicting a training from the others.
    """

    cells: int
    hours: float | None
    low: float | None
    high: float | None
    days: float | None
    days_with_twice: float | None
    workers: int
    disk_bytes: int
    parameters: int | None
    macs: int | None
    timings: int
    error: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def fit_seconds(timings: Sequence[Timing]) -> CostModel:
    """Fit the seconds of an epoch to some trainings.

    Raises:
        ValueError: There are none, or one took no time.
    """
    if not timings or any(one.epoch_seconds <= 0 for one in timings):
        raise ValueError("a fit needs trainings that took some time")
    found = _fit(timings)
    error = _UNKNOWN_ERROR
    if len(timings) > _TERMS:
        folds = len(timings) if len(timings) <= _FEW else _FOLDS
        errors = []
        for fold in range(folds):
            without = _fit([one for n, one in enumerate(timings) if n % folds != fold])
            errors += [
                math.log(_value(without, one) / one.epoch_seconds) for one in timings[fold::folds]
            ]
        error = math.sqrt(fmean(each * each for each in errors))
    return CostModel(
        *found,
        other=max(0.0, median(one.other_seconds for one in timings)),
        error=error,
        timings=len(timings),
    )


def estimate(
    cells: Cells, model: CostModel | None, *, workers: int = 0, spent_hours: float = 0.0
) -> Estimate:
    """Return what a plan costs.

    Args:
        cells: Its cells.
        model: Seconds of an epoch; None: nothing was timed, and only sizes are told.
        workers: Cells that run at a time.
        spent_hours: Worker hours that went into cells which failed.
    """
    selection, plan = cells.selection, cells.selection.plan
    trained = selection.trained
    known = [one for one in cells.some_counts.values() if one is not None]
    epochs = sum(epochs for _, epochs in cells.rounds)
    hours = None
    if model is not None:
        sizes = [(one.macs, one.activations) for one in known] or [(0, 0)]
        mean = fmean(model.epoch(*size) for size in sizes)
        one_architecture = epochs * mean + len(cells.rounds) * model.other
        hours = len(trained) * one_architecture / 3600 + spent_hours
    spread = (
        math.exp(_EIGHTY_PERCENT * model.error / math.sqrt(min(model.timings, 30))) if model else 1
    )
    curves = len(plan.curve) * _VALUE_BYTES * epochs * len(trained)
    largest = max((one.parameters for one in known), default=None)
    weights = 4 * (largest or 0) * len(cells) if plan.keep_weights == "all" else 0
    return Estimate(
        cells=len(cells),
        hours=hours,
        low=None if hours is None else hours / spread,
        high=None if hours is None else hours * spread,
        days=None if hours is None or not workers else hours / 24 / workers,
        days_with_twice=None if hours is None or not workers else hours / 48 / workers,
        workers=workers,
        disk_bytes=len(cells) * _ROW_BYTES + curves + weights,
        parameters=largest,
        macs=max((one.macs for one in known), default=None),
        timings=0 if model is None else model.timings,
        error=None if model is None else math.expm1(model.error),
    )


def pilot_positions(cells: Cells, count: int = _PILOT) -> list[int]:
    """Return positions of architectures spread over the quantiles of multiply-adds."""
    counted = cells.some_counts
    some = sorted(counted, key=lambda place: (one.macs if (one := counted[place]) else 0, place))
    last = len(some) - 1
    places = [some[round(last * n / max(1, count - 1))] for n in range(count)]
    return list(dict.fromkeys(places))


def _fit(timings: Sequence[Timing]) -> tuple[float, float, float]:
    """Return the three coefficients by weights that are settled in a few rounds."""
    scales = [
        max(one.macs for one in timings) or 1.0,
        max(one.activations for one in timings) or 1.0,
    ]
    rows = [[1.0, one.macs / scales[0], one.activations / scales[1]] for one in timings]
    seconds = [one.epoch_seconds for one in timings]
    weights = [1 / each for each in seconds]
    found = [fmean(seconds), 0.0, 0.0]
    for _ in range(_ROUNDS):
        found = _non_negative(
            [[w * x for x in row] for w, row in zip(weights, rows, strict=True)],
            [w * y for w, y in zip(weights, seconds, strict=True)],
        )
        values = [sum(a * x for a, x in zip(found, row, strict=True)) for row in rows]
        # The geometric mean of both: a training that the model misses by far would else be weighed
        # by the mistake.
        weights = [1 / math.sqrt(max(v, 1e-12) * y) for v, y in zip(values, seconds, strict=True)]
    return found[0], found[1] / scales[0], found[2] / scales[1]


def _value(found: tuple[float, float, float], one: Timing) -> float:
    return max(found[0] + found[1] * one.macs + found[2] * one.activations, 1e-12)


def _non_negative(rows: list[list[float]], wanted: list[float]) -> list[float]:
    """Return the least squares of which no coefficient is negative, by trying all that may be 0."""
    terms = range(_TERMS)
    matrix = [[sum(row[i] * row[j] for row in rows) for j in terms] for i in terms]
    right = [sum(row[i] * y for row, y in zip(rows, wanted, strict=True)) for i in terms]
    best, most = [0.0] * _TERMS, 0.0
    for size in range(1, _TERMS + 1):
        for chosen in combinations(terms, size):
            solved = _solved(
                [[matrix[i][j] for j in chosen] for i in chosen], [right[i] for i in chosen]
            )
            if solved is None or any(value < 0 for value in solved):
                continue
            # What a solution of the normal equations takes from the sum of squares.
            taken = sum(value * right[i] for i, value in zip(chosen, solved, strict=True))
            if taken > most * (1 + 1e-12):
                most, best = taken, [0.0] * _TERMS
                for place, value in zip(chosen, solved, strict=True):
                    best[place] = value
    return best


def _solved(matrix: list[list[float]], right: list[float]) -> list[float] | None:
    """Return the solution of some equations; None where they have none of their own."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for place in range(size):
        pivot = max(range(place, size), key=lambda n: abs(rows[n][place]))
        if abs(rows[pivot][place]) < 1e-12 * max(1e-300, abs(matrix[place][place])):
            return None
        rows[place], rows[pivot] = rows[pivot], rows[place]
        for other in range(size):
            if other != place:
                factor = rows[other][place] / rows[place][place]
                rows[other] = [
                    a - factor * b for a, b in zip(rows[other], rows[place], strict=True)
                ]
    return [rows[place][size] / rows[place][place] for place in range(size)]
