"""The evolution of Single Path One-Shot: Guo et al., ECCV 2020, arXiv:1904.00420."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas_search.contract import Domain, Proposal, Result
from nas_search.strategies.draws import drawn_one
from nas_search.strategies.generations import Generation, GenerationalStrategy, Offspring
from nas_search.strategies.seeded import best_of, require

__all__ = ["SposEvolution"]


@dataclass(kw_only=True, eq=False)
class SposEvolution(GenerationalStrategy):
    """Breeds a half of each generation by mutation, a half by crossover, from the best ever found.

    The first generation is random, and random architectures stand in for children that were not
    found. None is evaluated twice. Settings are those of the paper and its code, where a bound on
    multiply-adds rejects architectures before they are evaluated: the domain does so here.

    What failed or was stopped is never a parent. What is outside a measured bound is one only where
    too few are within (Deb's rules).

    Args:
        generations: How many, with the random one; None for no end.
        population_size: How many are evaluated in each.
        num_parents: How many of the best ever are parents.
        num_mutants: How many are made by mutation, at most.
        num_crossovers: How many are made by crossover, at most: each choice from one of two.
        mutation: How probable it is that a choice of a mutant is changed; one at least is.
        seed: Of its draws, any integer.

    Raises:
        ValueError: A number is out of range, or mutants and crossovers are more than a generation.
        TypeError: The seed is no integer.
    """

    generations: int | None = 20
    population_size: int = 50
    num_parents: int = 10
    num_mutants: int = 25
    num_crossovers: int = 25
    mutation: float = 0.1

    name = "SposEvolution"

    def __post_init__(self) -> None:
        super().__post_init__()
        require("num_parents", self.num_parents, least=1)
        require("num_mutants", self.num_mutants, least=0)
        require("num_crossovers", self.num_crossovers, least=0)
        require("mutation", self.mutation, least=0, most=1)
        bred = self.num_mutants + self.num_crossovers
        require("population_size", self.population_size, least=max(1, bred))
        self._parents: list[Result] = []

    @property
    def random_phase(self) -> int:
        """How many candidates are random: the first generation."""
        return self.population_size

    def select(self, told: Sequence[Result]) -> None:
        """Keep the best ever."""
        self._parents = best_of([*self._parents, *told], self.num_parents)

    def breed(self, domain: Domain) -> Proposal[Generation]:
        """Make mutants and crossovers, and fill up with random architectures."""
        bred: Generation = []
        if self._parents:
            bred += yield from self.children(self.num_mutants, lambda: self._mutant(domain))
            bred += yield from self.children(self.num_crossovers, lambda: self._crossover(domain))
        missing = self.population_size - len(bred)
        return bred + (yield from self.random_candidates(domain, missing))

    def _mutant(self, domain: Domain) -> Proposal[Offspring]:
        parent = drawn_one(self.rng, self._parents)
        arch = yield from domain.mutate(parent.candidate.arch, self.rng, self.mutation)
        return arch, parent

    def _crossover(self, domain: Domain) -> Proposal[Offspring]:
        first, second = drawn_one(self.rng, self._parents), drawn_one(self.rng, self._parents)
        arch = yield from domain.crossover(first.candidate.arch, second.candidate.arch, self.rng)
        return arch, first
