"""Baselines that learn nothing: random search and grid search."""

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
"""The most architectures of a grid that is shuffled, which holds it in memory."""


@dataclass(kw_only=True, eq=False)
class RandomSearch(SeededStrategy):
    """Random search: proposes random architectures without repeats until all have been proposed.

    Results do not affect it.

    Args:
        seed: Seed of its draws, any integer.

    Raises:
        TypeError: The seed is no integer.
    """

    name = "RandomSearch"
    draws_alone = True
    several_objectives = True

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Draw a random architecture."""
        arch = yield from self.sample(domain)
        return None if arch is None else Candidate(arch=arch)


@dataclass(kw_only=True, eq=False)
class GridSearch(SeededStrategy):
    """Grid search: proposes all architectures, in the order of the domain or shuffled.

    Results do not affect it.

    Args:
        shuffled: Whether the order is random. The shuffle ignores the priors of a space.
        seed: Seed of the shuffle, any integer.

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
        """Return the next architecture of the grid.

        Raises:
            ValueError: The grid is to be shuffled and has more than 2,000,000 architectures.
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
