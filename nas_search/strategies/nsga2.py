"""NSGA-II: Deb, Pratap, Agarwal and Meyarivan, 2002, doi:10.1109/4235.996017."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nas_search.contract import Domain, Proposal, Result
from nas_search.strategies.draws import drawn_one
from nas_search.strategies.generations import Generation, GenerationalStrategy, Offspring
from nas_search.strategies.pareto import crowding, fronts
from nas_search.strategies.seeded import require
from nas_search.strategies.variation import mutated_by_chance

__all__ = ["NSGA2"]


class _Survivor(NamedTuple):
    result: Result
    rank: int
    crowding: float


@dataclass(kw_only=True, eq=False)
class NSGA2(GenerationalStrategy):
    """NSGA-II: selection by non-dominated fronts, then by crowding, for one or more objectives.

    Parents win a tournament of two; children arise by uniform crossover and mutation. No
    architecture is evaluated twice; random ones replace children that were not found. Sizes and
    probabilities are those of the paper, adapted to categorical choices. FairNAS (arXiv:1907.01845)
    uses NSGA-II for three objectives.

    Failed and stopped trials do not survive. Bounds follow constrained domination: trials within
    dominate trials outside, and of those the smaller violation dominates.

    Args:
        generations: Number of generations, including the random one; None: no limit.
        population_size: Number of survivors, and of evaluations per generation.
        crossover: Probability that a child has two parents; otherwise it is a mutant of one.
        mutation: Probability of changing each choice of a child; None: 1 / number of choices.
        seed: Seed of its draws, any integer.

    Raises:
        ValueError: A number is out of range.
        TypeError: The seed is no integer.
    """

    population_size: int = 50
    crossover: float = 0.9
    mutation: float | None = None

    name = "NSGA2"
    several_objectives = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require("population_size", self.population_size, least=1)
        require("crossover", self.crossover, least=0, most=1)
        if self.mutation is not None:
            require("mutation", self.mutation, least=0, most=1)
        self._survivors: list[_Survivor] = []

    @property
    def random_phase(self) -> int:
        """The number of random candidates: the first generation."""
        return self.population_size

    def select(self, told: Sequence[Result]) -> None:
        """Keep the first fronts that fit, and the least crowded results of the next front."""
        pool = [*(survivor.result for survivor in self._survivors), *told]
        self._survivors = []
        for rank, front in enumerate(fronts(pool)):
            free = self.population_size - len(self._survivors)
            if not free:
                break
            results = [pool[place] for place in front]
            distances = crowding([result.values for result in results])
            # The sort is stable, so of equally crowded results the earlier survive.
            ranked = sorted(zip(results, distances, strict=True), key=lambda one: -one[1])
            self._survivors += [_Survivor(result, rank, far) for result, far in ranked[:free]]

    def breed(self, domain: Domain) -> Proposal[Generation]:
        """Return children of the survivors; random architectures at first."""
        bred: Generation = []
        if self._survivors:
            bred = yield from self.children(self.population_size, lambda: self._child(domain))
        missing = self.population_size - len(bred)
        return bred + (yield from self.random_candidates(domain, missing))

    def _child(self, domain: Domain) -> Proposal[Offspring]:
        first = self._winner()
        arch = first.candidate.arch
        child: str | None = arch
        if self.rng.random() < self.crossover:
            second = self._winner()
            child = yield from domain.crossover(arch, second.candidate.arch, self.rng)
        if child is not None:
            chance = 1 / len(domain.labels) if self.mutation is None else self.mutation
            child = yield from mutated_by_chance(domain, child, self.rng, chance)
        return child, first

    def _winner(self) -> Result:
        """Draw two survivors and return the better one, by front, then by crowding."""
        one, other = drawn_one(self.rng, self._survivors), drawn_one(self.rng, self._survivors)
        wins = (-other.rank, other.crowding) > (-one.rank, one.crowding)
        return (other if wins else one).result
