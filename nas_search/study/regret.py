"""Simple regret over simulated time: the gap between the best value so far and the oracle.

The oracle is the best possible value. With values that are means over the recorded training runs,
regret falls to 0 at best. A search that sees single training runs (`run_seed`) can find a value
above the best mean: its regret is then negative and reported as such. Several runs of a strategy
are summarised at common times by the median and quartiles of their regrets (`regret_bands`).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from bench_client import BenchClient, InvalidRequestError, SimulationSettings, TableName
from nas_search.errors import IncomparableRunsError
from nas_search.study.runs import RecordedRun, RunClock

__all__ = [
    "RegretBand",
    "Step",
    "common_times",
    "oracle_value",
    "regret_at",
    "regret_bands",
    "regret_steps",
]


class Step(NamedTuple):
    """A regret and the time from which on it holds.

    Attributes:
        time: The time, by the clock of the run.
        regret: The regret in the unit of the metric; at least 0 for values that are means.
    """

    time: float
    regret: float


def regret_steps(run: RecordedRun, oracle: float | None = None) -> list[Step]:
    """Return the regret of a run as a step function of time.

    Args:
        run: The run.
        oracle: The oracle, in place of the run's own.

    Returns:
        The steps by ascending time; empty if the run has no full evaluation.

    Raises:
        IncomparableRunsError: The run has no oracle and none is given.
    """
    best = run.oracle if oracle is None else oracle
    if best is None:
        raise IncomparableRunsError(
            f"the run of {run.strategy}, seed {run.seed}, was recorded without an oracle: give its "
            "value"
        )
    sign = 1.0 if run.larger_is_better else -1.0
    steps: list[Step] = []
    for point in run.trajectory:
        if point.best is None:
            continue
        regret = sign * (best - point.best)
        if not steps or regret != steps[-1].regret:
            steps.append(Step(point.time, regret))
    return steps


def regret_at(steps: list[Step], time: float) -> float | None:
    """Return the regret at a time; None before the first full evaluation."""
    passed = bisect_right(steps, time, key=attrgetter("time"))
    return steps[passed - 1].regret if passed else None


_TIMES: Final = 256
_MUST_AGREE: Final = (
    "benchmark",
    "dataset",
    "num_epochs",
    "metric",
    "larger_is_better",
    "clock",
    "continue_training",
    "free_repeats",
    "evaluation_time",
    "oracle",
)
"""The fields in which runs have to agree for their regrets to be comparable."""

_HINTS: Final[Mapping[str, str]] = {
    "continue_training": ": strategies of short and of whole trainings are compared on problems of "
    "the same `fidelities`",
    "clock": ": make all by `to_run` with the same clock",
}
"""Advice for runs that differ in a field."""


@dataclass(frozen=True, kw_only=True)
class RegretBand:
    """Median and quartiles of the regret of a strategy's runs at given times; lists are aligned.

    A value is None at times at which a run has no regret: before its first full evaluation, or
    after its budget.

    Attributes:
        strategy: The name of the strategy.
        metric: The metric of the regret.
        runs: The number of runs; 0 for a band that is computed exactly (`random_band`).
        times: Times by the clock of the runs, ascending.
        lower: First quartile: a quarter of the runs is at least as good.
        median: The median.
        upper: Third quartile.
        clock: The unit of times: simulated seconds, or trials.
    """

    strategy: str
    metric: str
    runs: int
    times: list[float]
    lower: list[float | None]
    median: list[float | None]
    upper: list[float | None]
    clock: RunClock = "seconds"


def regret_bands(
    runs: Iterable[RecordedRun],
    *,
    times: Sequence[float] | None = None,
    oracle: float | None = None,
) -> list[RegretBand]:
    """Return the median and quartiles of the regret of each strategy over its runs.

    Regrets are step functions: the best value holds until a better one is found. Quartiles are
    interpolated linearly between runs.

    Args:
        runs: Runs of one or more strategies.
        times: Times by the clock of the runs, ascending; None: `common_times` of the runs.
        oracle: The oracle, in place of the runs' own.

    Returns:
        One band for each strategy, in the order of first occurrence.

    Raises:
        IncomparableRunsError: There are no runs, they do not measure the same quantity, or the
            oracle is not known.
        ValueError: The times are not ascending or not finite.
    """
    compared = list(runs)
    _check_comparable(compared, given_oracle=oracle is not None)
    chosen = common_times(compared) if times is None else [float(time) for time in times]
    if chosen != sorted(chosen) or not all(map(math.isfinite, chosen)):
        raise ValueError("times are ascending numbers of seconds")
    first_seen = {name: place for place, name in reversed(list(enumerate(_names(compared))))}
    in_order = sorted(compared, key=lambda run: first_seen[run.strategy])
    return [
        _band(name, list(group), chosen, oracle)
        for name, group in groupby(in_order, key=lambda run: run.strategy)
    ]


def common_times(runs: Sequence[RecordedRun]) -> list[float]:
    """Return 256 evenly spaced times at which all runs have a regret.

    They span the latest first evaluation to the smallest budget, both included.

    Raises:
        IncomparableRunsError: There are no runs, or they have no time in common.
    """
    first = [
        next((point.time for point in run.trajectory if point.best is not None), math.inf)
        for run in runs
    ]
    if not runs:
        raise IncomparableRunsError("there are no runs to compare")
    start, end = max(first), min(run.budget for run in runs)
    if start > end:
        when = f"after {start:.6g} s" if math.isfinite(start) else "never"
        raise IncomparableRunsError(
            f"at no time do all runs have a result: one has its first {when}, and one ends at "
            f"{end:.6g} s"
        )
    return [start + (end - start) * place / (_TIMES - 1) for place in range(_TIMES - 1)] + [end]


def _names(runs: Iterable[RecordedRun]) -> list[str]:
    return [run.strategy for run in runs]


def _check_comparable(runs: Sequence[RecordedRun], *, given_oracle: bool) -> None:
    if not runs:
        raise IncomparableRunsError("there are no runs to compare")
    for field in _MUST_AGREE:
        if field == "oracle" and given_oracle:
            continue
        values = list(dict.fromkeys(getattr(run, field) for run in runs))
        if len(values) > 1:
            raise IncomparableRunsError(
                f"the runs cannot be compared: {field} is {values[0]!r} in some and {values[1]!r} "
                f"in others{_HINTS.get(field, '')}"
            )

    _check_distinct(runs)


def _check_distinct(runs: Iterable[RecordedRun]) -> None:
    """Raise if a run is given twice, as it would count as two."""
    seen: set[tuple[str, int, int | None]] = set()
    for run in runs:
        key = (run.strategy, run.seed, run.run_seed)
        if key in seen:
            raise IncomparableRunsError(
                f"there are two runs of {run.strategy} with seed {run.seed}: leave one out, or "
                "record variants of a strategy under different names"
            )
        seen.add(key)


def _band(
    strategy: str, runs: Sequence[RecordedRun], times: list[float], oracle: float | None
) -> RegretBand:
    steps = [regret_steps(run, oracle) for run in runs]
    end = min(run.budget for run in runs)
    columns = [_quartiles(steps, time) if time <= end else (None, None, None) for time in times]
    return RegretBand(
        strategy=strategy,
        metric=runs[0].metric,
        runs=len(runs),
        times=times,
        lower=[column[0] for column in columns],
        median=[column[1] for column in columns],
        upper=[column[2] for column in columns],
        clock=runs[0].clock,
    )


def _quartiles(
    steps: Iterable[list[Step]], time: float
) -> tuple[float | None, float | None, float | None]:
    regrets = [regret_at(one, time) for one in steps]
    known = sorted(regret for regret in regrets if regret is not None)
    if len(known) < len(regrets):
        return None, None, None
    return _quantile(known, 0.25), _quantile(known, 0.5), _quantile(known, 0.75)


def _quantile(ascending: Sequence[float], fraction: float) -> float:
    """Return a quantile, interpolated between order statistics (Hyndman and Fan, 1996, type 7)."""
    place = fraction * (len(ascending) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (place - below) * (ascending[above] - ascending[below])


def oracle_value(bench: BenchClient, settings: SimulationSettings) -> float:
    """Return the best value in a benchmark, as the mean over an architecture's training runs.

    Args:
        bench: The client.
        settings: The settings of the simulation: `simulation.settings`.

    Raises:
        IncomparableRunsError: No architecture has a value of the metric.
        BenchError: The benchmark did not answer.
    """
    part: Mapping[str, Any] = settings.part
    try:
        (best,) = bench.top(TableName(settings.benchmark), metric=settings.metric, n=1, **part)
    except InvalidRequestError as error:
        raise IncomparableRunsError(
            f"{settings.benchmark} has no {settings.metric} of "
            f"{', '.join(map(str, settings.part.values()))}: there is no oracle ({error})"
        ) from error
    return best.value
