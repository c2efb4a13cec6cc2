"""Domains of independent choices, in which every combination of values is an architecture.

Examples are the operations of NAS-Bench-201, the positions of a declared table and choices given by
a user. Architectures are computed without a client.
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
"""The largest number of architectures from which `drawn_below` can draw an index."""


class Product:
    """The architectures of independent choices; many domains can share one object.

    Args:
        labels: The labels of the choices.
        candidates: The possible values of each choice, in the order of the labels.
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
        """Return the text of the architecture with these positions."""
        arch = self._archs.get(positions)
        if arch is None:
            pairs = zip(self.candidates, positions, strict=True)
            arch = self._spell([values[place] for values, place in pairs])
            self._archs[positions] = arch
            self._positions[arch] = positions
        return arch

    def positions(self, arch: str) -> tuple[int, ...]:
        """Return the position of each chosen value of an architecture.

        Raises:
            ProblemError: It is no architecture of this domain in its canonical spelling.
        """
        found = self._positions.get(arch)
        if found is None:
            try:
                pairs = zip(self._places, self._read(arch), strict=True)
                found = tuple(places[_key(value)] for places, value in pairs)
            except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
                raise ProblemError(f"{arch!r:.200} is no architecture of this domain") from error
            if self.arch(found) != arch:
                raise ProblemError(f"{arch!r:.200} is not in the canonical spelling of this domain")
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
        """Return the positions of the architecture with an index in the grid."""
        positions = []
        for count in reversed(self.counts):
            number, place = divmod(number, count)
            positions.append(place)
        return tuple(reversed(positions))


class ProductDomain:
    """The domain of independent choices; a new object for each search.

    Args:
        space: The choices.
    """

    def __init__(self, space: Product) -> None:
        self._space = space
        self._num_drawn = 0
        # The entries of a list of all indices that the shuffle so far has moved.
        self._moved: dict[int, int] = {}
        self._given: set[tuple[int, ...]] = set()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the choices."""
        return self._space.labels

    @property
    def size(self) -> int:
        """The number of architectures."""
        return self._space.size

    def candidates(self, label: str) -> tuple[Any, ...]:
        """Return the possible values of a choice."""
        return self._space.candidates[self._space.labels.index(label)]

    def values(self, arch: str) -> tuple[int, ...]:
        """Return the position of each chosen value."""
        return self._space.positions(arch)

    def compose(self, positions: Sequence[int]) -> Proposal[str | None]:
        """Return the architecture of these positions; None if a position is invalid."""
        yield from ()
        fits = len(positions) == len(self._space.counts) and all(
            0 <= place < count for place, count in zip(positions, self._space.counts, strict=True)
        )
        return self._space.arch(tuple(positions)) if fits else None

    def sample(self, rng: Random) -> Proposal[str | None]:
        """Draw a new architecture uniformly; None: there are no more."""
        yield from ()
        if self.size > _MOST_NUMBERED:
            return self._space.arch(self._new_positions(rng))
        if self._num_drawn == self.size:
            return None
        # The next step of a Fisher-Yates shuffle of all indices.
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
        """Draw an architecture that differs in one choice; None if there is none."""
        yield from ()
        around = self._space.neighbors(arch)
        return around[drawn_below(rng, len(around))] if around else None

    def mutate(self, arch: str, rng: Random, probability: float) -> Proposal[str | None]:
        """Change each choice with a probability, at least one; None if nothing can change."""
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
        """Return the one-hot vector of an architecture."""
        return one_hot(self._space.positions(arch), self._space.counts)

    def _new_positions(self, rng: Random) -> tuple[int, ...]:
        while True:
            drawn = tuple(drawn_below(rng, count) for count in self._space.counts)
            if drawn not in self._given:
                self._given.add(drawn)
                return drawn


def choice_domain(choices: Mapping[str, Sequence[Any]]) -> ProductDomain:
    """Return the domain of given choices; architectures are JSON objects of values by label.

    Args:
        choices: The possible values of each choice by label: distinct values of JSON.

    Raises:
        ProblemError: There are no choices, or values are missing, equal or not JSON.
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
    """Return the one-hot vector of positions, of `counts` numbers each; zeros for -1."""
    with needs("local", "encoding architectures"):
        # Imported here: few strategies need vectors, and a search may run without numpy.
        import numpy as np  # noqa: PLC0415
    vector = np.zeros(sum(counts))
    start = 0
    for place, count in zip(positions, counts, strict=True):
        if place >= 0:
            vector[start + place] = 1.0
        start += count
    return vector


def _key(value: Any) -> str:
    """Return a key for a JSON value that keeps 1, 1.0 and true apart."""
    return json.dumps(value, sort_keys=True)


def _check_candidates(label: Any, candidates: Any) -> None:
    if not isinstance(label, str):
        raise ProblemError(f"the label {label!r:.80} is no string")
    if isinstance(candidates, str) or not isinstance(candidates, Sequence) or not candidates:
        raise ProblemError(f"{label}: {candidates!r:.80} is no list of candidates")
    try:
        keys = [json.dumps(value, sort_keys=True, allow_nan=False) for value in candidates]
        same = [json.loads(key) for key in keys] == list(candidates)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"{label}: the candidates are not JSON values") from error
    if not same or len(set(keys)) < len(keys):
        raise ProblemError(f"{label}: the candidates are not distinct JSON values")
