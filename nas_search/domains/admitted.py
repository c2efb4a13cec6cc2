"""A domain restricted to architectures that are recorded and within the bounds of a problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from nas_search.contract import Ask, Domain, Proposal
from nas_search.errors import NoFeasibleError
from nas_search.strategies.draws import drawn_below

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AdmittedDomain", "Refusal", "Screen"]

_MOST_TRIES: Final = 10_000
_GRID_TRIES: Final = 100
"""Factor of `tries` for a grid, which may begin with many architectures outside a bound."""


class Refusal(NamedTuple):
    """The reason why an architecture is refused.

    Attributes:
        reason: The metric that is out of bounds, or `unrecorded`.
        value: The value of the metric; None if it is unrecorded.
        bound: The limit that the value violates.
    """

    reason: str
    value: float | None = None
    bound: float | None = None


Screen: TypeAlias = Callable[[Sequence[str]], Proposal[Sequence[Refusal | None]]]
"""Returns for each architecture why it is refused, or None if it is admitted."""


class AdmittedDomain:
    """The architectures of a domain that a problem admits.

    Draws are repeated until one is admitted (rejection sampling), so they stay uniform among the
    admitted architectures.

    Args:
        domain: All architectures.
        screen: Returns why architectures are refused.
        tries: The most refused draws in a row.

    Attributes:
        refused: The number of refused architectures so far, by reason.
    """

    def __init__(self, domain: Domain, screen: Screen, *, tries: int = _MOST_TRIES) -> None:
        self._domain = domain
        self._screen = screen
        self._tries = tries
        self._admitted_any = False
        self._in_a_row = 0
        self._nearest: dict[str, Refusal] = {}
        self.refused: Counter[str] = Counter()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the choices."""
        return self._domain.labels

    @property
    def size(self) -> int:
        """The number of architectures, including refused ones."""
        return self._domain.size

    def candidates(self, label: str) -> Sequence[Any]:
        """Return the possible values of a choice."""
        return self._domain.candidates(label)

    def values(self, arch: str) -> tuple[int, ...]:
        """Return the position of each chosen value."""
        return self._domain.values(arch)

    def encode(self, arch: str) -> NDArray[Any]:
        """Return the one-hot vector of an architecture."""
        return self._domain.encode(arch)

    def grid(self) -> Iterator[Proposal[str | None]]:
        """Yield the admitted architectures in the order of the domain, None for the others.

        Raises:
            NoFeasibleError: In a proposal: all, or the first `100 * tries`, are refused.
        """
        self._in_a_row = 0
        for step in self._domain.grid():
            yield self._if_admitted(step)
        if not self._admitted_any:
            yield self._none_admitted()

    def compose(self, positions: Sequence[int]) -> Proposal[str | None]:
        """Return the architecture of these positions; None if it is invalid or refused."""
        arch = yield from self._domain.compose(positions)
        return arch if arch is not None and (yield from self._admits(arch)) else None

    def sample(self, rng: Random) -> Proposal[str | None]:
        """Draw an admitted architecture that was not drawn before; None: there are no more.

        Raises:
            NoFeasibleError: `tries` draws in a row are refused, or all architectures.
        """
        tries = self._tries
        while tries:
            arch = yield from self._domain.sample(rng)
            if arch is None:
                if self._admitted_any:
                    return None
                raise self._nothing("all architectures are refused")
            (refusal,) = yield from self._screen((arch,))
            if self._counted(refusal):
                return arch
            # Unrecorded draws do not count: they are most draws in a table with few records.
            tries -= refusal is not None and refusal.value is not None
        raise self._nothing(f"{self._tries:,} draws in a row are refused")

    def neighbors(self, arch: str) -> Proposal[tuple[str, ...]]:
        """Return all admitted architectures one change away, in the order of the domain."""
        around = yield from self._domain.neighbors(arch)
        refusals = yield from self._screen(around)
        pairs = zip(around, refusals, strict=True)
        return tuple(one for one, refusal in pairs if self._counted(refusal))

    def neighbor(self, arch: str, rng: Random) -> Proposal[str | None]:
        """Draw one of the admitted neighbors uniformly; None if there is none."""
        first = yield from self._domain.neighbor(arch, rng)
        if first is None or (yield from self._admits(first)):
            return first
        around = yield from self.neighbors(arch)
        return around[drawn_below(rng, len(around))] if around else None

    def mutate(self, arch: str, rng: Random, probability: float) -> Proposal[str | None]:
        """Change each choice with a probability; None if no child is admitted."""
        return (
            yield from self._first_admitted(lambda: self._domain.mutate(arch, rng, probability))
        )

    def crossover(self, first: str, second: str, rng: Random) -> Proposal[str | None]:
        """Take each choice from one of two parents; None if no child is admitted."""
        return (yield from self._first_admitted(lambda: self._domain.crossover(first, second, rng)))

    def _if_admitted(self, step: Proposal[str | None]) -> Proposal[str | None]:
        arch = yield from step
        if arch is None:
            return None
        if (yield from self._admits(arch)):
            self._in_a_row = 0
            return arch
        self._in_a_row += 1
        if self._in_a_row >= _GRID_TRIES * self._tries and not self._admitted_any:
            raise self._nothing(f"{self._in_a_row:,} architectures of the grid are refused")
        return None

    def _none_admitted(self) -> Proposal[str | None]:
        yield from ()
        raise self._nothing("all architectures are refused")

    def _first_admitted(
        self, draw: Callable[[], Generator[Ask, Any, str | None]]
    ) -> Proposal[str | None]:
        for _ in range(self._tries):
            arch = yield from draw()
            if arch is None or (yield from self._admits(arch)):
                return arch
        return None

    def _admits(self, arch: str) -> Proposal[bool]:
        (refusal,) = yield from self._screen((arch,))
        return self._counted(refusal)

    def _counted(self, refusal: Refusal | None) -> bool:
        if refusal is None:
            self._admitted_any = True
            return True
        self.refused[refusal.reason] += 1
        nearest = self._nearest.get(refusal.reason)
        if nearest is None or _excess(refusal) < _excess(nearest):
            self._nearest[refusal.reason] = refusal
        return False

    def _nothing(self, what: str) -> NoFeasibleError:
        told = [
            f"{one.reason}: {self.refused[one.reason]:,}"
            + (
                ""
                if one.value is None
                else f", the nearest {one.value:.6g} where the bound is {one.bound:.6g}"
            )
            for one in self._nearest.values()
        ]
        return NoFeasibleError(f"{what} ({'; '.join(told)})")


def _excess(refusal: Refusal) -> float:
    if refusal.value is None or refusal.bound is None:
        return 0.0
    return abs(refusal.value - refusal.bound)
