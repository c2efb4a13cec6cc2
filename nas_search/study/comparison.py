"""Comparison of the searches in a folder: bands over time or evaluations, final values, and tests.

Only searches of the same benchmark, data set, metric and rules of cost are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal, TypeAlias

from nas_search.errors import IncomparableRunsError
from nas_search.study.folder import ReadSearch
from nas_search.study.regret import RegretBand, regret_at, regret_bands, regret_steps
from nas_search.study.runs import RecordedRun
from nas_search.study.significance import mann_whitney

__all__ = ["Comparison", "FinalValues", "Over", "PairTest", "compared"]

Over: TypeAlias = Literal["seconds", "evaluations"]

_MOST_TIMES: Final = 256
_MOST_STRATEGIES: Final = 20
"""The most strategies that are tested pairwise."""


@dataclass(frozen=True, kw_only=True)
class FinalValues:
    """The values of a strategy's searches at the common end of all searches, ascending."""

    strategy: str
    values: list[float]


@dataclass(frozen=True, kw_only=True)
class PairTest:
    """Whether the values of one strategy tend to be larger than those of another.

    Attributes:
        first: One strategy.
        second: The other.
        superiority: Probability that a value of the first is larger, ties counting half.
        p_two_sided: The two-sided p-value.
    """

    first: str
    second: str
    superiority: float
    p_two_sided: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of searches that measure the same quantity.

    Attributes:
        of: One of the runs, for the fields that all share.
        oracle: The best possible value. If None, bands and final values are no regrets.
        searches: The names of their files.
        end: The end of the shortest search, where the comparison ends.
        bands: Median and quartiles of each strategy; empty if the searches share no time.
        final: The values of each strategy at `end`.
        tests: One for each pair of strategies.
    """

    of: RecordedRun
    oracle: float | None
    searches: list[str]
    end: float | None
    bands: list[RegretBand]
    final: list[FinalValues]
    tests: list[PairTest]


def compared(
    searches: Iterable[ReadSearch],
    *,
    over: Over,
    oracle_of: Callable[[RecordedRun], float | None],
) -> list[Comparison]:
    """Return one comparison for each group of searches that measure the same quantity.

    Args:
        searches: The searches.
        over: Simulated seconds, which only searches on benchmarks have, or evaluations.
        oracle_of: Returns the best possible value for a run that was recorded without one.
    """
    groups: dict[tuple[object, ...], list[ReadSearch]] = {}
    for search in searches:
        if over == "seconds" and not search.timed:
            continue
        run = search.run
        charged = (run.continue_training, run.free_repeats, run.evaluation_time)
        part = (run.benchmark, run.dataset, run.num_epochs, run.metric, run.larger_is_better)
        groups.setdefault((*part, *charged, search.timed), []).append(search)
    return [_comparison(group, over, oracle_of) for group in groups.values()]


def _comparison(
    group: Sequence[ReadSearch], over: Over, oracle_of: Callable[[RecordedRun], float | None]
) -> Comparison:
    known = [one.run.oracle for one in group if one.run.oracle is not None]
    oracle = known[0] if known else oracle_of(group[0].run)
    runs = [one.run if over == "seconds" else _by_evaluations(one.run) for one in group]
    runs = [run.model_copy(update={"oracle": None}) for run in runs]
    sign = 1.0 if runs[0].larger_is_better else -1.0
    end = min(run.budget for run in runs)
    bands: list[RegretBand] = []
    final: list[FinalValues] = []
    try:
        times = None if over == "seconds" else _whole_numbers(runs)
        bands = regret_bands(runs, times=times, oracle=0.0 if oracle is None else oracle)
        final = _final(runs, 0.0 if oracle is None else oracle, end)
    except IncomparableRunsError:
        pass
    if oracle is None:
        # These are regrets against 0; with the sign changed they are the values themselves.
        bands = [_with_sign(band, -sign) for band in bands]
        final = [replace(one, values=sorted(-sign * v for v in one.values)) for one in final]
    return Comparison(
        of=group[0].run,
        oracle=oracle,
        searches=[one.name for one in group],
        end=end if bands else None,
        bands=bands,
        final=final,
        tests=_tests(final),
    )


def _by_evaluations(run: RecordedRun) -> RecordedRun:
    """Return a copy of a run whose times are the numbers of its evaluations, from 1."""
    points = tuple(
        point.model_copy(update={"time": float(number)})
        for number, point in enumerate(run.trajectory, 1)
    )
    return run.model_copy(update={"trajectory": points, "budget": float(max(len(points), 1))})


def _whole_numbers(runs: Sequence[RecordedRun]) -> list[float]:
    """Return at most `_MOST_TIMES` numbers of evaluations, from 1 to the shortest end."""
    end = int(min(run.budget for run in runs))
    step = (end - 1) / (_MOST_TIMES - 1)
    return sorted({float(round(1 + step * place)) for place in range(_MOST_TIMES)})


def _final(runs: Sequence[RecordedRun], oracle: float, end: float) -> list[FinalValues]:
    found: dict[str, list[float]] = {}
    for run in runs:
        regret = regret_at(regret_steps(run, oracle), end)
        values = found.setdefault(run.strategy, [])
        if regret is not None:
            values.append(regret)
    return [FinalValues(strategy=name, values=sorted(values)) for name, values in found.items()]


def _with_sign(band: RegretBand, sign: float) -> RegretBand:
    lower, median, upper = (
        [None if value is None else sign * value for value in values]
        for values in (band.lower, band.median, band.upper)
    )
    if sign < 0:
        lower, upper = upper, lower
    return replace(band, lower=lower, median=median, upper=upper)


def _tests(final: Sequence[FinalValues]) -> list[PairTest]:
    tested = [one for one in final if one.values][:_MOST_STRATEGIES]
    found = []
    for first, second in combinations(tested, 2):
        test = mann_whitney(first.values, second.values)
        found.append(
            PairTest(
                first=first.strategy,
                second=second.strategy,
                superiority=test.superiority,
                p_two_sided=test.p_two_sided,
            )
        )
    return found
