"""The best trial and the front of a study, updated result by result."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from nas_search.problems.goals import Goals
from nas_search.study.front import Front
from nas_search.study.trials import State, Trial

__all__ = ["Lead", "Leaders"]


class Lead(NamedTuple):
    """The changes that a result has caused.

    Attributes:
        best: Whether its trial is now the best.
        front: Whether the front has changed; always False with one objective.
    """

    best: bool
    front: bool


class Leaders:
    """The best trial and, with several objectives, the front.

    Only full evaluations count: results of different fidelities are never ranked together.

    Args:
        goals: The objectives and bounds.
        whole: The values of `fidelity` that mean a full evaluation.
        reference: Worst value of interest for each objective; None: the front has no volume.

    Raises:
        ProblemError: The reference lacks an objective or has an unknown one.

    Attributes:
        best: The best trial; None before the first full evaluation.
        front: The front of the trials within the bounds.
    """

    def __init__(
        self, goals: Goals, whole: Collection[int | None], reference: Mapping[str, float] | None
    ) -> None:
        self.best: Trial | None = None
        self.front = Front(goals, reference)
        self._several = len(goals.objectives) > 1
        self._whole = whole

    def take(self, trial: Trial) -> Lead:
        """Add a finished trial, and return the changes it causes."""
        if trial.fidelity not in self._whole:
            return Lead(best=False, front=False)
        leads = bool(trial.scores) and (self.best is None or _rank(trial) < _rank(self.best))
        if leads:
            self.best = trial
        feasible = trial.state is State.OK
        return Lead(best=leads, front=self._several and feasible and self.front.add(trial))


def _rank(trial: Trial) -> tuple[float, tuple[float, ...]]:
    """Return a sort key, smallest for the best trial: violation first, then objectives."""
    return trial.violation, tuple(-score for score in trial.scores)
