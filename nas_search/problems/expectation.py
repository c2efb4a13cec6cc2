"""The exact expected result of random search on a table, without simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from nas_search.errors import ProblemError
from nas_search.problems.problem import Table

__all__ = ["Expectation", "random_expectation", "table_of"]


def table_of(problem: Table) -> dict[str, Mapping[str, float]]:
    """Return the metrics of every architecture of a problem within the bounds.

    Raises:
        ProblemError: The problem has no table, because it evaluates architectures.
        BenchError: The benchmark did not answer.
    """
    table = getattr(problem, "table", None)
    if table is None:
        raise ProblemError(
            f"a {type(problem).__name__} has no table of all metrics: a TableProblem, a "
            "FiguresProblem and a DeclaredProblem have one"
        )
    found: dict[str, Mapping[str, float]] = table()
    return found


class Expectation(NamedTuple):
    """Mean and standard deviation of the best of several random draws.

    Attributes:
        mean: Mean of the first objective.
        std: Standard deviation of the first objective.
        other: Mean of another metric of the best architecture; None if no other was requested.
    """

    mean: float
    std: float
    other: float | None


def random_expectation(
    problem: Table, num_draws: int, other: str | Table | None = None
) -> Expectation:
    """Return the expected best of random draws without repeats, by the first objective.

    Of N architectures in ascending order, the best of n draws has rank i (from 0) with probability
    C(i, n - 1) / C(N, n). Draws are from the recorded architectures within the bounds.

    Args:
        problem: A problem with a table.
        num_draws: The number of draws, n.
        other: Another metric of the same table; or a problem whose first objective is looked up
            for the best architecture, such as the accuracy after the longest training.

    Raises:
        ProblemError: There are fewer architectures than draws, an architecture that may be the best
            lacks the other metric, or the problem has no table.
        BenchError: The benchmark did not answer.
    """
    table = table_of(problem)
    goal = problem.goals.objectives[0]
    if not 1 <= num_draws <= len(table):
        raise ProblemError(f"there are {len(table)} architectures to draw, not {num_draws}")
    ascending = sorted(table.items(), key=lambda item: goal.score(item[1][goal.metric]))
    chances = _chances(len(ascending), num_draws)
    values = [metrics[goal.metric] for _, metrics in ascending]
    mean = math.fsum(map(_product, zip(chances, values, strict=True)))
    squares = (chance * (value - mean) ** 2 for chance, value in zip(chances, values, strict=True))
    found = None
    if other is not None:
        others = _lookup(other, table)
        pairs = zip(chances, ascending, strict=True)
        found = math.fsum(chance * others(arch) for chance, (arch, _) in pairs if chance)
    return Expectation(mean, math.sqrt(math.fsum(squares)), found)


def _chances(size: int, num_draws: int) -> list[float]:
    """Return the probability of each rank, ascending, for the best draw."""
    chances = [0.0] * size
    chance = num_draws / size
    for place in range(size - 1, num_draws - 2, -1):
        chances[place] = chance
        # C(i - 1, n - 1) = C(i, n - 1) (i - n + 1) / i.
        chance *= (place - num_draws + 1) / place if place else 0.0
    return chances


def _product(pair: tuple[float, float]) -> float:
    return pair[0] * pair[1]


class _MetricLookup:
    """Looks up another metric of architectures."""

    def __init__(self, name: str, table: Mapping[str, Mapping[str, float]]) -> None:
        self._name = name
        self._table = table

    def __call__(self, arch: str) -> float:
        """Return the metric of an architecture."""
        try:
            return self._table[arch][self._name]
        except KeyError:
            raise ProblemError(f"{arch} has no {self._name} recorded") from None


def _lookup(other: str | Table, table: Mapping[str, Mapping[str, float]]) -> _MetricLookup:
    if isinstance(other, str):
        return _MetricLookup(other, table)
    return _MetricLookup(other.goals.objectives[0].metric, table_of(other))
