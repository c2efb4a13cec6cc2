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

from bench_client.caller_warnings import warn_at_script

__all__ = ["Ask", "NothingLearnedWarning", "Proposal", "Space", "Strategy"]
__all__ += ["check_evaluations", "warn_if_random"]

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

    One that begins at random can say so, for searches to tell when it is nothing but random search:
    `random_phase`, the number of its evaluations that depend on nothing observed, and `learned`,
    whether an evaluation has depended on what was observed.

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


class NothingLearnedWarning(UserWarning):
    """A search ended while its strategy still drew at random: it was random search."""


def check_evaluations(strategy: Strategy, num_evaluations: int, space_size: int) -> None:
    """Refuse so few evaluations that all of them are random.

    Args:
        strategy: The strategy.
        num_evaluations: How many it may make.
        space_size: How many architectures there are, or more; a strategy learns once it has drawn
            all of them.

    Raises:
        ValueError: They are fewer than its random phase.
    """
    phase = min(getattr(strategy, "random_phase", 0), space_size)
    if num_evaluations < phase:
        raise ValueError(
            f"{strategy.name} draws its first {phase} architectures at random: with "
            f"{num_evaluations} evaluations it is random search; allow more, or make its "
            "population smaller"
        )


def warn_if_random(strategy: Strategy, num_evaluations: int) -> None:
    """Warn at the script's line where a search has ended before its strategy learned anything."""
    if getattr(strategy, "learned", True):
        return
    phase = getattr(strategy, "random_phase", 0)
    warn_at_script(
        f"the budget was spent after {num_evaluations} evaluations, all of them random: "
        f"{strategy.name} learns from its first {phase}; allow more, or make its population "
        "smaller",
        NothingLearnedWarning,
    )
