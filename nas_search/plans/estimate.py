"""Estimates of the worker time of a plan, from the sizes of networks and some timed trainings.

The seconds of an epoch are modelled as a + b · multiply-adds + c · activations with non-negative
coefficients. The fit uses relative errors, so that an error of 10 % counts the same for small and
large networks: iteratively reweighted least squares of (model - seconds) / model. The error is
found by cross-validation, leaving out one timing, or a fifth of many, at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nas_search.plans.cells import Cells

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["CostModel", "Estimate", "Timing", "estimate", "fit_seconds", "pilot_positions"]

Floats: TypeAlias = "npt.NDArray[np.float64]"

_TERMS: Final = 3
_ROUNDS: Final = 6
_EIGHTY_PERCENT: Final = 1.2816
"""Half-width of the central 80 % of a normal distribution, in standard deviations."""
_ROW_BYTES: Final = 600
"""Bytes of a cell in the ledger with its compressed provenance, without its curves."""
_VALUE_BYTES: Final = 8
_PILOT: Final = 8
_FEW: Final = 16
_FOLDS: Final = 5
"""Folds of the cross-validation with more than `_FEW` timings; else each is left out once."""
_UNKNOWN_ERROR: Final = 0.5
"""Error of the logarithm that is assumed with too few timings."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The measured time of one training.

    Attributes:
        macs: Multiply-adds for one input.
        activations: Numbers in the outputs of its layers; 0 if unknown.
        epoch_seconds: Seconds per epoch, including evaluation.
        other_seconds: Seconds of the whole attempt outside of its epochs.
    """

    macs: float
    activations: float
    epoch_seconds: float
    other_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class CostModel:
    """A model of the seconds per epoch by the size of a network.

    Attributes:
        constant: Seconds independent of the size.
        per_mac: Seconds for each multiply-add.
        per_activation: Seconds for each activation.
        other: Median seconds of a cell outside of its epochs.
        error: Root mean square of log(predicted / measured) in cross-validation.
        timings: The number of timings in the fit.
    """

    constant: float
    per_mac: float
    per_activation: float
    other: float
    error: float
    timings: int

    def epoch(self, macs: float, activations: float) -> float:
        """Return the predicted seconds of an epoch."""
        return self.constant + self.per_mac * macs + self.per_activation * activations


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated cost of a whole plan.

    Attributes:
        cells: The number of cells.
        hours: Worker hours, as a median.
        low: Lower end of the 80 % interval of hours.
        high: Upper end of the 80 % interval of hours.
        days: Days with the present number of workers.
        days_with_twice: Days with twice as many workers.
        workers: The present number of workers.
        disk_bytes: Bytes of the ledger, including curves and weights.
        parameters: Parameters of the largest network; None if no formula gives them.
        macs: Largest multiply-adds of a network; None likewise.
        timings: The number of timed trainings; 0: only sizes are known, not hours.
        error: Relative error of predicting one training from the others.
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
        """Return all attributes as JSON."""
        return asdict(self)


def fit_seconds(timings: Sequence[Timing]) -> CostModel:
    """Fit the model of the seconds per epoch to some trainings.

    Raises:
        ValueError: There are no trainings, or one took no time.
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


def estimate(cells: Cells, model: CostModel | None, *, workers: int = 0) -> Estimate:
    """Estimate the cost of a plan.

    Args:
        cells: The cells of the plan.
        model: The model of seconds per epoch; None: only sizes are estimated.
        workers: The number of cells that run at a time.
    """
    plan, trained = cells.selection.plan, cells.trained
    known = [one for one in cells.some_counts.values() if one is not None]
    epochs = sum(epochs for _, epochs in cells.rounds)
    time: dict[str, Any] = dict.fromkeys(("hours", "low", "high", "days", "days_with_twice"))
    if model is not None:
        sizes = [(one.macs, one.activations) for one in known] or [(0, 0)]
        mean = fmean(model.epoch(*size) for size in sizes)
        hours = trained * (epochs * mean + len(cells.rounds) * model.other) / 3600
        spread = math.exp(_EIGHTY_PERCENT * model.error / math.sqrt(min(model.timings, 30)))
        time |= {"hours": hours, "low": hours / spread, "high": hours * spread}
        if workers:
            time |= {"days": hours / 24 / workers, "days_with_twice": hours / 48 / workers}
    curves = len(plan.curve) * _VALUE_BYTES * epochs * trained
    largest = max((one.parameters for one in known), default=None)
    weights = 4 * (largest or 0) * len(cells) if plan.keep_weights == "all" else 0
    return Estimate(
        cells=len(cells),
        **time,
        workers=workers,
        disk_bytes=len(cells) * _ROW_BYTES + curves + weights,
        parameters=largest,
        macs=max((one.macs for one in known), default=None),
        timings=0 if model is None else model.timings,
        error=None if model is None else math.expm1(model.error),
    )


def pilot_positions(cells: Cells) -> list[int]:
    """Return positions of architectures at evenly spaced quantiles of multiply-adds."""
    counted = cells.some_counts
    some = sorted(counted, key=lambda place: (one.macs if (one := counted[place]) else 0, place))
    last = len(some) - 1
    places = [some[round(last * n / (_PILOT - 1))] for n in range(_PILOT)]
    return list(dict.fromkeys(places))


def _fit(timings: Sequence[Timing]) -> tuple[float, float, float]:
    """Return the three coefficients, after a few rounds of reweighting."""
    import numpy as np  # noqa: PLC0415 - few users of a plan fit a model

    sizes = np.array([(1.0, one.macs, one.activations) for one in timings])
    scales = sizes.max(axis=0)
    scales[scales == 0] = 1.0
    rows = sizes / scales
    seconds = np.array([one.epoch_seconds for one in timings])
    weights = 1 / seconds
    for _ in range(_ROUNDS):
        found = _non_negative(rows * weights[:, None], seconds * weights)
        # Weights use the geometric mean of prediction and measurement, so that a bad prediction
        # does not determine its own weight.
        weights = 1 / np.sqrt(np.maximum(rows @ found, 1e-12) * seconds)
    constant, per_mac, per_activation = (found / scales).tolist()
    return constant, per_mac, per_activation


def _value(found: tuple[float, float, float], one: Timing) -> float:
    return max(found[0] + found[1] * one.macs + found[2] * one.activations, 1e-12)


def _non_negative(rows: Floats, wanted: Floats) -> Floats:
    """Return the non-negative least squares solution, by trying all subsets of coefficients."""
    import numpy as np  # noqa: PLC0415 - as above

    best, most = np.zeros(_TERMS), 0.0
    for size in range(1, _TERMS + 1):
        for chosen in map(list, combinations(range(_TERMS), size)):
            solved = np.linalg.lstsq(rows[:, chosen], wanted)[0]
            # The reduction of the sum of squares by a solution of the normal equations.
            taken = float(solved @ (rows[:, chosen].T @ wanted))
            if solved.min() >= 0 and taken > most * (1 + 1e-12):
                most, best = taken, np.zeros(_TERMS)
                best[chosen] = solved
    return best
