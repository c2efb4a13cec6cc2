"""Strategies that learn nothing: random search and the grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nas_search.contract import Candidate, Domain, Proposal
from nas_search.domains.walk import stated
from nas_search.strategies.draws import drawn_sample
from nas_search.strategies.seeded import SeededStrategy

__all__ = ["GridSearch", "RandomSearch"]

_MOST_SHUFFLED: Final = 2_000_000
"""Architectures of a grid that is held in memory to be shuffled."""


@dataclass(kw_only=True, eq=False)
class RandomSearch(SeededStrategy):
    """Proposes architectures at random, none twice, until all have been proposed.

    The comparison that every strategy has to win. Failures change nothing.

    Args:
        seed: Of its draws, any integer.

    Raises:
        TypeError: The seed is no integer.
    """

    name = "RandomSearch"
    draws_alone = True
    several_objectives = True

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Draw an architecture, whatever was observed."""
        arch = yield from self.sample(domain)
        return None if arch is None else Candidate(arch=arch)


@dataclass(kw_only=True, eq=False)
class GridSearch(SeededStrategy):
    """Proposes all architectures, in the order of the domain or shuffled.

    Failures change nothing.

    Args:
        shuffled: Whether the seed decides the order: the same as random search, but that all
            architectures are drawn by equal chances whatever the priors of a space.
        seed: Of the shuffle, any integer.

    Raises:
        TypeError: The seed is no integer.
    """

    shuffled: bool = False

    name = "GridSearch"
    draws_alone = True
    several_objectives = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rest: Iterator[Proposal[str | None]] | None = None

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Take the next of the grid.

        Raises:
            ValueError: The grid is to be shuffled and has more architectures than memory is for.
        """
        if self._rest is None:
            shuffled = self.shuffled
            self._rest = (yield from self._shuffled_grid(domain)) if shuffled else domain.grid()
        for step in self._rest:
            arch = yield from step
            if arch is not None:
                return Candidate(arch=arch)
        return None

    def _shuffled_grid(self, domain: Domain) -> Proposal[Iterator[Proposal[str | None]]]:
        if domain.size > _MOST_SHUFFLED:
            raise ValueError(
                f"a grid of {domain.size} architectures is too large to be shuffled, which takes "
                f"at most {_MOST_SHUFFLED}; RandomSearch draws from any domain"
            )
        grid = []
        for step in domain.grid():
            arch = yield from step
            if arch is not None:
                grid.append(arch)
        return map(stated, drawn_sample(self.rng, grid, len(grid)))
