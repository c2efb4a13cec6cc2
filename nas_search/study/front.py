"""The front of a study, kept up to date trial by trial, and that of all of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from nas_search.errors import ProblemError
from nas_search.problems.expectation import table_of
from nas_search.problems.goals import Goals
from nas_search.problems.problem import Table
from nas_search.strategies.pareto import dominates, hypervolume
from nas_search.study.trials import Trial

__all__ = ["Front", "front_volume", "reference_scores"]


class Front:
    """The trials that none is better than in all objectives, one a point, the earliest of equals.

    Args:
        goals: What trials are judged by.
        reference: Worst values of interest, by objective; None: no volume is computed.

    Raises:
        ProblemError: The reference lacks an objective, or has another.
    """

    def __init__(self, goals: Goals, reference: Mapping[str, float] | None) -> None:
        self._goals = goals
        self._reference = None if reference is None else reference_scores(goals, reference)
        self._trials: list[Trial] = []

    def add(self, trial: Trial) -> bool:
        """Take a trial within the bounds, and return whether the front is another now."""
        kept = self._trials
        if any(one.scores == trial.scores or dominates(one.scores, trial.scores) for one in kept):
            return False
        self._trials = [one for one in kept if not dominates(trial.scores, one.scores)] + [trial]
        return True

    @property
    def payload(self) -> dict[str, Any]:
        """What an event tells of it: the numbers of its trials, and the volume if one is asked."""
        told: dict[str, Any] = {"trials": sorted(one.number for one in self._trials)}
        if self._reference is not None:
            told["hypervolume"] = self.volume
        return told

    @property
    def volume(self) -> float:
        """The volume to the reference; 0 without one."""
        if self._reference is None:
            return 0.0
        return hypervolume([one.scores for one in self._trials], self._reference)


def front_volume(problem: Table, reference: Mapping[str, float]) -> float:
    """Return the volume of the front of all that a table holds within the bounds.

    It is what the volume of a search can reach: the oracle of `study.to_run(reference=…)`.

    Args:
        problem: All of whose figures are known.
        reference: Worst values of interest, by objective.

    Raises:
        ProblemError: The reference lacks an objective, or has another; or the problem has no table.
        BenchError: The question was not answered.
    """
    worst = reference_scores(problem.goals, reference)
    kept: list[tuple[float, ...]] = []
    # Nothing is dominated by what comes after it in descending order.
    for point in sorted(set(map(problem.goals.scores, table_of(problem).values())), reverse=True):
        if not any(dominates(one, point) for one in kept):
            kept.append(point)
    return hypervolume(kept, worst)


def reference_scores(goals: Goals, reference: Mapping[str, float]) -> tuple[float, ...]:
    """Return a reference point as scores, larger being better.

    Raises:
        ProblemError: It lacks an objective, has another, or a value of it is no finite number.
    """
    names = [one.metric for one in goals.objectives]
    if sorted(reference) != sorted(names):
        raise ProblemError(f"a reference point has a value of {', '.join(names)}")
    stated: Mapping[str, Any] = reference
    for name, value in stated.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise ProblemError(f"the reference point has {name} = {value!r:.80}: it is no number")
    return goals.scores(reference)
