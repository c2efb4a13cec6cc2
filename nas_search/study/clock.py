"""The simulated clock of several machines, as a table's recorded times drive it.

A trial begins when it is proposed, which is when a machine is free, and ends when what it cost has
passed. The clock stands where the last result was told. So it follows from the order of proposals
and results and from costs, which a study file has.
"""

from __future__ import annotations

from collections.abc import Iterable

from nas_search.study.trials import Trial, in_order

__all__ = ["Clock", "times_told"]


class Clock:
    """Tells when trials begin and end, in simulated seconds.

    Attributes:
        now: When the last result was told.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._begun: dict[int, float] = {}

    def ask(self, number: int) -> None:
        """Begin a trial now."""
        self._begun[number] = self.now

    def end(self, number: int, cost: float) -> float:
        """Return when the result of a trial can be told: not before those told already."""
        return max(self.now, self._begun[number] + cost)

    def tell(self, number: int, cost: float) -> float:
        """End a trial and return when that is."""
        self.now = self.end(number, cost)
        del self._begun[number]
        return self.now


def times_told(trials: Iterable[Trial]) -> dict[int, float]:
    """Return when the result of each trial was told, by number, in the order of results."""
    clock, times = Clock(), dict[int, float]()
    for _, trial, is_told in in_order(one for one in trials if one.told_order is not None):
        if is_told:
            times[trial.number] = clock.tell(trial.number, trial.cost)
        else:
            clock.ask(trial.number)
    return times
