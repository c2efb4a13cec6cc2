"""The simulated clock of several machines, driven by the recorded times of a table.

A trial begins when it is proposed, which is when a machine is free, and ends after the seconds of
its cost. The clock shows the time of the last result. It therefore follows from the costs and from
the order of proposals and results, all of which a study file contains.
"""

from __future__ import annotations

from collections.abc import Iterable

from nas_search.study.trials import Trial, in_order

__all__ = ["Clock", "times_told"]


class Clock:
    """Computes when trials begin and end, in simulated seconds.

    Attributes:
        now: The time of the last result.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._begun: dict[int, float] = {}

    def ask(self, number: int) -> None:
        """Begin a trial at `now`."""
        self._begun[number] = self.now

    def end(self, number: int, cost: float) -> float:
        """Return the time of the result of a trial, never before that of an earlier result."""
        return max(self.now, self._begun[number] + cost)

    def tell(self, number: int, cost: float) -> float:
        """End a trial and return the time of its end."""
        self.now = self.end(number, cost)
        del self._begun[number]
        return self.now


def times_told(trials: Iterable[Trial]) -> dict[int, float]:
    """Return the simulated time of each result, by trial number, in the order of results."""
    clock, times = Clock(), dict[int, float]()
    for _, trial, is_told in in_order(one for one in trials if one.told_order is not None):
        if is_told:
            times[trial.number] = clock.tell(trial.number, trial.cost)
        else:
            clock.ask(trial.number)
    return times
