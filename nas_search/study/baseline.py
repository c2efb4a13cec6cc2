"""The regret of random search on a table, computed exactly: a line to compare strategies with.

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
"""As the number of runs of a band: none were run, it is computed."""

_QUARTILES: Final = (0.25, 0.5, 0.75)
_ROUNDING: Final = 1e-9
"""Of logarithms of binomials: a chance that is just the quartile counts as one."""


def random_band(
    problem: Table,
    trials: Sequence[float],
    *,
    oracle: float | None = None,
    name: str = "random search",
) -> RegretBand:
    """Return the quartiles of the regret of random draws without repeats, by the first objective.

    Of N architectures, all of n draws are among some m with probability C(m, n) / C(N, n). So the
    quartile q of the regret is that of the best architecture that the best draw reaches, or passes,
    with probability q. Draws are from what is recorded and within the bounds.

    Args:
        problem: What is drawn from.
        trials: Numbers of draws, ascending, such as the times of bands over trials; of a fraction,
            the draws that are complete. Below 1 there is no regret, beyond N it stays.
        oracle: As for `regret_bands`; None: the best value of the table.
        name: Of the band.

    Raises:
        ProblemError: Nothing is recorded within the bounds, numbers of draws are not finite or not
            ascending, or the problem has no table.
        BenchError: The question was not answered.
    """
    goal = problem.goals.objectives[0]
    rows = table_of(problem)
    best = problem.goals.best(rows.values()) if oracle is None else oracle
    wanted = [float(one) for one in trials]
    if wanted != sorted(wanted) or not all(map(math.isfinite, wanted)):
        raise ProblemError("numbers of draws are ascending and finite")
    ascending = sorted(goal.score(row[goal.metric]) for row in rows.values())
    if not ascending:
        raise ProblemError("nothing that is recorded is within the bounds")
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
    """Return the smallest regret that so many draws reach with a probability."""
    if num_draws < 1:
        return None
    size = len(ascending)
    draws = min(num_draws, size)
    most = math.log1p(-probability) + _ROUNDING
    # The largest m such that all draws are among the worst m with at most 1 - probability: the best
    # draw then has place m, from 0, or a better one.
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
