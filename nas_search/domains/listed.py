"""A domain that is a plain list, for samples of spaces so large that none are neighbors.

NDS has about 5,000 networks of each design space, which has up to 10^29. Hardly two of them differ
in one choice, and the nearest ones differ in most. A mutation within the list would be a random
draw, and evolution would be random search. The domain therefore has no choices, and its methods
that would change an architecture raise an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

from nas_search.contract import Proposal
from nas_search.domains.walk import stated
from nas_search.errors import ProblemError
from nas_search.strategies.draws import drawn_sample, generator_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ListedDomain"]


class ListedDomain:
    """The architectures of a list; a new object for each search.

    Args:
        archs: The architectures, without repeats.
    """

    labels: tuple[str, ...] = ()

    def __init__(self, archs: Sequence[str]) -> None:
        self._archs = tuple(archs)
        self._order: Iterator[str] | None = None
        self.size = len(self._archs)

    def candidates(self, label: str) -> NoReturn:
        """Raise, as there are no choices.

        Raises:
            ProblemError: Always, as in all methods that would change an architecture.
        """
        raise self._no_choices(f"the label {label!r:.80} is unknown")

    def values(self, arch: str) -> tuple[int, ...]:  # noqa: ARG002 - of any
        """Return no positions, as there are no choices."""
        return ()

    def compose(self, positions: Sequence[int]) -> Proposal[str | None]:
        """Raise, as there are no choices."""
        yield from ()
        raise self._no_choices(f"{len(positions)} positions form no architecture")

    def sample(self, rng: Random) -> Proposal[str | None]:
        """Draw a new architecture uniformly; None: there are no more."""
        yield from ()
        if self._order is None:
            shuffled = generator_of(int(rng.random() * 2**53))
            self._order = iter(drawn_sample(shuffled, self._archs, self.size))
        return next(self._order, None)

    def neighbors(self, arch: str) -> Proposal[tuple[str, ...]]:
        """Raise, as there are no choices."""
        yield from ()
        raise self._no_choices(f"{arch:.60} has no neighbors")

    def neighbor(self, arch: str, rng: Random) -> Proposal[str | None]:  # noqa: ARG002 - as others
        """Raise, as there are no choices."""
        yield from ()
        raise self._no_choices(f"{arch:.60} has no neighbors")

    def mutate(self, arch: str, rng: Random, probability: float) -> Proposal[str | None]:  # noqa: ARG002
        """Raise, as there are no choices."""
        yield from ()
        raise self._no_choices(f"{arch:.60} cannot be changed")

    def crossover(self, first: str, second: str, rng: Random) -> Proposal[str | None]:  # noqa: ARG002
        """Raise, as there are no choices."""
        yield from ()
        raise self._no_choices(f"{first:.60} cannot be crossed with another")

    def grid(self) -> Iterator[Proposal[str | None]]:
        """Yield all architectures in the order of the list."""
        return map(stated, self._archs)

    def encode(self, arch: str) -> NDArray[Any]:
        """Raise, as there are no choices."""
        raise self._no_choices(f"{arch:.60} has no vector")

    def _no_choices(self, what: str) -> ProblemError:
        return ProblemError(
            f"{what}: these {self.size} architectures are a list without choices, a sample of a "
            "space in which hardly two are neighbors; RandomSearch, GridSearch and ProxySearch "
            'with then="stop" search it'
        )
