"""Regularized evolution: Real, Aggarwal, Huang and Le, AAAI 2019, algorithm 1."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from nas_search.contract import Candidate, Domain, Proposal, Result
from nas_search.strategies.draws import drawn_one, drawn_sample
from nas_search.strategies.seeded import SeededStrategy, one_of, standing, succeeded

__all__ = ["RegularizedEvolution"]

_LARGEST: Final = 2**31
"""Upper limit of the population size, far above the trials of any search."""


@dataclass(kw_only=True, eq=False)
class RegularizedEvolution(SeededStrategy):
    """Regularized (aging) evolution: mutates the best of a sample; the oldest individual dies.

    The first `population_size` candidates are random, without repeats. A mutation changes one
    choice, drawn uniformly among the neighbors of the parent. As in the paper, a child may be an
    architecture evaluated before and is evaluated again. If a parent has no neighbors, a random
    architecture is drawn; when there are no more, the search ends (Real, Aggarwal, Huang and Le,
    AAAI 2019, algorithm 1).

    Failed and stopped trials do not enter the population; a failed random candidate is replaced by
    another one. Trials outside a bound enter it and rank below all trials within (Deb's rules).

    Args:
        population_size: Size of the population, P in the paper. On NAS-Bench-201, NATS-Bench uses
            10 (with S = 3) and naszilla 30 (with S = 10).
        sample_size: Number of individuals that compete to be the parent, S in the paper.
        draw: "distinct": the sample has no repeats; "replace": it is drawn with replacement, as in
            some published code.
        seed: Seed of its draws, any integer.

    Raises:
        ValueError: The sizes are not 1 <= sample_size <= population_size, or the draw is unknown.
        TypeError: The seed is no integer.
    """

    population_size: int = 100
    sample_size: int = 25
    draw: Literal["distinct", "replace"] = "distinct"

    name = "RegularizedEvolution"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.sample_size <= self.population_size <= _LARGEST:
            raise ValueError(
                f"sample_size is {self.sample_size} and population_size {self.population_size}; "
                f"1 <= sample_size <= population_size <= {_LARGEST}"
            )
        one_of("draw", self.draw, ("distinct", "replace"))
        self._population: deque[Result] = deque(maxlen=self.population_size)
        self._random = 0
        self._stuck = False

    @property
    def random_phase(self) -> int:
        """The number of random candidates: the first population."""
        return self.population_size

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Return a random architecture at first, then children of the best of a sample."""
        if self._stuck:
            return None
        if self._random < self.population_size or not self._population:
            first = yield from self._newcomer(domain)
            if first is not None or not self._population:
                return first
            # The domain is smaller than the population and all of it has been drawn.
        parent = max(self._competitors(), key=standing)
        child = yield from domain.neighbor(parent.candidate.arch, self.rng)
        if child is not None:
            return Candidate(arch=child, parent=parent.number)
        first = yield from self._newcomer(domain)
        self._stuck = first is None
        return first

    def learn(self, result: Result) -> None:
        """Add a result to the population, which drops its oldest individual when full."""
        if succeeded(result):
            self._population.append(result)
        elif result.candidate.parent is None:
            self._random -= 1

    def drawn(self, domain: Domain) -> Proposal[str | None]:
        """Draw an architecture for the first population; None: there are no more."""
        return (yield from self.sample(domain))

    def _newcomer(self, domain: Domain) -> Proposal[Candidate | None]:
        arch = yield from self.drawn(domain)
        if arch is None:
            return None
        self._random += 1
        return Candidate(arch=arch)

    def _competitors(self) -> Sequence[Result]:
        # `max` takes the first of equals; the random order avoids favouring an age.
        if self.draw == "distinct":
            return drawn_sample(self.rng, self._population, self.sample_size)
        return [drawn_one(self.rng, self._population) for _ in range(self.sample_size)]
