"""Base of strategies that breed each generation from the results of the last."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from nas_search.contract import Candidate, Domain, Proposal, Result
from nas_search.strategies.seeded import SeededStrategy, require, succeeded

__all__ = ["Generation", "GenerationalStrategy", "Offspring"]

_TRIES: Final = 10
"""Attempts for each child, as in the code of Single Path One-Shot."""

Offspring: TypeAlias = tuple[str | None, Result]
"""A child, or None if none was found, and one of its parents."""
Generation: TypeAlias = list[Candidate]


@dataclass(kw_only=True, eq=False)
class GenerationalStrategy(SeededStrategy):
    """Base of strategies that wait for a whole generation before they breed the next.

    Results are sorted by trial number before breeding. Proposals therefore do not depend on the
    number of parallel evaluations or on their order of completion.

    Args:
        generations: Number of generations, including the random one; None: no limit.
        seed: Seed of its draws, any integer.
    """

    generations: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.generations is not None:
            require("generations", self.generations, least=1)
        self._last = self.generations
        self._made = 0
        self._seen: set[str] = set()
        self._queue: deque[Candidate] = deque()
        self._told: list[Result] = []

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Return the next candidate; breed a new generation once all results are there."""
        if not self._queue and not self._under_way and self._made != self._last:
            told = sorted(filter(succeeded, self._told), key=lambda result: result.number)
            self._told.clear()
            self.select(told)
            self._queue.extend((yield from self.breed(domain)))
            self._made += 1
        return self._queue.popleft() if self._queue else None

    def learn(self, result: Result) -> None:
        """Store a result until its generation is complete."""
        self._told.append(result)

    def select(self, told: Sequence[Result]) -> None:
        """Choose the parents of the next generation.

        Args:
            told: The successful results of the last generation, by number; empty at first.
        """
        raise NotImplementedError

    def breed(self, domain: Domain) -> Proposal[Generation]:
        """Return the next generation; an empty one ends the search."""
        raise NotImplementedError

    def random_candidates(self, domain: Domain, count: int) -> Proposal[Generation]:
        """Draw new architectures; fewer if there are no more."""
        drawn: Generation = []
        while len(drawn) < count:
            arch = yield from self.sample(domain)
            if arch is None:
                break
            if arch not in self._seen:
                drawn.append(self.candidate(arch))
        return drawn

    def children(
        self, count: int, breed: Callable[[], Proposal[Offspring]]
    ) -> Proposal[Generation]:
        """Breed `count` new architectures; fewer if `10 * count` attempts do not suffice."""
        made: Generation = []
        for _ in range(_TRIES * count):
            if len(made) == count:
                break
            arch, parent = yield from breed()
            if arch is not None and arch not in self._seen:
                made.append(self.candidate(arch, parent))
        return made

    def candidate(self, arch: str, parent: Result | None = None) -> Candidate:
        """Return the candidate of an architecture, and mark the architecture as seen."""
        self._seen.add(arch)
        number = None if parent is None else parent.number
        return Candidate(arch=arch, parent=number, note=f"generation {self._made}")
