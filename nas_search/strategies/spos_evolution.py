"""The evolutionary search of Single Path One-Shot: Guo et al., ECCV 2020, arXiv:1904.00420."""

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
    """Evolution of Single Path One-Shot: half mutants, half crossovers of the best ever found.

    The first generation is random, and random architectures replace children that were not found.
    No architecture is evaluated twice. Defaults are those of the paper and its code, where a bound
    on multiply-adds rejects architectures before evaluation; here the domain does so.

    Failed and stopped trials are never parents. Trials outside a measured bound are parents only if
    too few are within (Deb's rules).

    Args:
        generations: Number of generations, including the random one; None: no limit.
        population_size: Number of evaluations per generation.
        num_parents: Number of parents, the best of all generations.
        num_mutants: Largest number of children made by mutation.
        num_crossovers: Largest number of children made by uniform crossover of two parents.
        mutation: Probability of changing each choice of a mutant; at least one is changed.
        seed: Seed of its draws, any integer.

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
        """The number of random candidates: the first generation."""
        return self.population_size

    def select(self, told: Sequence[Result]) -> None:
        """Keep the best of all generations."""
        self._parents = best_of([*self._parents, *told], self.num_parents)

    def breed(self, domain: Domain) -> Proposal[Generation]:
        """Return mutants and crossovers, filled up with random architectures."""
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
