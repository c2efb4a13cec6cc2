"""Asynchronous successive halving: Li et al., MLSys 2020, arXiv:1810.05934, algorithm 2."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import TypeAlias

from nas_search.contract import Candidate, Domain, Proposal, Result
from nas_search.strategies.halving import FidelityStrategy
from nas_search.strategies.seeded import standing, succeeded

__all__ = ["ASHA"]

_Place: TypeAlias = tuple[bool, float, float, int]
"""What a result is sorted by, best first: its standing reversed, then its number."""


@dataclass(kw_only=True, eq=False)
class ASHA(FidelityStrategy):
    """Lets an architecture go on as soon as it is in the best third of its rung; never waits.

    Where none can go on, a random architecture is evaluated at the least fidelity. A candidate
    that goes on names its trial as parent, so that a training can go on from there. Settings are
    those of successive halving.

    What failed or was stopped is in no rung. What is outside a bound goes on only where too few
    are within (Deb's rules).

    Args:
        min_fidelity: The least epochs (or steps) of an evaluation.
        max_fidelity: The most.
        eta: One of so many goes on.
        seed: Of its draws, any integer.

    Raises:
        ValueError: A number is out of range.
        TypeError: The seed is no integer.
    """

    name = "ASHA"
    draws_alone = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._levels = self.fidelities
        self._rungs: list[list[_Place]] = [[] for _ in self._levels]
        self._waiting: list[list[tuple[_Place, str]]] = [[] for _ in self._levels]

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Let one go on, from the highest rung that has one; else draw."""
        for rung in reversed(range(len(self._levels) - 1)):
            if self._waiting[rung] and self._is_promotable(rung):
                place, promoted = heapq.heappop(self._waiting[rung])
                return self._candidate(promoted, rung + 1, place[-1])
        arch = yield from self.sample(domain)
        return None if arch is None else self._candidate(arch, 0)

    def learn(self, result: Result) -> None:
        """Put a result into its rung."""
        if not succeeded(result) or result.candidate.fidelity is None:
            return
        rung = self._levels.index(result.candidate.fidelity)
        feasible, less_violation, value = standing(result)
        place = (not feasible, -less_violation, -value, result.number)
        insort(self._rungs[rung], place)
        heapq.heappush(self._waiting[rung], (place, result.candidate.arch))

    def _is_promotable(self, rung: int) -> bool:
        """Return whether the best that has not gone on is among the best of its rung."""
        place, _ = self._waiting[rung][0]
        everyone = self._rungs[rung]
        return bisect_left(everyone, place) < len(everyone) // self.eta

    def _candidate(self, arch: str, rung: int, parent: int | None = None) -> Candidate:
        return Candidate(arch=arch, fidelity=self._levels[rung], parent=parent, note=f"rung {rung}")
