"""What domains and strategies agree on: candidates, results, and how a strategy asks.

A strategy proposes candidates of a domain and is told what came of them. It is a function of the
domain, its seed and the order of the results alone: no clock, no global generator, no iteration
over sets. So a recorded search can be replayed, which is how an interrupted one goes on.

A domain may have to ask a benchmark for samples or neighbors. Its methods are therefore generators
that yield what to ask, as a function of a client, and are sent the answer: written once, they serve
`BenchClient`, whose methods return, and `AsyncBenchClient`, whose methods are awaited. A domain
that needs no benchmark yields nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["WAIT", "Ask", "Candidate", "Domain", "Proposal", "Result", "Status", "Strategy", "Wait"]

T = TypeVar("T")
Ask: TypeAlias = Callable[[Any], Any]
"""Calls a method of a client, of either kind, and returns what it returns."""
Proposal: TypeAlias = Generator[Ask, Any, T]
"""Yields what to ask and returns what it stands for."""


class Domain(Protocol):
    """Where architectures come from: a benchmark, a space of the model hub, or choices of a user.

    An architecture is text in its one canonical spelling: the published string or hash of a
    benchmark, the canonical JSON of a space. Equal architectures are equal texts.

    Attributes:
        labels: The choices of an architecture, in the order of `values`.
        size: How many architectures there are, or an upper bound.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """The choices of an architecture."""
        ...

    @property
    def size(self) -> int:
        """How many architectures there are."""
        ...

    def candidates(self, label: str) -> Sequence[Any]:
        """Return the values that a choice may take, in a fixed order."""
        ...

    def values(self, arch: str) -> tuple[int, ...]:
        """Return the position of each chosen value in `candidates`, -1 where a choice is idle."""
        ...

    def compose(self, positions: Sequence[int]) -> Proposal[str | None]:
        """Return the architecture of these positions; None where they make no valid one.

        A position of a choice that turns out idle is passed over; -1 leaves a choice out.
        """
        ...

    def sample(self, rng: Random) -> Proposal[str | None]:
        """Draw an architecture that was not drawn before from this object; None: no more."""
        ...

    def neighbors(self, arch: str) -> Proposal[tuple[str, ...]]:
        """Return all architectures one change away, in a fixed order."""
        ...

    def neighbor(self, arch: str, rng: Random) -> Proposal[str | None]:
        """Draw one that differs in one choice; None where there is none.

        Uniformly among the neighbors; where a space has priors, by them, as are choices that the
        change adds.
        """
        ...

    def mutate(self, arch: str, rng: Random, probability: float) -> Proposal[str | None]:
        """Change each choice with a probability, at least one; None where nothing can change."""
        ...

    def crossover(self, first: str, second: str, rng: Random) -> Proposal[str | None]:
        """Take each choice from one of two parents; None where no valid child is found."""
        ...

    def grid(self) -> Iterator[Proposal[str | None]]:
        """Yield all architectures in the fixed order of the domain, each as a proposal.

        A proposal of None is passed over: what it would have been is refused.
        """
        ...

    def encode(self, arch: str) -> NDArray[Any]:
        """Return a vector of floats for predictors: one-hot, all of one length."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is to be evaluated.

    Args:
        arch: The architecture.
        fidelity: Epochs (or steps) of the evaluation; None for all there are.
        parent: The number of the trial that it was made from, as text for people to follow.
        note: What a strategy wants to find again in its result, such as a rung or a bracket.
    """

    arch: str
    fidelity: int | None = None
    parent: int | None = None
    note: str | None = None


class Wait:
    """Nothing can be proposed before the result of a candidate under way is told."""


WAIT: Final = Wait()


class Status(StrEnum):
    """How an evaluation ended."""

    OK = "ok"
    FAILED = "failed"
    """It raised, took too long or returned no number: it has no values."""
    INFEASIBLE = "infeasible"
    """It was measured and is outside a bound; it has values all the same."""
    STOPPED = "stopped"
    """It was ended early by the strategy or the budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a candidate.

    Args:
        number: Of the trial, from 0 in the order of proposals.
        candidate: What was evaluated.
        status: How it ended.
        values: One for each objective, larger being better; empty unless `ok` or `infeasible`.
        violation: By how much bounds are exceeded, relative to them and summed; 0 within.
        cost: What it cost, in seconds.
    """

    number: int
    candidate: Candidate
    status: Status = Status.OK
    values: tuple[float, ...] = ()
    violation: float = 0.0
    cost: float = 0.0


class Strategy(Protocol):
    """Chooses what to evaluate next.

    What is dear to compute for a proposal need not be computed again by a replay, where a strategy
    also has the methods `new_notes` and `recall` of `SeededStrategy`.

    Attributes:
        name: What studies call it.
        seed: What its choices depend on, besides the domain and the results.
        settings: Every argument by name, as JSON has it: a new strategy of the same settings makes
            the same choices.
    """

    name: str
    seed: int

    @property
    def settings(self) -> dict[str, Any]:
        """Every argument by name."""
        ...

    def propose(self, domain: Domain) -> Proposal[Candidate | Wait | None]:
        """Return a candidate, `WAIT`, or None when the search is finished.

        Candidates proposed before may still be under way. No result is owed for `WAIT` and None,
        and a strategy that returns them has drawn nothing: how often it is asked in vain depends
        on luck, and must not change what it proposes.
        """
        ...

    def observe(self, result: Result) -> None:
        """Take note of a result. Results come in an order of their own, each once."""
        ...
