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
    """Keeps what is least dominated, and of one front what is least crowded; for one or more goals.

    Children come of parents that won a tournament of two, by uniform crossover and mutation. None
    is evaluated twice; random architectures stand in for children that were not found. Sizes and
    chances are those of the paper, adapted to choices; FairNAS (arXiv:1907.01845) searches with it
    for three objectives.

    What failed or was stopped does not survive. Bounds count by constrained domination: what is
    within dominates what is outside, and there the smaller violation the larger one.

    Args:
        generations: How many, with the random one; None for no end.
        population_size: How many survive, and how many are evaluated in each generation.
        crossover: How probable it is that a child has two parents; else it is a mutant of one.
        mutation: How probable it is that a choice of a child is changed; None: 1 over the choices.
        seed: Of its draws, any integer.

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
        """How many candidates are random: the first generation."""
        return self.population_size

    def select(self, told: Sequence[Result]) -> None:
        """Keep the first fronts, and of the last that has a place its least crowded."""
        pool = [*(survivor.result for survivor in self._survivors), *told]
        self._survivors = []
        for rank, front in enumerate(fronts(pool)):
            free = self.population_size - len(self._survivors)
            if not free:
                break
            results = [pool[place] for place in front]
            distances = crowding([result.values for result in results])
            # Sorts are stable: of equally crowded ones the earlier survive.
            ranked = sorted(zip(results, distances, strict=True), key=lambda one: -one[1])
            self._survivors += [_Survivor(result, rank, far) for result, far in ranked[:free]]

    def breed(self, domain: Domain) -> Proposal[Generation]:
        """Make children of the survivors; random architectures at first."""
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
        """Return the better of two that are drawn: by front, then by crowding."""
        one, other = drawn_one(self.rng, self._survivors), drawn_one(self.rng, self._survivors)
        wins = (-other.rank, other.crowding) > (-one.rank, one.crowding)
        return (other if wins else one).result
