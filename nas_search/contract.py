"""The interface between domains and strategies: candidates, results, and both protocols.

A strategy proposes candidates from a domain and is told their results. Its proposals depend only on
the domain, its seed and the order of results: not on a clock, a global generator or the order of a
set. A recorded search can therefore be replayed, which is how an interrupted one is resumed.

A domain may have to ask a benchmark for samples or neighbors. Its methods are therefore generators:
they yield a function of a client, and are sent the client's answer. The same code then serves
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
"""A function that calls a method of a client, blocking or asynchronous, and returns its result."""
Proposal: TypeAlias = Generator[Ask, Any, T]
"""A generator that yields questions to a client, is sent the answers, and returns a value."""


class Domain(Protocol):
    """A set of architectures: of a benchmark, a space of the model hub, or a user's choices.

    An architecture is text in a canonical spelling: the published string or hash of a benchmark,
    or the canonical JSON of a space. Equal architectures have equal texts.

    Attributes:
        labels: The choices of an architecture, in the order of `values`.
        size: The number of architectures, or an upper bound.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the choices of an architecture."""
        ...

    @property
    def size(self) -> int:
        """The number of architectures, or an upper bound."""
        ...

    def candidates(self, label: str) -> Sequence[Any]:
        """Return the possible values of a choice, in a fixed order."""
        ...

    def values(self, arch: str) -> tuple[int, ...]:
        """Return the position of each chosen value in `candidates`; -1 for an inactive choice."""
        ...

    def compose(self, positions: Sequence[int]) -> Proposal[str | None]:
        """Return the architecture of these positions; None if they form no valid one.

        Positions of inactive choices are ignored; -1 leaves a choice out.
        """
        ...

    def sample(self, rng: Random) -> Proposal[str | None]:
        """Draw an architecture that this object has not drawn before; None: there are no more."""
        ...

    def neighbors(self, arch: str) -> Proposal[tuple[str, ...]]:
        """Return all architectures one change away, in a fixed order."""
        ...

    def neighbor(self, arch: str, rng: Random) -> Proposal[str | None]:
        """Draw an architecture that differs in one choice; None if there is none.

        Neighbors are equally likely, unless the space has priors: these then weight the change, and
        the choices that it activates.
        """
        ...

    def mutate(self, arch: str, rng: Random, probability: float) -> Proposal[str | None]:
        """Change each choice with a probability, at least one; None if nothing can change."""
        ...

    def crossover(self, first: str, second: str, rng: Random) -> Proposal[str | None]:
        """Take each choice from one of two parents; None if no valid child is found."""
        ...

    def grid(self) -> Iterator[Proposal[str | None]]:
        """Yield all architectures in the fixed order of the domain, each as a proposal.

        A proposal that returns None stands for a rejected architecture and is skipped.
        """
        ...

    def encode(self, arch: str) -> NDArray[Any]:
        """Return the one-hot vector of floats of an architecture; all have the same length."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An architecture to evaluate.

    Args:
        arch: The architecture.
        fidelity: Epochs (or steps) of the evaluation; None: all.
        parent: The number of the trial from which it was derived.
        note: A remark of the strategy, such as the rung or bracket.
    """

    arch: str
    fidelity: int | None = None
    parent: int | None = None
    note: str | None = None


class Wait:
    """The answer of a strategy that needs the result of a running candidate first."""


WAIT: Final = Wait()


class Status(StrEnum):
    """How an evaluation ended."""

    OK = "ok"
    FAILED = "failed"
    """It raised an error, took too long or returned no number. There are no values."""
    INFEASIBLE = "infeasible"
    """It was measured, has values, and exceeds a bound."""
    STOPPED = "stopped"
    """It was stopped early by a stopping rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a candidate.

    Args:
        number: The number of the trial, from 0 in the order of proposals.
        candidate: The evaluated candidate.
        status: How the evaluation ended.
        values: One per objective, larger being better; empty unless `ok` or `infeasible`.
        violation: The sum of the relative amounts by which bounds are exceeded; 0 within all.
        cost: The cost in seconds.
    """

    number: int
    candidate: Candidate
    status: Status = Status.OK
    values: tuple[float, ...] = ()
    violation: float = 0.0
    cost: float = 0.0


class Strategy(Protocol):
    """Decides which architecture to evaluate next.

    A strategy may also have the methods `new_notes` and `recall` of `SeededStrategy`. They store
    values that are expensive to compute, so that a replay need not compute them again.

    Attributes:
        name: The name of the strategy in studies.
        seed: The seed. Proposals depend on it, the domain and the results only.
        settings: Every argument by name, as JSON. A new strategy with the same settings makes the
            same proposals.
    """

    name: str
    seed: int

    @property
    def settings(self) -> dict[str, Any]:
        """Every argument by name, as JSON."""
        ...

    def propose(self, domain: Domain) -> Proposal[Candidate | Wait | None]:
        """Return a candidate, `WAIT`, or None when the search is finished.

        Earlier candidates may still be running. `WAIT` and None have no result, and a strategy that
        returns them must not have drawn random numbers: how often it is called in this state
        depends on timing, which must not change later proposals.
        """
        ...

    def observe(self, result: Result) -> None:
        """Learn from a result. Results arrive in any order, each once."""
        ...
