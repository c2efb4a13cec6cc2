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
"""Sort key of a result, best first: its standing reversed, then its number."""


@dataclass(kw_only=True, eq=False)
class ASHA(FidelityStrategy):
    """Asynchronous successive halving (ASHA): promotes without waiting for a rung to be complete.

    Promotes an architecture as soon as it is among the best 1/`eta` of its rung. If none can be
    promoted, evaluates a random architecture at the lowest fidelity. A promoted candidate names its
    earlier trial as parent, so that its training can be continued (Li et al., MLSys 2020,
    arXiv:1810.05934, algorithm 2).

    Failed and stopped trials enter no rung. Trials outside a bound are promoted only if too few are
    within (Deb's rules).

    Args:
        min_fidelity: The fewest epochs (or steps) of an evaluation.
        max_fidelity: The most epochs (or steps).
        eta: The inverse of the share that is promoted.
        seed: Seed of its draws, any integer.

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
        """Promote from the highest possible rung, or draw a random architecture."""
        for rung in reversed(range(len(self._levels) - 1)):
            if self._waiting[rung] and self._is_promotable(rung):
                place, promoted = heapq.heappop(self._waiting[rung])
                return self._candidate(promoted, rung + 1, place[-1])
        arch = yield from self.sample(domain)
        return None if arch is None else self._candidate(arch, 0)

    def learn(self, result: Result) -> None:
        """Add a result to its rung."""
        if not succeeded(result) or result.candidate.fidelity is None:
            return
        rung = self._levels.index(result.candidate.fidelity)
        feasible, less_violation, value = standing(result)
        place = (not feasible, -less_violation, -value, result.number)
        insort(self._rungs[rung], place)
        heapq.heappush(self._waiting[rung], (place, result.candidate.arch))

    def _is_promotable(self, rung: int) -> bool:
        """Return whether the best unpromoted result of a rung is among its best 1/`eta`."""
        place, _ = self._waiting[rung][0]
        everyone = self._rungs[rung]
        return bisect_left(everyone, place) < len(everyone) // self.eta

    def _candidate(self, arch: str, rung: int, parent: int | None = None) -> Candidate:
        return Candidate(arch=arch, fidelity=self._levels[rung], parent=parent, note=f"rung {rung}")
