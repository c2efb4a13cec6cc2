"""The Pareto front of a study, updated trial by trial, and the front of a whole table."""

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
    """The trials that no other dominates; of trials with equal values the earliest.

    Args:
        goals: The objectives and bounds.
        reference: Worst value of interest for each objective; None: no volume is computed.

    Raises:
        ProblemError: The reference lacks an objective or has an unknown one.
    """

    def __init__(self, goals: Goals, reference: Mapping[str, float] | None) -> None:
        self._goals = goals
        self._reference = None if reference is None else reference_scores(goals, reference)
        self._trials: list[Trial] = []

    def add(self, trial: Trial) -> bool:
        """Add a trial within the bounds, and return whether the front has changed."""
        kept = self._trials
        if any(one.scores == trial.scores or dominates(one.scores, trial.scores) for one in kept):
            return False
        self._trials = [one for one in kept if not dominates(trial.scores, one.scores)] + [trial]
        return True

    @property
    def payload(self) -> dict[str, Any]:
        """The payload of an event: the numbers of its trials, and the volume if computed."""
        told: dict[str, Any] = {"trials": sorted(one.number for one in self._trials)}
        if self._reference is not None:
            told["hypervolume"] = self.volume
        return told

    @property
    def volume(self) -> float:
        """The hypervolume to the reference point; 0 without one."""
        if self._reference is None:
            return 0.0
        return hypervolume([one.scores for one in self._trials], self._reference)


def front_volume(problem: Table, reference: Mapping[str, float]) -> float:
    """Return the hypervolume of the front of all architectures of a table within the bounds.

    No search can exceed it: it is the oracle for `study.to_run(reference=…)`.

    Args:
        problem: A problem with a table.
        reference: Worst value of interest for each objective.

    Raises:
        ProblemError: The reference has wrong objectives, or the problem has no table.
        BenchError: The benchmark did not answer.
    """
    worst = reference_scores(problem.goals, reference)
    kept: list[tuple[float, ...]] = []
    # In descending order no point is dominated by a later one.
    for point in sorted(set(map(problem.goals.scores, table_of(problem).values())), reverse=True):
        if not any(dominates(one, point) for one in kept):
            kept.append(point)
    return hypervolume(kept, worst)


def reference_scores(goals: Goals, reference: Mapping[str, float]) -> tuple[float, ...]:
    """Return a reference point as scores, where larger is better.

    Raises:
        ProblemError: The reference lacks an objective, has an unknown one, or has a value that is
            no finite number.
    """
    names = [one.metric for one in goals.objectives]
    if sorted(reference) != sorted(names):
        raise ProblemError(f"a reference point has one value for each of {', '.join(names)}")
    stated: Mapping[str, Any] = reference
    for name, value in stated.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise ProblemError(f"the reference point has {name} = {value!r:.80}, no finite number")
    return goals.scores(reference)
