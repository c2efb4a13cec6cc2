"""Regularized evolution: Real, Aggarwal, Huang and Le, AAAI 2019, algorithm 1."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from nas_search.strategies.draws import drawn_sample, generator_of
from nas_search.strategies.strategy import Proposal, Space

__all__ = ["RegularizedEvolution"]


class _Individual(NamedTuple):
    arch: str
    score: float


class RegularizedEvolution:
    """Mutates the best of a sample of the population, which the oldest leave.

    The first `population_size` proposals are random, without repeats. A mutation is a neighbor
    drawn uniformly: one operation or edge is another. A child may be an architecture that was
    evaluated before; it is evaluated again, as in the paper.

    Args:
        population_size: How many individuals are alive, P of the paper; NAS-Bench-201's authors
            have 10.
        sample_size: How many of them compete to be the parent, S of the paper; 3 there.
        seed: Of its draws, any integer.

    With a budget that ends before the population is full it is random search: `search_choices`
    refuses that, and searches over a clock warn of it at their end (`NothingLearnedWarning`).

    Raises:
        ValueError: The sizes are not 1 <= sample_size <= population_size.
        TypeError: The seed is no integer.
    """

    name: Final = "regularized evolution"

    def __init__(self, *, population_size: int = 100, sample_size: int = 25, seed: int = 0) -> None:
        if not 1 <= sample_size <= population_size:
            raise ValueError(
                f"sample_size is {sample_size} and population_size {population_size}; "
                "1 <= sample_size <= population_size"
            )
        self.seed = seed
        self._rng = generator_of(seed)
        self._population_size = population_size
        self._sample_size = sample_size
        self._bred: set[str] = set()
        self._learned = False
        self._population: deque[_Individual] = deque(maxlen=population_size)
        self._random_proposals = 0

    @property
    def random_phase(self) -> int:
        """How many proposals are random: a population."""
        return self._population_size

    @property
    def learned(self) -> bool:
        """Whether a child was evaluated."""
        return self._learned

    def propose(self, space: Space) -> Proposal:
        """Choose a random architecture at first, then a child of the best of a sample."""
        if self._random_proposals < self._population_size or not self._population:
            self._random_proposals += 1
            arch = yield from space.sample(self._rng)
            if arch is not None or not self._population:
                return arch
            # The space is smaller than a population: all of it is alive.
        candidates = drawn_sample(self._rng, self._population, self._sample_size)
        # Of equals the first drawn, so that none is favoured for its age.
        parent = max(candidates, key=lambda one: one.score)
        child = yield from space.neighbor(parent.arch, self._rng)
        if child is not None and not self._learned:
            self._bred.add(child)
        return child

    def observe(self, arch: str, score: float) -> None:
        """Let an individual live; the oldest leaves a full population."""
        self._population.append(_Individual(arch, score))
        if arch in self._bred:
            self._learned = True
            self._bred.clear()
