"""The cost of trials, given those before them, and the simulated times at which they end."""

from __future__ import annotations

from collections import defaultdict
from math import inf

from nas_search.problems.problem import Outcome, Problem
from nas_search.study.clock import Clock
from nas_search.study.trials import Trial

__all__ = ["Charges"]


class Charges:
    """Adds up the cost of trials; repeats may be free, and evaluations may continue shorter ones.

    Args:
        problem: States whether repeats are free and whether evaluations continue shorter ones.

    Attributes:
        total: The cost of all trials together, in seconds.
    """

    def __init__(self, problem: Problem) -> None:
        self.total = 0.0
        self._free_repeats, self._continues = problem.free_repeats, problem.continues
        self._paid: defaultdict[str, dict[int | None, float]] = defaultdict(dict)
        self._clock = Clock()

    @property
    def now(self) -> float:
        """Simulated time of the last result, in seconds."""
        return self._clock.now

    def begin(self, trial: Trial) -> None:
        """Begin a trial at the current simulated time."""
        self._clock.ask(trial.number)

    def of(self, trial: Trial, outcome: Outcome) -> float:
        """Return the cost of a trial, given those before it, in seconds."""
        if self._free_repeats and trial.fidelity in self._paid.get(trial.arch, ()):
            return 0.0
        if not self._continues:
            return outcome.cost
        return max(0.0, outcome.cost - self._paid_for_less(trial))

    def end(self, trial: Trial, outcome: Outcome) -> float:
        """Return the simulated time at which a running trial would end, in seconds."""
        return self._clock.end(trial.number, self.of(trial, outcome))

    def take(self, trial: Trial) -> None:
        """Account for the cost of a finished trial."""
        self.total += trial.cost
        self._clock.tell(trial.number, trial.cost)
        before = self._paid_for_less(trial) if self._continues else 0.0
        self._paid[trial.arch][trial.fidelity] = trial.cost + before

    def _paid_for_less(self, trial: Trial) -> float:
        """Return the full cost of the longest shorter evaluation of the same architecture."""
        paid = self._paid.get(trial.arch, {})
        reach = inf if trial.fidelity is None else trial.fidelity
        return max(
            (cost for fidelity, cost in paid.items() if (fidelity or inf) < reach), default=0.0
        )
