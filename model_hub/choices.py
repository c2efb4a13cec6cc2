"""The kinds of choices of a space, and how values are drawn.

* `Categorical`: one of several candidates; `LayerChoice`: one of several named modules.
* `Subset`: a subset of several candidates, of fixed or any size.
* `When`: the condition that an earlier choice has certain values.
* `repeat`: a depth, and the choices of the blocks that it keeps.
* `Derived`: a value derived from a sample, or a constraint on samples.

A sample maps labels to chosen values: a candidate, or a list of candidates for a subset.

The same seed draws the same values in every Python version, because only `random()` of a source is
called. Python guarantees that `random.Random(seed).random()` never changes, but not `choice` or
`sample`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, combinations, product
from math import comb, isfinite
from numbers import Number
from random import Random
from typing import Any, Final, Protocol, TypeAlias, TypeVar, runtime_checkable

from model_hub.errors import InvalidArgumentError, InvalidSampleError, listed, shown

__all__ = [
    "Categorical",
    "Choice",
    "Chosen",
    "Derived",
    "LayerChoice",
    "RandomSource",
    "Sample",
    "Seed",
    "Subset",
    "Value",
    "When",
    "pick",
    "random_source",
    "repeat",
]

Value: TypeAlias = int | float | str | bool
Chosen: TypeAlias = Value | list[Value]
Sample: TypeAlias = Mapping[str, Any]
"""Labels and chosen values (`Chosen`), typed Any because builders compute with the values."""

_MEMBERSHIP_PRIOR: Final = 0.5
"""Probability of each member of a subset of any size, independently."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class When:
    """The condition that the earlier choice `label` has one of `values`."""

    label: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Choice(ABC):
    """One decision of a space.

    Args:
        label: Name of the choice; its key in a sample.
        candidates: The distinct candidates, in the order of grid search.
        only_if: The condition under which the choice matters; always by default.
    """

    label: str
    candidates: tuple[Value, ...]
    only_if: When | None = None

    def __post_init__(self) -> None:
        if not self.candidates:
            raise InvalidArgumentError(self.label, "there are no candidates")
        if not _are_distinct(self.candidates):
            raise InvalidArgumentError(self.label, f"{listed(self.candidates)} are not distinct")

    @property
    @abstractmethod
    def num_values(self) -> int:
        """Number of values that the choice can take."""

    @property
    @abstractmethod
    def default(self) -> Chosen:
        """The value of the default sample."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the entries that encode the choice, one per candidate."""
        return tuple(f"{self.label}={value}" for value in self.candidates)

    @abstractmethod
    def values(self) -> Iterator[Chosen]:
        """Yield every value, most probable first, in the order of the candidates."""

    @abstractmethod
    def read(self, value: object) -> Chosen:
        """Return a value in the form of the candidates: 4 for 4.0, [0] for 0.

        Raises:
            InvalidSampleError: It is not a value of the choice.
        """

    @abstractmethod
    def draw(self, source: RandomSource) -> Chosen:
        """Draw a value according to the prior."""

    @abstractmethod
    def draw_other(self, value: Chosen, source: RandomSource) -> Chosen:
        """Draw a value near `value` but not equal to it; another value must exist."""

    def encode(self, value: Chosen) -> list[float]:
        """Return one number per candidate: 1 if it is chosen, else 0."""
        members = value if isinstance(value, list) else [value]
        return [float(candidate in members) for candidate in self.candidates]

    @abstractmethod
    def decode(self, numbers: Sequence[float]) -> Chosen:
        """Return the value that `encode` encodes as these numbers.

        Raises:
            InvalidSampleError: The numbers encode no value.
        """

    def _marked(self, numbers: Sequence[float]) -> list[Value]:
        if any(number not in (0, 1) for number in numbers):
            raise InvalidSampleError(self.label, f"{listed(numbers)} are not all 0 or 1")
        return [v for v, number in zip(self.candidates, numbers, strict=True) if number == 1]


