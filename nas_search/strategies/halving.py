"""Successive halving (Jamieson and Talwalkar, AISTATS 2016, arXiv:1502.07943), and its base."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nas_search.contract import Candidate, Domain, Proposal, Result
from nas_search.strategies.seeded import SeededStrategy, best_of, require, succeeded

__all__ = ["FidelityStrategy", "Rung", "RungStrategy", "SuccessiveHalving"]


class Rung(NamedTuple):
    """A rung of a bracket: the number of evaluations and their fidelity."""

    size: int
    fidelity: int


@dataclass(kw_only=True, eq=False)
class FidelityStrategy(SeededStrategy):
    """Base of strategies that evaluate at the fidelities of rungs."""

    min_fidelity: int = 1
    max_fidelity: int = 9
    eta: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        require("eta", self.eta, least=2)
        require("min_fidelity", self.min_fidelity, least=1)
        require("max_fidelity", self.max_fidelity, least=self.min_fidelity)

    @property
    def fidelities(self) -> tuple[int, ...]:
        """The fidelities of the rungs, lowest first.

        They are `max_fidelity` divided by powers of `eta`, rounded, as far as they reach
        `min_fidelity`: from 1 to 12 with `eta` 3 they are 1, 4 and 12.
        """
        found = [self.max_fidelity]
        while True:
            lower = math.floor(self.max_fidelity / self.eta ** len(found) + 0.5)
            if not self.min_fidelity <= lower < found[-1]:
                return tuple(reversed(found))
            found.append(lower)


@dataclass(kw_only=True, eq=False)
class RungStrategy(FidelityStrategy):
    """Base of strategies that promote the best results of each rung to the next fidelity.

    Brackets are repeated endlessly; a rung begins when all results of the last one are there. A
    promoted candidate names its earlier trial as parent, so that its training can be continued.
    Only results of the same rung are compared.

    Args:
        min_fidelity: The fewest epochs (or steps) of an evaluation.
        max_fidelity: The most epochs (or steps).
        eta: The inverse of the share that is promoted to the next rung.
        seed: Seed of its draws, any integer.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._brackets = enumerate(self.brackets())
        self._bracket, self._rungs = next(self._brackets)
        self._rung = 0
        self._to_draw = self._rungs[0].size
        self._queue: deque[Candidate] = deque()
        self._told: list[Result] = []

    def brackets(self) -> Iterator[Sequence[Rung]]:
        """Yield the rungs of each bracket, without end."""
        raise NotImplementedError

    def newcomer(self, domain: Domain) -> Proposal[str | None]:
        """Draw an architecture for the first rung; None: there are no more."""
        return (yield from self.sample(domain))

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Return the next candidate of a rung; begin the next rung once all results are there."""
        while not self._queue:
            if self._to_draw:
                arch = yield from self.newcomer(domain)
                if arch is not None:
                    self._to_draw -= 1
                    return self._candidate(arch)
            if self._under_way or not self._told:
                return None
            self._next_rung()
        return self._queue.popleft()

    def learn(self, result: Result) -> None:
        """Store a result until its rung is complete."""
        self._told.append(result)

    def _next_rung(self) -> None:
        told = sorted(filter(succeeded, self._told), key=lambda result: result.number)
        self._told.clear()
        self._rung += 1
        if told and self._rung < len(self._rungs):
            self._to_draw = 0
            best = best_of(told, self._rungs[self._rung].size)
            self._queue.extend(self._candidate(one.candidate.arch, one.number) for one in best)
        else:
            self._bracket, self._rungs = next(self._brackets)
            self._rung = 0
            self._to_draw = self._rungs[0].size

    def _candidate(self, arch: str, parent: int | None = None) -> Candidate:
        return Candidate(
            arch=arch,
            fidelity=self._rungs[self._rung].fidelity,
            parent=parent,
            note=f"bracket {self._bracket} rung {self._rung}",
        )


@dataclass(kw_only=True, eq=False)
class SuccessiveHalving(RungStrategy):
    """Successive halving: evaluates random architectures shortly and the best 1/`eta` for longer.

    Failed and stopped trials are not promoted, and no other is promoted in their place. Trials
    outside a bound are promoted only if too few are within (Deb's rules).

    Args:
        min_fidelity: The fewest epochs (or steps) of an evaluation.
        max_fidelity: The most epochs (or steps): 9 gives rungs 1, 3 and 9, 12 gives 1, 4 and 12.
        eta: The inverse of the share that is promoted to the next rung.
        num_candidates: Candidates of a bracket; None: as many as leave one in the last rung.
        seed: Seed of its draws, any integer.

    Raises:
        ValueError: A number is out of range.
        TypeError: The seed is no integer.
    """

    num_candidates: int | None = None

    name = "SuccessiveHalving"
    draws_alone = True

    def brackets(self) -> Iterator[Sequence[Rung]]:
        """Yield the same bracket endlessly."""
        levels = self.fidelities
        size = self.num_candidates
        if size is None:
            size = self.eta ** (len(levels) - 1)
        require("num_candidates", size, least=1)
        rungs = [Rung(max(1, size // self.eta**place), level) for place, level in enumerate(levels)]
        while True:
            yield rungs
