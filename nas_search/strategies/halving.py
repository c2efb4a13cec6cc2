"""Successive halving: Jamieson and Talwalkar, AISTATS 2016, arXiv:1502.07943; and its brackets."""

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
    """A step of a bracket: how many are evaluated at which fidelity."""

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
        """Those of the rungs, lowest first: the largest divided by eta again and again.

        Those are rounded, and none is below the least. 1 to 12 by 3 is 1, 4, 12.
        """
        found = [self.max_fidelity]
        while True:
            lower = math.floor(self.max_fidelity / self.eta ** len(found) + 0.5)
            if not self.min_fidelity <= lower < found[-1]:
                return tuple(reversed(found))
            found.append(lower)


@dataclass(kw_only=True, eq=False)
class RungStrategy(FidelityStrategy):
    """Base of strategies that evaluate many architectures shortly and few of them for long.

    Brackets follow each other without end; the next rung of one is begun when all of the last was
    told. The best of a rung are evaluated again at the fidelity of the next; their candidates name
    the trial as parent, so that a training can go on from there. Only results of one rung are
    compared with each other.

    Args:
        min_fidelity: The least epochs (or steps) of an evaluation.
        max_fidelity: The most.
        eta: One of so many goes on to the next rung.
        seed: Of its draws, any integer.
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
        """Draw an architecture for the lowest rung; None: there are no more."""
        return (yield from self.sample(domain))

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Take the next of a rung; begin the next rung when all of one was told."""
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
        """Keep a result until its rung is complete."""
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
    """Evaluates random architectures at the least fidelity and the best third of them for longer.

    What failed or was stopped does not go on, and its place in the next rung stays empty. What is
    outside a bound goes on only where too few are within (Deb's rules).

    Args:
        min_fidelity: The least epochs (or steps) of an evaluation.
        max_fidelity: The most; with 9 rungs are 1, 3 and 9, with 12 they are 1, 4 and 12.
        eta: One of so many goes on to the next rung.
        num_candidates: Of a bracket; None for as many as leave one in the last rung.
        seed: Of its draws, any integer.

    Raises:
        ValueError: A number is out of range.
        TypeError: The seed is no integer.
    """

    num_candidates: int | None = None

    name = "SuccessiveHalving"
    draws_alone = True

    def brackets(self) -> Iterator[Sequence[Rung]]:
        """Yield the same bracket again and again."""
        levels = self.fidelities
        size = self.num_candidates
        if size is None:
            size = self.eta ** (len(levels) - 1)
        require("num_candidates", size, least=1)
        rungs = [Rung(max(1, size // self.eta**place), level) for place, level in enumerate(levels)]
        while True:
            yield rungs
