"""Domains of independent choices: every combination of candidates is an architecture.

The operations of NAS-Bench-201, the places of a declared table and the choices of a user are such.
They are computed, never asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from random import Random
from typing import TYPE_CHECKING, Any, Final

from missing_extra import needs
from nas_search.contract import Proposal
from nas_search.domains.walk import stated
from nas_search.errors import ProblemError
from nas_search.strategies.draws import drawn_below

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Product", "ProductDomain", "choice_domain", "one_hot"]

_MOST_NUMBERED: Final = 2**53
"""Up to so many architectures can be numbered by draws."""


class Product:
    """The architectures of independent choices; shared by the domains of many searches.

    Args:
        labels: The choices.
        candidates: What each may be, in the order of the labels.
        spell: Returns the canonical text of values.
        read: Returns the values of a canonical text.
    """

    def __init__(
        self,
        labels: Sequence[str],
        candidates: Sequence[Sequence[Any]],
        *,
        spell: Callable[[Sequence[Any]], str],
        read: Callable[[str], Sequence[Any]],
    ) -> None:
        self.labels = tuple(labels)
        self.candidates = tuple(map(tuple, candidates))
        self.counts = tuple(map(len, self.candidates))
        self.size = prod(self.counts)
        self._spell = spell
        self._read = read
        self._places = [
            {_key(value): place for place, value in enumerate(values)} for values in self.candidates
        ]
        self._archs: dict[tuple[int, ...], str] = {}
        self._positions: dict[str, tuple[int, ...]] = {}
        self._neighbors: dict[str, tuple[str, ...]] = {}

    def arch(self, positions: tuple[int, ...]) -> str:
        """Return the text of the architecture with these candidates."""
        arch = self._archs.get(positions)
        if arch is None:
            pairs = zip(self.candidates, positions, strict=True)
            arch = self._spell([values[place] for values, place in pairs])
            self._archs[positions] = arch
            self._positions[arch] = positions
        return arch

    def positions(self, arch: str) -> tuple[int, ...]:
        """Return which candidates an architecture has.

        Raises:
            ProblemError: It is none of these.
        """
        found = self._positions.get(arch)
        if found is None:
            try:
                pairs = zip(self._places, self._read(arch), strict=True)
                found = tuple(places[_key(value)] for places, value in pairs)
            except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
                raise ProblemError(f"{arch!r:.200} is no architecture of this domain") from error
            if self.arch(found) != arch:
                raise ProblemError(f"{arch!r:.200} is not spelled as this domain spells it")
        return found

    def neighbors(self, arch: str) -> tuple[str, ...]:
        """Return the architectures that differ in one choice, label by label."""
        around = self._neighbors.get(arch)
        if around is None:
            at = self.positions(arch)
            around = self._neighbors[arch] = tuple(
                self.arch((*at[:place], other, *at[place + 1 :]))
                for place, count in enumerate(self.counts)
                for other in range(count)
                if other != at[place]
            )
        return around

    def numbered(self, number: int) -> tuple[int, ...]:
        """Return the positions of the architecture of a number, in the order of the grid."""
        positions = []
        for count in reversed(self.counts):
            number, place = divmod(number, count)
            positions.append(place)
        return tuple(reversed(positions))


class ProductDomain:
    """Draws architectures of independent choices; new for every search.

    Args:
        space: What there is.
    """

    def __init__(self, space: Product) -> None:
        self._space = space
        self._num_drawn = 0
        # The part of a shuffled list of all numbers that differs from the list in order.
        self._moved: dict[int, int] = {}
        self._given: set[tuple[int, ...]] = set()

    @property
    def labels(self) -> tuple[str, ...]:
        """The choices."""
        return self._space.labels

    @property
    def size(self) -> int:
        """How many architectures there are."""
        return self._space.size

    def candidates(self, label: str) -> tuple[Any, ...]:
        """Return the candidates of a choice."""
        return self._space.candidates[self._space.labels.index(label)]

    def values(self, arch: str) -> tuple[int, ...]:
        """Return which candidate each choice has."""
        return self._space.positions(arch)

    def compose(self, positions: Sequence[int]) -> Proposal[str | None]:
        """Return the architecture with these candidates; None where there is none."""
        yield from ()
        fits = len(positions) == len(self._space.counts) and all(
            0 <= place < count for place, count in zip(positions, self._space.counts, strict=True)
        )
        return self._space.arch(tuple(positions)) if fits else None

    def sample(self, rng: Random) -> Proposal[str | None]:
        """Draw an architecture uniformly among those not drawn before; None: no more."""
        yield from ()
        if self.size > _MOST_NUMBERED:
            return self._space.arch(self._new_positions(rng))
        if self._num_drawn == self.size:
            return None
        # The next step of a Fisher-Yates shuffle of all numbers.
        here = self._num_drawn
        there = here + drawn_below(rng, self.size - here)
        number = self._moved.get(there, there)
        self._moved[there] = self._moved.pop(here, here)
        self._num_drawn += 1
        return self._space.arch(self._space.numbered(number))

    def neighbors(self, arch: str) -> Proposal[tuple[str, ...]]:
        """Return all architectures that differ in one choice, label by label."""
        yield from ()
        return self._space.neighbors(arch)

    def neighbor(self, arch: str, rng: Random) -> Proposal[str | None]:
        """Draw one that differs in one choice."""
        yield from ()
        around = self._space.neighbors(arch)
        return around[drawn_below(rng, len(around))] if around else None

    def mutate(self, arch: str, rng: Random, probability: float) -> Proposal[str | None]:
        """Change each choice with a probability, at least one, to another of its candidates."""
        yield from ()
        positions = list(self._space.positions(arch))
        open_places = [place for place, count in enumerate(self._space.counts) if count > 1]
        if not open_places:
            return None
        changed = [place for place in open_places if rng.random() < probability]
        if not changed:
            changed = [open_places[drawn_below(rng, len(open_places))]]
        for place in changed:
            other = drawn_below(rng, self._space.counts[place] - 1)
            positions[place] = other + (other >= positions[place])
        return self._space.arch(tuple(positions))

    def crossover(self, first: str, second: str, rng: Random) -> Proposal[str | None]:
        """Take each choice from one of two parents, with equal probability."""
        yield from ()
        parents = (self._space.positions(first), self._space.positions(second))
        pairs = zip(*parents, strict=True)
        return self._space.arch(tuple(pair[drawn_below(rng, 2)] for pair in pairs))

    def grid(self) -> Iterator[Proposal[str | None]]:
        """Yield all architectures; the last label changes fastest."""
        return map(stated, map(self._space.arch, product(*map(range, self._space.counts))))

    def encode(self, arch: str) -> NDArray[Any]:
        """Return one number a candidate, 1 where it is chosen, else 0."""
        return one_hot(self._space.positions(arch), self._space.counts)

    def _new_positions(self, rng: Random) -> tuple[int, ...]:
        while True:
            drawn = tuple(drawn_below(rng, count) for count in self._space.counts)
            if drawn not in self._given:
                self._given.add(drawn)
                return drawn


def choice_domain(choices: Mapping[str, Sequence[Any]]) -> ProductDomain:
    """Return the domain of independent choices; architectures are JSON objects of label and value.

    Args:
        choices: The candidates of each label: distinct values that JSON has.

    Raises:
        ProblemError: There are no choices, or candidates are missing, equal or not JSON.
    """
    if not choices:
        raise ProblemError("there are no choices: give the candidates of one label or more")
    for label, candidates in choices.items():
        _check_candidates(label, candidates)
    labels = tuple(choices)

    def read(arch: str) -> list[Any]:
        sample = json.loads(arch)
        return [sample[label] for label in labels] if len(sample) == len(labels) else []

    return ProductDomain(
        Product(
            labels,
            tuple(choices.values()),
            spell=lambda values: json.dumps(dict(zip(labels, values, strict=True))),
            read=read,
        )
    )


def one_hot(positions: Sequence[int], counts: Sequence[int]) -> NDArray[Any]:
    """Return positions as zeros and ones, `counts` numbers each; zeros where a choice is idle."""
    with needs("local", "encoding architectures"):
        # Not at the top: few strategies need vectors, and a search may do without numpy.
        import numpy as np  # noqa: PLC0415
    vector = np.zeros(sum(counts))
    start = 0
    for place, count in zip(positions, counts, strict=True):
        if place >= 0:
            vector[start + place] = 1.0
        start += count
    return vector


def _key(value: Any) -> str:
    """Return what tells values of JSON apart: 1, 1.0 and true are different."""
    return json.dumps(value, sort_keys=True)


def _check_candidates(label: Any, candidates: Any) -> None:
    if not isinstance(label, str):
        raise ProblemError(f"the label {label!r:.80} is no text")
    if isinstance(candidates, str) or not isinstance(candidates, Sequence) or not candidates:
        raise ProblemError(f"{label}: {candidates!r:.80} is no list of candidates")
    try:
        keys = [json.dumps(value, sort_keys=True, allow_nan=False) for value in candidates]
        same = [json.loads(key) for key in keys] == list(candidates)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"{label}: the candidates are not values that JSON has") from error
    if not same or len(set(keys)) < len(keys):
        raise ProblemError(f"{label}: the candidates are not distinct values that JSON has")
