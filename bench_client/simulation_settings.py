"""Settings of a simulation, checked before the first request."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench_client.arguments import boolean, integer, plain, refused, text
from bench_client.parts import part_named
from benchmark_spec import BenchmarkSpec, Stat
from benchmark_spec.published import PUBLISHED
from benchmark_spec.spec import AxisValue

__all__ = ["SimulationSettings"]

_DEFAULT_METRIC: Final = "valid_acc"
_CHARGED: Final = "training_time"
"""Statistic that a simulated clock charges."""
_ON_MISSING: Final = ("raise", "train")
_EVALUATED: Final = "_evaluation_time"


@dataclass(frozen=True, kw_only=True)
class SimulationSettings:
    """Settings of a simulation: the arguments of `BenchClient.simulate` with defaults filled in.

    Attributes:
        num_epochs: Training budget of an evaluation; 0 if the benchmark has no such axis.
        part: Value of each axis, including `dataset` and `num_epochs`.
        larger_is_better: Whether larger values of the metric are better.
        on_missing: `raise`, or `train` to have a plan measure missing architectures.
    """

    benchmark: str
    dataset: str | None
    num_epochs: int
    part: Mapping[str, AxisValue]
    budget: float
    metric: str
    larger_is_better: bool
    seed: int | None
    continue_training: bool
    free_repeats: bool
    evaluation_time: bool
    on_missing: str = "raise"

    @classmethod
    def of(
        cls,
        spec: BenchmarkSpec,
        part: Mapping[str, Any],
        *,
        budget: float,
        metric: str | None,
        seed: int | None,
        on_missing: str = "raise",
        **options: bool,
    ) -> SimulationSettings:
        """Check the arguments of `BenchClient.simulate` and return the settings.

        Args:
            spec: Description of the benchmark.
            part: Values by axis; None where none is given.
            budget: As for `BenchClient.simulate`, and so are the arguments below.
            metric: Objective.
            seed: Which recorded run counts.
            on_missing: What to do if nothing is recorded.
            options: `continue_training`, `free_repeats` and `evaluation_time`.

        Raises:
            InvalidRequestError: An argument is malformed, or the benchmark records no times.
        """
        _check_times(spec)
        given = {name: plain(value) for name, value in part.items() if value is not None}
        chosen = part_named(spec, given)
        objective = _checked_metric(spec, chosen, metric)
        switches = {name: boolean(name, value) for name, value in options.items()}
        evaluated = any(stat.name.endswith(_EVALUATED) for stat in spec.stats)
        if switches["evaluation_time"] and not evaluated:
            raise refused("evaluation_time", f"{spec.name} records no time of an evaluation")
        if on_missing not in _ON_MISSING:
            known = ", ".join(_ON_MISSING)
            raise refused("on_missing", f"{on_missing!r:.80} is not one of {known}")
        dataset, epochs = chosen.get("dataset"), chosen.get("num_epochs", 0)
        return cls(
            benchmark=spec.name,
            dataset=None if dataset is None else str(dataset),
            num_epochs=int(epochs),
            part=chosen,
            budget=_checked_budget(budget),
            metric=objective.name,
            larger_is_better=objective.better_within(chosen) == "larger",
            seed=integer("seed", seed),
            on_missing=on_missing,
            **switches,
        )


def _check_times(spec: BenchmarkSpec) -> None:
    """Raise an error if the benchmark records no training times in seconds."""
    time = spec.stat(_CHARGED)
    if time is not None and time.unit == "seconds":
        return
    known = ", ".join(stat.name for stat in spec.stats)
    why = spec.not_answered.get("simulate", f"records no {_CHARGED} in seconds, only {known}")
    timed = ", ".join(one.name for one in PUBLISHED.values() if one.stat(_CHARGED) is not None)
    raise refused(
        "benchmark",
        f"{spec.name} {why}, so a simulated clock has nothing to charge; {timed} and declared "
        f"tables with a {_CHARGED} can be simulated",
    )


def _checked_metric(spec: BenchmarkSpec, part: Mapping[str, AxisValue], metric: Any) -> Stat:
    chosen = _DEFAULT_METRIC if metric is None else text("metric", metric)
    stat = spec.stat(chosen)
    if stat is None:
        known = ", ".join(stat.name for stat in spec.stats)
        raise refused("metric", f"{spec.name} has no metric {chosen!r:.80}; it has {known}")
    if _is_absent(stat, part):
        others = [one for one in spec.stats if one.unit == stat.unit and not _is_absent(one, part)]
        told = " or ".join(f"metric={one.name!r}" for one in others)
        values = " ".join(map(str, part.values()))
        raise refused("metric", f"{spec.name} never records {stat.name} of {values}: use {told}")
    return stat


def _is_absent(stat: Stat, part: Mapping[str, AxisValue]) -> bool:
    return any(part.get(axis) in values for axis, values in stat.absent.items())


def _checked_budget(budget: Any) -> float:
    real = isinstance(budget, numbers.Real) and not isinstance(budget, bool)
    try:
        seconds = float(budget) if real else math.nan
    except OverflowError:
        seconds = math.inf
    if not 0 < seconds < math.inf:
        raise refused("budget", f"{budget!r:.80} is not a number of seconds above 0")
    return seconds
