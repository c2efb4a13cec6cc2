"""Random search: the comparison that every strategy has to win."""

from __future__ import annotations

from typing import Final

from nas_search.strategies.draws import generator_of
from nas_search.strategies.strategy import Proposal, Space

__all__ = ["RandomSearch"]


class RandomSearch:
    """Proposes architectures uniformly, none twice, until all have been proposed.

    Args:
        seed: Of its draws, any integer.

    Raises:
        TypeError: The seed is no integer.
    """

    name: Final = "random search"

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self._rng = generator_of(seed)

    def propose(self, space: Space) -> Proposal:
        """Choose an architecture, whatever was observed."""
        return (yield from space.sample(self._rng))

    def observe(self, arch: str, score: float) -> None:
        """Learn nothing."""
