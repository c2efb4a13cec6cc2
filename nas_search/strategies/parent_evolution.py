"""The evolutionary search of OSNASLib, formerly OneShot_NAS_example (eric8607242, 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas_search.contract import Domain, Proposal, Result
from nas_search.strategies.draws import drawn_one
from nas_search.strategies.generations import Generation, GenerationalStrategy
from nas_search.strategies.seeded import best_of, require
from nas_search.strategies.variation import mutated_by_chance, one_point_crossover

__all__ = ["ParentEvolution"]


@dataclass(kw_only=True, eq=False)
class ParentEvolution(GenerationalStrategy):
    """Evolution of OSNASLib: the best survive and breed by one-point crossover and mutation.

    A child may be an architecture evaluated before and is evaluated again. Defaults are those of
    OSNASLib. Two defects of its code are corrected: it evaluated one child in place of a whole
    generation, and did not compute the cost of children.

    Failed and stopped trials are never parents. Trials outside a measured bound are parents only if
    too few are within (Deb's rules).

    Args:
        generations: Number of generations after the random one; None: no limit.
        population_size: Number of survivors and children together.
        num_parents: Number of survivors, which are not evaluated again.
        mutation: Probability of changing each choice of a child.
        seed: Seed of its draws, any integer.

    Raises:
        ValueError: A number is out of range.
        TypeError: The seed is no integer.
    """

    generations: int | None = 20
    population_size: int = 60
    num_parents: int = 10
    mutation: float = 0.1

    name = "ParentEvolution"

    def __post_init__(self) -> None:
        super().__post_init__()
        require("num_parents", self.num_parents, least=1)
        require("population_size", self.population_size, least=self.num_parents + 1)
        require("mutation", self.mutation, least=0, most=1)
        self._last = None if self.generations is None else 1 + self.generations
        self._parents: list[Result] = []

    @property
    def random_phase(self) -> int:
        """The number of random candidates: the first population."""
        return self.population_size

    def select(self, told: Sequence[Result]) -> None:
        """Keep the best of the population."""
        self._parents = best_of([*self._parents, *told], self.num_parents)

    def breed(self, domain: Domain) -> Proposal[Generation]:
        """Return children of the survivors; random architectures at first."""
        if not self._parents:
            return (yield from self.random_candidates(domain, self.population_size))
        children: Generation = []
        for _ in range(self.population_size - self.num_parents):
            first, second = drawn_one(self.rng, self._parents), drawn_one(self.rng, self._parents)
            mine, yours = first.candidate.arch, second.candidate.arch
            child = yield from one_point_crossover(domain, mine, yours, self.rng)
            child = mine if child is None else child
            mutant = yield from mutated_by_chance(domain, child, self.rng, self.mutation)
            children.append(self.candidate(child if mutant is None else mutant, first))
        return children
