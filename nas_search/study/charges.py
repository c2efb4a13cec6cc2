"""What the trials of a study cost, each after those before it, and when they end."""

from __future__ import annotations

from collections import defaultdict
from math import inf

from nas_search.problems.problem import Outcome, Problem
from nas_search.study.clock import Clock
from nas_search.study.trials import Trial

__all__ = ["Charges"]


class Charges:
    """Keeps account of seconds: a repeat may be free, a longer evaluation go on from a shorter one.

    Args:
        problem: Says whether repeats are free, and whether evaluations go on.

    Attributes:
        total: What all trials cost together, in seconds.
    """

    def __init__(self, problem: Problem) -> None:
        self.total = 0.0
        self._free_repeats, self._continues = problem.free_repeats, problem.continues
        self._paid: defaultdict[str, dict[int | None, float]] = defaultdict(dict)
        self._clock = Clock()

    @property
    def now(self) -> float:
        """When the last result was told, in simulated seconds."""
        return self._clock.now

    def begin(self, trial: Trial) -> None:
        """Begin a trial now."""
        self._clock.ask(trial.number)

    def of(self, trial: Trial, outcome: Outcome) -> float:
        """Return what a trial costs after those before it, in seconds."""
        if self._free_repeats and trial.fidelity in self._paid.get(trial.arch, ()):
            return 0.0
        if not self._continues:
            return outcome.cost
        return max(0.0, outcome.cost - self._paid_for_less(trial))

    def end(self, trial: Trial, outcome: Outcome) -> float:
        """Return when a trial under way would end, in simulated seconds."""
        return self._clock.end(trial.number, self.of(trial, outcome))

    def take(self, trial: Trial) -> None:
        """Take note of what a trial that was told has cost."""
        self.total += trial.cost
        self._clock.tell(trial.number, trial.cost)
        before = self._paid_for_less(trial) if self._continues else 0.0
        self._paid[trial.arch][trial.fidelity] = trial.cost + before

    def _paid_for_less(self, trial: Trial) -> float:
        """Return what the longest shorter evaluation of the architecture cost as a whole."""
        paid = self._paid.get(trial.arch, {})
        reach = inf if trial.fidelity is None else trial.fidelity
        return max(
            (cost for fidelity, cost in paid.items() if (fidelity or inf) < reach), default=0.0
        )
