"""The best trials of a study, kept up to date result by result."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from nas_search.problems.goals import Goals
from nas_search.study.front import Front
from nas_search.study.trials import State, Trial

__all__ = ["Lead", "Leaders"]


class Lead(NamedTuple):
    """What a result has changed.

    Attributes:
        best: Whether its trial is the best now.
        front: Whether the front is another one now; of one objective there is none.
    """

    best: bool
    front: bool


class Leaders:
    """The best trial, and of several objectives the front.

    Only whole evaluations lead: results of different fidelities are never ranked together.

    Args:
        goals: What trials are judged by.
        whole: The fidelities of evaluations that went to their end.
        reference: Worst values of interest, by objective; None: the front has no volume.

    Raises:
        ProblemError: The reference lacks an objective, or has another.

    Attributes:
        best: The best trial; None before the first that was evaluated whole.
        front: Of the trials within the bounds.
    """

    def __init__(
        self, goals: Goals, whole: Collection[int | None], reference: Mapping[str, float] | None
    ) -> None:
        self.best: Trial | None = None
        self.front = Front(goals, reference)
        self._several = len(goals.objectives) > 1
        self._whole = whole

    def take(self, trial: Trial) -> Lead:
        """Take a result, and return what it has changed."""
        if trial.fidelity not in self._whole:
            return Lead(best=False, front=False)
        leads = bool(trial.scores) and (self.best is None or _rank(trial) < _rank(self.best))
        if leads:
            self.best = trial
        feasible = trial.state is State.OK
        return Lead(best=leads, front=self._several and feasible and self.front.add(trial))


def _rank(trial: Trial) -> tuple[float, tuple[float, ...]]:
    """Return what trials are ranked by, the best having the smallest: bounds, then objectives."""
    return trial.violation, tuple(-score for score in trial.scores)
