"""`SearchSpace`, the choices of a space: validates, draws, mutates, encodes and writes samples.

All methods return canonical samples. These contain only the labels that matter, in the order of the
space, and none of blocks that a depth drops. Two canonical samples are therefore equal if their
choices yield the same network.

Samples of other programs are accepted as well: they may contain unused labels, and write a subset
as one boolean for each candidate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model_hub.choices import (
    Categorical,
    Choice,
    Chosen,
    Derived,
    RandomSource,
    Sample,
    Seed,
    Subset,
    pick,
    random_source,
)
from model_hub.errors import InvalidArgumentError, InvalidSampleError, listed, nearest, shown

__all__ = ["SearchSpace"]

_MOST_TRIES: Final = 10_000
"""Failed draws before a search for a valid sample ends; NAS-Bench-101 needs three on average."""

_Picker = Callable[[Choice], Chosen]

_COUNT_KEY: Final = "n"
"""Booleans may come with the redundant key `label/n`, the number of members."""


@dataclass(frozen=True)
class SearchSpace:
    """The choices of a space.

    Args:
        name: Name of the space, for messages.
        choices: Its choices; a condition refers to an earlier categorical choice.
        derived: Values derived from a sample, including constraints.
        tolerated: Labels that published samples contain, but that have no meaning here.
    """

    name: str
    choices: tuple[Choice, ...]
    derived: tuple[Derived, ...] = ()
    tolerated: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        seen: dict[str, Choice] = {}
        for choice in self.choices:
            if choice.label in seen:
                raise InvalidArgumentError(
                    choice.label, f"{self.name} has two choices of this name"
                )
            condition = choice.only_if
            if condition and not (
                isinstance(parent := seen.get(condition.label), Categorical)
                and set(condition.values) <= set(parent.candidates)
            ):
                raise InvalidArgumentError(
                    choice.label, f"{condition} names no values of a categorical choice before it"
                )
            seen[choice.label] = choice

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels, in order."""
        return tuple(choice.label for choice in self.choices)

    @property
    def raw_size(self) -> int:
        """Product of the numbers of values; choices of dropped blocks count, constraints do not."""
        return prod(choice.num_values for choice in self.choices)

    @property
    def size(self) -> int:
        """Number of canonical samples, without regard to constraints."""
        counts: dict[str, int] = {}
        for choice in reversed(self.choices):
            guarded = [c for c in self.choices if c.only_if and c.only_if.label == choice.label]
            counts[choice.label] = choice.num_values
            if guarded:
                counts[choice.label] = sum(
                    prod(
                        counts[c.label] for c in guarded if c.only_if and value in c.only_if.values
                    )
                    for value in choice.candidates
                )
        return prod(counts[choice.label] for choice in self.choices if choice.only_if is None)

    def __contains__(self, sample: object) -> bool:
        try:
            self.validate(sample)
        except InvalidSampleError:
            return False
        return True

    def validate(self, sample: object, *, strict: bool = True) -> dict[str, Chosen]:
        """Return the canonical form of a sample.

        Labels of dropped blocks, derived labels and `tolerated` ones are accepted and removed. A
        subset may be written as `label/member: bool`, one key per candidate.

        Args:
            sample: Labels and values; values are compared by equality, so 4.0 is 4.
            strict: Refuse unknown labels.

        Raises:
            InvalidSampleError: A label is missing or unknown, a value is not a candidate, or a
                constraint is violated.
        """
        if not isinstance(sample, Mapping):
            raise InvalidSampleError(
                None, f"a sample of {self.name} is a dict, not {shown(sample)}"
            )
        if strict:
            derived = {rule.label for rule in self.derived}
            _refuse_unknown_labels(self.name, sample, self.choices, self.tolerated | derived)
        canonical = self._compose(lambda choice: _read_choice(self.name, choice, sample))
        self._derive(canonical)
        return canonical

    def resolve(self, sample: object, *, strict: bool = True) -> dict[str, Any]:
        """Return the canonical form of a sample together with its derived values.

        Raises:
            InvalidSampleError: As `validate`.
        """
        canonical = self.validate(sample, strict=strict)
        return canonical | self._derive(canonical)

    @property
    def default(self) -> dict[str, Chosen]:
        """The sample with the default of every choice: its first candidate, or a whole subset."""
        return self.validate(self._compose(lambda choice: choice.default))

    def grid(self) -> Iterator[dict[str, Chosen]]:
        """Yield every sample once; the last label changes fastest, probable values come first."""
        waiting: list[tuple[dict[str, Chosen], int]] = [({}, 0)]
        while waiting:
            chosen, place = waiting.pop()
            while place < len(self.choices) and not _matters(self.choices[place], chosen):
                place += 1
            if place == len(self.choices):
                if self._is_allowed(chosen):
                    yield chosen
                continue
            choice = self.choices[place]
            following = [(chosen | {choice.label: v}, place + 1) for v in choice.values()]
            waiting.extend(reversed(following))

    def sample(self, seed: Seed = None) -> dict[str, Chosen]:
        """Draw a random sample according to the priors.

        Args:
            seed: A seed, or a random source to continue.

        Raises:
            InvalidSampleError: No drawn sample satisfies the constraints.
        """
        source = random_source(seed)
        return self._first_allowed(lambda: self._compose(lambda choice: choice.draw(source)))

    def mutate(
        self, sample: object, seed: Seed = None, *, probability: float | None = None
    ) -> dict[str, Chosen]:
        """Return a random variant of a sample, which differs in one choice by default.

        Choices of blocks that the change adds are drawn according to their priors.

        Args:
            sample: The parent.
            seed: A seed, or a random source to continue.
            probability: Probability that each choice changes, 0 to 1; at least one changes.

        Raises:
            InvalidSampleError: The parent is not in the space, or no other sample was found.
            InvalidArgumentError: The probability is not from 0 to 1.
        """
        if probability is not None and not 0 <= probability <= 1:
            raise InvalidArgumentError("probability", f"{shown(probability)} is not from 0 to 1")
        parent = self.validate(sample)
        source = random_source(seed)
        open_labels = [c.label for c in self.choices if c.label in parent and c.num_values > 1]
        if not open_labels:
            raise InvalidSampleError(None, f"{self.name} has nothing to change in this sample")

        def attempt() -> dict[str, Chosen]:
            changed = {label for label in open_labels if source.random() < (probability or 0)}
            changed = changed or {pick(open_labels, source)}
            return self._compose(lambda choice: _mutated(choice, parent, changed, source))

        return self._first_allowed(attempt)

    def crossover(self, first: object, second: object, seed: Seed = None) -> dict[str, Chosen]:
        """Return a child that takes each value from one of two parents, with equal probability.

        Raises:
            InvalidSampleError: A parent is not in the space, or no child satisfies the constraints.
        """
        parents = (self.validate(first), self.validate(second))
        source = random_source(seed)
        return self._first_allowed(
            lambda: self._compose(lambda choice: _inherited(choice, parents, source))
        )

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names of the entries of an encoded vector, `label=candidate`."""
        return tuple(name for choice in self.choices for name in choice.features)

    def encode(self, sample: object) -> NDArray[np.float64]:
        """Encode a sample as a vector of zeros and ones, one for each of `features`.

        Choices that do not matter are encoded as zeros.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        canonical = self.validate(sample)
        numbers: list[float] = []
        for choice in self.choices:
            matters = choice.label in canonical
            encoded = choice.encode(canonical[choice.label]) if matters else None
            numbers.extend(encoded or [0.0] * len(choice.candidates))
        return np.array(numbers)

    def decode(self, vector: ArrayLike) -> dict[str, Chosen]:
        """Return the sample that `encode` encodes as this vector.

        Raises:
            InvalidSampleError: The vector encodes no sample of the space.
        """
        numbers = np.asarray(vector, dtype=np.float64)
        if numbers.shape != (len(self.features),):
            raise InvalidSampleError(
                None,
                f"a vector of {self.name} has {len(self.features)} numbers, not {numbers.shape}",
            )
        ends = np.cumsum([len(choice.candidates) for choice in self.choices])[:-1]
        parts = {
            label: part.tolist()
            for label, part in zip(self.labels, np.split(numbers, ends), strict=True)
        }
        sample = self.validate(self._compose(lambda choice: choice.decode(parts[choice.label])))
        surplus = [label for label, part in parts.items() if label not in sample and any(part)]
        if surplus:
            raise InvalidSampleError(surplus[0], "the vector marks a choice that does not matter")
        return sample

    def to_json(self, sample: object) -> str:
        """Return the canonical form of a sample as JSON; equal samples give equal text.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        return json.dumps(self.validate(sample))

    def from_json(self, text: str | bytes) -> dict[str, Chosen]:
        """Return the canonical form of a sample written as JSON.

        Raises:
            InvalidSampleError: The text is not valid JSON, or the sample is not in the space.
        """
        try:
            sample = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidSampleError(None, f"the sample is not valid JSON: {error}") from error
        return self.validate(sample)

    def _compose(self, pick_value: _Picker) -> dict[str, Chosen]:
        """Return a sample with the value of `pick_value` for each choice that matters."""
        chosen: dict[str, Chosen] = {}
        for choice in self.choices:
            if _matters(choice, chosen):
                chosen[choice.label] = pick_value(choice)
        return chosen

    def _derive(self, canonical: Sample) -> dict[str, Any]:
        return {derived.label: derived.rule(canonical) for derived in self.derived}

    def _is_allowed(self, canonical: Sample) -> bool:
        try:
            self._derive(canonical)
        except InvalidSampleError:
            return False
        return True

    def _first_allowed(self, attempt: Callable[[], dict[str, Chosen]]) -> dict[str, Chosen]:
        for _ in range(_MOST_TRIES):
            sample = attempt()
            if self._is_allowed(sample):
                return sample
        names = listed(derived.label for derived in self.derived)
        raise InvalidSampleError(
            None, f"{_MOST_TRIES} samples of {self.name} in a row broke the constraints {names}"
        )


def _matters(choice: Choice, chosen: Mapping[str, Chosen]) -> bool:
    condition = choice.only_if
    return condition is None or chosen.get(condition.label) in condition.values


def _mutated(
    choice: Choice, parent: Mapping[str, Chosen], changed: set[str], source: RandomSource
) -> Chosen:
    if choice.label not in parent:
        return choice.draw(source)
    value = parent[choice.label]
    return choice.draw_other(value, source) if choice.label in changed else value


def _inherited(
    choice: Choice, parents: Sequence[Mapping[str, Chosen]], source: RandomSource
) -> Chosen:
    values = [parent[choice.label] for parent in parents if choice.label in parent]
    return pick(values, source) if values else choice.draw(source)


def _read_choice(space: str, choice: Choice, sample: Sample) -> Chosen:
    """Return the value of a choice in a sample, written as a list or as booleans.

    Raises:
        InvalidSampleError: The value is missing, given twice or not a value of the choice.
    """
    booleans = _booleans(choice, sample)
    if choice.label in sample:
        if booleans:
            raise InvalidSampleError(
                choice.label, f"the sample has this label and also {listed(booleans)}"
            )
        return choice.read(sample[choice.label])
    if not booleans:
        raise InvalidSampleError(choice.label, _missing(space, choice))
    for key, value in booleans.items():
        if not isinstance(value, bool):
            raise InvalidSampleError(key, f"{shown(value)} is not true or false")
    absent = [key for key in _boolean_keys(choice) if key not in booleans]
    if absent:
        raise InvalidSampleError(absent[0], _missing(space, choice))
    members = zip(choice.candidates, _boolean_keys(choice), strict=True)
    return choice.read([candidate for candidate, key in members if booleans[key]])


def _refuse_unknown_labels(
    space: str, sample: Sample, choices: Iterable[Choice], tolerated: AbstractSet[str]
) -> None:
    """Refuse labels that are neither those of choices nor tolerated.

    Raises:
        InvalidSampleError: A label is unknown; the message suggests the nearest.
    """
    choices = list(choices)
    labels = [choice.label for choice in choices]
    spelled = {key for choice in choices for key in (choice.label, *_boolean_keys(choice))}
    counts = {f"{c.label}/{_COUNT_KEY}" for c in choices if isinstance(c, Subset)}
    known = spelled | counts | tolerated
    for label in sample:
        if label not in known:
            raise InvalidSampleError(
                str(label), f"{space} has no such label{nearest(label, labels)}"
            )


def _booleans(choice: Choice, sample: Sample) -> dict[str, object]:
    return {key: sample[key] for key in _boolean_keys(choice) if key in sample}


def _boolean_keys(choice: Choice) -> Iterator[str]:
    if isinstance(choice, Subset):
        yield from (f"{choice.label}/{candidate}" for candidate in choice.candidates)


def _missing(space: str, choice: Choice) -> str:
    condition = choice.only_if
    reason = f" (it matters for {condition.label} in {condition.values})" if condition else ""
    return (
        f"the sample lacks this label of {space}{reason}; "
        f"its candidates are {listed(choice.candidates)}"
    )