@dataclass(frozen=True)
class Categorical(Choice):
    """A choice of one candidate. The default is the first.

    Args:
        prior: Relative probability of each candidate; uniform by default.
    """

    prior: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prior is None:
            return
        if len(self.prior) != len(self.candidates) or not all(
            isfinite(weight) and weight > 0 for weight in self.prior
        ):
            raise InvalidArgumentError(
                self.label,
                f"the prior {shown(self.prior)} is not {len(self.candidates)} positive numbers",
            )

    @property
    def num_values(self) -> int:
        """Number of candidates."""
        return len(self.candidates)

    @property
    def default(self) -> Value:
        """The first candidate."""
        return self.candidates[0]

    def values(self) -> Iterator[Value]:
        """Yield the candidates, most probable first."""
        weights = dict(zip(self.candidates, self._weights, strict=True))
        yield from sorted(self.candidates, key=lambda value: -weights[value])

    def read(self, value: object) -> Value:
        """Return the candidate that equals `value`."""
        place = _place(value, self.candidates)
        if place is None:
            raise InvalidSampleError(
                self.label, f"{shown(value)} is not one of {listed(self.candidates)}"
            )
        return self.candidates[place]

    def draw(self, source: RandomSource) -> Value:
        """Draw a candidate according to the prior."""
        return pick(self.candidates, source, self.prior)

    def draw_other(self, value: Chosen, source: RandomSource) -> Value:
        """Draw another candidate according to the prior."""
        others = [i for i, candidate in enumerate(self.candidates) if candidate != value]
        return self.candidates[pick(others, source, [self._weights[i] for i in others])]

    def decode(self, numbers: Sequence[float]) -> Value:
        """Return the only candidate with a 1."""
        marked = self._marked(numbers)
        if len(marked) != 1:
            raise InvalidSampleError(self.label, f"{len(marked)} candidates are marked, not one")
        return marked[0]

    @property
    def _weights(self) -> tuple[float, ...]:
        return self.prior or (1.0,) * len(self.candidates)


@dataclass(frozen=True)
class LayerChoice(Categorical):
    """A choice of one named module; a supernet stores the weights of each candidate."""


@dataclass(frozen=True)
class Subset(Choice):
    """A choice of several candidates, written as a list in their order.

    The default is all candidates, or the first `n_chosen`. Without `n_chosen`, each candidate is a
    member with probability one half; with it, every subset of that size is equally probable.

    Args:
        n_chosen: Size of the subset; any size by default.
    """

    n_chosen: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_chosen is not None and not 1 <= self.n_chosen <= len(self.candidates):
            raise InvalidArgumentError(
                self.label, f"{self.n_chosen} of {len(self.candidates)} candidates cannot be chosen"
            )

    @property
    def num_values(self) -> int:
        """Number of subsets."""
        size = len(self.candidates)
        return 1 << size if self.n_chosen is None else comb(size, self.n_chosen)

    @property
    def default(self) -> list[Value]:
        """All candidates, or the first `n_chosen`."""
        return list(self.candidates[: self.n_chosen])

    def values(self) -> Iterator[list[Value]]:
        """Yield every subset, all members first; the last member changes fastest."""
        if self.n_chosen is not None:
            yield from map(list, combinations(self.candidates, self.n_chosen))
            return
        for members in product((True, False), repeat=len(self.candidates)):
            yield self._where(members)

    def read(self, value: object) -> list[Value]:
        """Return the members in order; with `n_chosen` 1, a single member needs no list."""
        if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
            members = list(value)
        else:
            members = [value] if self.n_chosen == 1 else [None]
        places = {_place(member, self.candidates) for member in members}
        if None in places or len(places) < len(members) or not self._may_have(len(members)):
            count = "distinct ones" if self.n_chosen is None else f"{self.n_chosen}"
            raise InvalidSampleError(
                self.label, f"{shown(value)} is not a list of {count} of {listed(self.candidates)}"
            )
        return self._where([place in places for place in range(len(self.candidates))])

    def draw(self, source: RandomSource) -> list[Value]:
        """Draw a subset according to the prior."""
        if self.n_chosen is None:
            return self._where([source.random() < _MEMBERSHIP_PRIOR for _ in self.candidates])
        left = list(self.candidates)
        drawn = {left.pop(int(source.random() * len(left))) for _ in range(self.n_chosen)}
        return self._where([candidate in drawn for candidate in self.candidates])

    def draw_other(self, value: Chosen, source: RandomSource) -> list[Value]:
        """Draw a subset with one member added, removed or, with `n_chosen`, replaced."""
        members = value if isinstance(value, list) else [value]
        if self.n_chosen is None:
            changed = {pick(self.candidates, source)}
        else:
            outside = [candidate for candidate in self.candidates if candidate not in members]
            changed = {pick(members, source), pick(outside, source)}
        return self._where([(c in members) != (c in changed) for c in self.candidates])

    def decode(self, numbers: Sequence[float]) -> list[Value]:
        """Return the candidates with a 1."""
        return self.read(self._marked(numbers))

    def _may_have(self, size: int) -> bool:
        return self.n_chosen in (None, size)

    def _where(self, members: Sequence[bool]) -> list[Value]:
        return [c for c, member in zip(self.candidates, members, strict=True) if member]


