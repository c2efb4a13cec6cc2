"""The exact regret of random search on a table, as a baseline for other strategies.

bands = regret_bands([study.to_run(oracle=problem.optimum(), clock="trials") for study in studies])
plot_regret([*bands, random_band(problem, bands[0].times)], "regret.svg")
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from nas_search.errors import ProblemError
from nas_search.problems.expectation import table_of
from nas_search.problems.problem import Table
from nas_search.study.regret import RegretBand

__all__ = ["EXACT", "random_band"]

EXACT: Final = 0
"""The number of runs of a band that is computed, not measured."""

_QUARTILES: Final = (0.25, 0.5, 0.75)
_ROUNDING: Final = 1e-9
"""Tolerance for logarithms of binomials, so that a chance equal to the quartile counts."""


def random_band(
    problem: Table,
    trials: Sequence[float],
    *,
    oracle: float | None = None,
    name: str = "random search",
) -> RegretBand:
    """Return the quartiles of the regret of random draws without repeats, by the first objective.

    Of N architectures, n draws all fall among a given set of m with probability
    C(m, n) / C(N, n). So quartile q of the regret is the smallest regret that the best draw
    reaches with probability q. Draws are from the recorded architectures within the bounds.

    Args:
        problem: A problem with a table.
        trials: Numbers of draws, ascending, such as the times of bands over trials. Fractions are
            rounded down. Below 1 the regret is None; beyond N it is constant.
        oracle: As for `regret_bands`; None: the best value of the table.
        name: The name of the band.

    Raises:
        ProblemError: No recorded architecture is within the bounds, the numbers of draws are not
            finite or not ascending, or the problem has no table.
        BenchError: The benchmark did not answer.
    """
    goal = problem.goals.objectives[0]
    rows = table_of(problem)
    best = problem.goals.best(rows.values()) if oracle is None else oracle
    wanted = [float(one) for one in trials]
    if wanted != sorted(wanted) or not all(map(math.isfinite, wanted)):
        raise ProblemError("numbers of draws are ascending and finite")
    ascending = sorted(goal.score(row[goal.metric]) for row in rows.values())
    if not ascending:
        raise ProblemError("no recorded architecture is within the bounds")
    columns = [
        [_regret(ascending, int(number), q, goal.score(best)) for q in _QUARTILES]
        for number in wanted
    ]
    lower, median, upper = (list(column) for column in zip(*columns, strict=True))
    return RegretBand(
        strategy=name,
        metric=goal.metric,
        runs=EXACT,
        times=wanted,
        lower=lower,
        median=median,
        upper=upper,
        clock="trials",
    )


def _regret(
    ascending: Sequence[float], num_draws: int, probability: float, best: float
) -> float | None:
    """Return the smallest regret that `num_draws` draws reach with the given probability."""
    if num_draws < 1:
        return None
    size = len(ascending)
    draws = min(num_draws, size)
    most = math.log1p(-probability) + _ROUNDING
    # The largest m for which all draws are among the worst m with at most 1 - probability. The best
    # draw then has rank m (from 0, ascending) or better.
    place = bisect_right(range(size), most, key=lambda below: _log_chance(below, size, draws)) - 1
    return best - ascending[place]


def _log_chance(below: int, size: int, draws: int) -> float:
    """Return the logarithm of C(below, draws) / C(size, draws)."""
    if below < draws:
        return -math.inf
    return (
        math.lgamma(below + 1)
        - math.lgamma(below - draws + 1)
        - math.lgamma(size + 1)
        + math.lgamma(size - draws + 1)
    )
