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
"""Population; far more than any search has trials."""


@dataclass(kw_only=True, eq=False)
class RegularizedEvolution(SeededStrategy):
    """Mutates the best of a sample of the population, which the oldest leave.

    The first `population_size` candidates are random, without repeats. A mutation is a neighbor
    drawn uniformly: one choice is another. A child may be an architecture that was evaluated
    before; it is evaluated again, as in the paper. Where a parent has no neighbors, another random
    architecture is drawn; when there are no more, the search ends.

    What failed or was stopped never lives; a random one is drawn in place of a random one that
    failed. What is outside a bound lives and loses against all that is within (Deb's rules).

    Args:
        population_size: How many individuals are alive, P of the paper. On NAS-Bench-201 NATS-Bench
            has 10 (and S 3), naszilla 30 (and S 10).
        sample_size: How many of them compete to be the parent, S of the paper.
        draw: Whether those are "distinct" individuals, or drawn one by one with "replace"ment, so
            that one can be drawn twice, as some published codes do.
        seed: Of its draws, any integer.

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
        """How many candidates are random: a population."""
        return self.population_size

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Draw an architecture at first, then a child of the best of a sample."""
        if self._stuck:
            return None
        if self._random < self.population_size or not self._population:
            first = yield from self._newcomer(domain)
            if first is not None or not self._population:
                return first
            # The domain is smaller than a population: all of it is alive.
        parent = max(self._competitors(), key=standing)
        child = yield from domain.neighbor(parent.candidate.arch, self.rng)
        if child is not None:
            return Candidate(arch=child, parent=parent.number)
        first = yield from self._newcomer(domain)
        self._stuck = first is None
        return first

    def learn(self, result: Result) -> None:
        """Let an individual live; the oldest leaves a full population."""
        if succeeded(result):
            self._population.append(result)
        elif result.candidate.parent is None:
            self._random -= 1

    def drawn(self, domain: Domain) -> Proposal[str | None]:
        """Draw an architecture of the first population; None: there are no more."""
        return (yield from self.sample(domain))

    def _newcomer(self, domain: Domain) -> Proposal[Candidate | None]:
        arch = yield from self.drawn(domain)
        if arch is None:
            return None
        self._random += 1
        return Candidate(arch=arch)

    def _competitors(self) -> Sequence[Result]:
        # Of equals the first drawn is the parent, so that none is favoured for its age.
        if self.draw == "distinct":
            return drawn_sample(self.rng, self._population, self.sample_size)
        return [drawn_one(self.rng, self._population) for _ in range(self.sample_size)]
