"""The evolution of OSNASLib, formerly OneShot_NAS_example (eric8607242/OSNASLib, 2021)."""

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
    """Lets the fittest survive and breeds their children by one-point crossover and mutation.

    A child may be an architecture that was evaluated before; it is evaluated again. Settings are
    those of the code. Its defects are corrected: there one child was evaluated in place of all of a
    generation, and what a child costs was not computed.

    What failed or was stopped is never a parent. What is outside a measured bound is one only where
    too few are within (Deb's rules).

    Args:
        generations: How many after the random one; None for no end.
        population_size: How many survivors and children there are.
        num_parents: How many survive; they are not evaluated again.
        mutation: How probable it is that a choice of a child is changed.
        seed: Of its draws, any integer.

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
        """How many candidates are random: the first population."""
        return self.population_size

    def select(self, told: Sequence[Result]) -> None:
        """Let the fittest of the population survive."""
        self._parents = best_of([*self._parents, *told], self.num_parents)

    def breed(self, domain: Domain) -> Proposal[Generation]:
        """Make children of the survivors; random architectures at first."""
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