def repeat(
    label: str, depths: Sequence[int], block: Callable[[int], Iterable[Choice]]
) -> Iterator[Choice]:
    """Yield the choice of a depth and the choices of the blocks, which matter if they are kept.

    Args:
        label: Label of the depth; the first `depth` blocks are kept.
        depths: Candidate depths.
        block: Returns the choices of a block, given its index from 0.
    """
    yield Categorical(label, tuple(depths))
    for place in range(max(depths)):
        keeping = tuple(depth for depth in depths if depth > place)
        for choice in block(place):
            if choice.only_if is None and len(keeping) < len(depths):
                yield replace(choice, only_if=When(label, keeping))
            else:
                yield choice


@dataclass(frozen=True, slots=True)
class Derived:
    """A value derived from a sample, under a separate label.

    Args:
        label: Key of the value in the resolved sample.
        rule: Computes the value of a sample. For a constraint, it raises InvalidSampleError if the
            sample violates it.
    """

    label: str
    rule: Callable[[Sample], Any]


def _are_distinct(candidates: Sequence[Value]) -> bool:
    """Return whether no two candidates are equal in terms of `_place`, in linear time."""
    equal_to_itself = [
        (isinstance(value, bool), value)
        for value in candidates
        if isinstance(value, Number | str) and value == value  # noqa: PLR0124 - unlike NaN
    ]
    return len(set(equal_to_itself)) == len(candidates)


def _place(value: object, candidates: Sequence[Value]) -> int | None:
    """Return the index of a value among the candidates; 4 equals 4.0, but True does not equal 1."""
    if not isinstance(value, Number | str):  # comparing other objects may not yield a bool
        return None
    for place, candidate in enumerate(candidates):
        if isinstance(value, bool) == isinstance(candidate, bool) and value == candidate:
            return place
    return None


@runtime_checkable
class RandomSource(Protocol):
    """A generator of uniform numbers from 0 (included) to 1 (excluded).

    `random.Random` and `numpy.random.Generator` are such sources.
    """

    def random(self) -> float:
        """Draw the next number."""
        ...


Seed: TypeAlias = int | RandomSource | None
"""A seed, a random source to continue, or None for irreproducible draws."""


def random_source(seed: Seed) -> RandomSource:
    """Return the random source of a seed.

    Raises:
        InvalidArgumentError: The seed is neither an integer, None nor a source.
    """
    if seed is None or (isinstance(seed, int) and not isinstance(seed, bool)):
        return Random(seed)  # noqa: S311 - architectures, not secrets
    if isinstance(seed, RandomSource):
        return seed
    raise InvalidArgumentError("seed", f"{shown(seed)} is neither an integer nor a random source")


def pick(values: Sequence[T], source: RandomSource, weights: Sequence[float] | None = None) -> T:
    """Draw one of `values`, uniformly or in proportion to `weights`."""
    if weights is None:
        return values[int(source.random() * len(values))]
    *bounds, total = accumulate(weights)
    drawn = source.random() * total
    return values[sum(bound <= drawn for bound in bounds)]
