"""What a strategy is: it proposes architectures and is told what came of them.

A proposal may need to ask the benchmark for a sample or for neighbors. So it is a generator that
yields what to ask, as a function of a client, and is sent the answer: written once, it serves
`BenchClient`, whose methods return, and `AsyncBenchClient`, whose methods are awaited. A space of
the model hub answers by itself, so that nothing is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from random import Random
from typing import Any, Protocol, TypeAlias

__all__ = ["Ask", "Proposal", "Space", "Strategy"]

Ask: TypeAlias = Callable[[Any], Any]
"""Calls a method of a client, of either kind, and returns what it returns."""

Proposal: TypeAlias = Generator[Ask, Any, str | None]
"""Yields what to ask, returns an architecture, or None when there is nothing left to propose."""


class Space(Protocol):
    """Where a strategy draws from; architectures are text, equal if they are the same."""

    def sample(self, rng: Random) -> Proposal:
        """Draw an architecture that was not drawn before; None: no more."""
        ...

    def neighbor(self, arch: str, rng: Random) -> Proposal:
        """Draw an architecture one change away; None where there is none."""
        ...


class Strategy(Protocol):
    """Chooses what to evaluate next.

    Attributes:
        name: What studies call it.
        seed: What its choices depend on, besides the space.
    """

    name: str
    seed: int

    def propose(self, space: Space) -> Proposal:
        """Choose an architecture to evaluate; those proposed before may still be under way."""
        ...

    def observe(self, arch: str, score: float) -> None:
        """Take note of an architecture's score, larger being better, in the order proposed."""
        ...
