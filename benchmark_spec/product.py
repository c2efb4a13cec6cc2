"""Search spaces with one choice at each of a fixed number of positions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, ClassVar, Final

from benchmark_spec.errors import SpecError, SpellingError, shown
from benchmark_spec.names import MOST_DIGITS, Field, Names, examples_of, in_range

__all__ = ["Equal", "Product"]

_MAX_ENUMERATED: Final = 10**7
_MAX_CHOICES: Final = 1_000
_LONGEST_CHOICE: Final = 60
_CHOICE: Final = re.compile(r"[\w.+-]+", re.ASCII)
_SEPARATOR: Final = "|"
_JSON_OVERHEAD: Final = 6
"""Characters per choice for quotes, comma and generous spacing in a JSON list."""


@dataclass(frozen=True, kw_only=True)
class Equal:
    """Equivalence of architectures of a product: `drop` may move within a group of positions.

    Attributes:
        within: Groups of neighbouring positions, counted from 0. Architectures are equivalent if
            the choices other than `drop` have the same order in each group.
        drop: The choice without effect, such as an identity.
    """

    within: tuple[tuple[int, ...], ...]
    drop: str


@dataclass(frozen=True, kw_only=True)
class Product:
    """Search space with one choice at each of a fixed number of positions.

    Accepted spellings: the names of the choices joined by `|`; the string of their digits, if
    `digits` is set; the list of names or indices of choices; the number.

    Attributes:
        length: Number of positions.
        choices: Names of the choices: the same at each position, or a tuple for each position.
        digits: One character for each choice; the string of an architecture is then, say, `0210`.
        equal: Equivalence of architectures.

    Raises:
        SpecError: The space is inconsistent, such as digit strings that could be numbers.
    """

    kind: ClassVar[str] = "product"

    length: int
    choices: tuple[str | tuple[str, ...], ...]
    digits: str | None = None
    equal: Equal | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.length <= _MAX_CHOICES:
            raise SpecError(f"space: length is {self.length}; it must be 1 to {_MAX_CHOICES}")
        differing = [choices for choices in self.choices if not isinstance(choices, str)]
        if differing and not len(differing) == len(self.choices) == self.length:
            raise SpecError(
                f"space: choices {shown(self.choices)} are neither names nor a list of names for "
                f"each of {self.length} positions"
            )
        if differing and (self.digits is not None or self.equal is not None):
            raise SpecError("space: digits and equal need the same choices at each position")
        for choices in self.places[: None if differing else 1] or ((),):
            _check_choices(choices)
        if self.size > _MAX_ENUMERATED:
            raise SpecError(
                f"space: {self.length} positions have more than {_MAX_ENUMERATED:,} architectures;"
                " declare the space as listed"
            )
        if self.digits is not None:
            self._check_digits(self.digits)
        elif self.length == 1 and any(choice.isdecimal() for choice in self.places[0]):
            # Without a separator, the name of a single choice would be read as a number.
            raise SpecError("space: with one position, choices must not be numbers")
        if self.equal is not None:
            self._check_equal(self.equal)

    @cached_property
    def places(self) -> tuple[tuple[str, ...], ...]:
        """Choices of each position."""
        same = tuple(choice for choice in self.choices if isinstance(choice, str))
        if same:
            return (same,) * self.length
        return tuple(choices for choices in self.choices if not isinstance(choices, str))

    @cached_property
    def size(self) -> int:
        """Number of architectures."""
        return prod(map(len, self.places))

    @property
    def arch(self) -> str:
        """A sentence that says how an architecture is spelled."""
        return (
            f"An architecture: its string, such as {self._text(self._example)}, its index, or the "
            f"list of its {self.length} choices (as JSON)."
        )

    @property
    def examples(self) -> tuple[Any, ...]:
        """Spellings, as JSON has them."""
        return examples_of(self.fields)

    @property
    def fields(self) -> tuple[Field, ...]:
        """Fields for the list of choices, the string and the index."""
        example = self.names(self.size - 1)
        return (
            Field(
                name="arch",
                kind="list of text",
                description=f"The choice at each of {self.length} positions: {self._told}.",
                example=example["arch"],
            ),
            Field(
                name="arch_str",
                kind="text",
                description="The architecture as one string.",
                example=example["arch_str"],
            ),
            Field(
                name="index",
                kind="integer",
                description=f"Index of the architecture in the order of the choices, 0 to "
                f"{self.size - 1:,}.",
                example=example["index"],
            ),
        )

    def number(self, spelling: Any) -> int:
        """Return the index of an architecture in any spelling.

        Raises:
            SpellingError: The architecture is malformed or outside the space.
        """
        if isinstance(spelling, str):
            return self._of_text(spelling.strip())
        if isinstance(spelling, int) and not isinstance(spelling, bool):
            return in_range(spelling, self.size)
        if isinstance(spelling, Sequence) and not isinstance(spelling, bytes | Mapping):
            return self._of_list(spelling)
        raise SpellingError(
            f"an architecture is a string, an index or a list, not {shown(spelling)}"
        )

    def names(self, number: int) -> Names:
        """Return list, string and index of an architecture."""
        positions = self._positions(number)
        return {
            "arch": [
                choices[position] for choices, position in zip(self.places, positions, strict=True)
            ],
            "arch_str": self._text(positions),
            "index": number,
        }

    def neighbors(self, number: int) -> list[int]:
        """Return the numbers that differ in one choice, by position and order of the choices."""
        found = []
        around = zip(self._positions(number), self._weights, self.places, strict=True)
        for present, weight, choices in around:
            start = number - present * weight
            found += [start + other * weight for other in range(len(choices)) if other != present]
        return found

    def equals(self, number: int) -> int:
        """Return the smallest number of the architectures equivalent to this one."""
        if self.equal is None:
            return number
        positions = self._positions(number)
        drop = self.choices.index(self.equal.drop)
        for group in self.equal.within:
            kept = [positions[place] for place in group if positions[place] != drop]
            # The smallest number has the dropped choices before the first larger choice.
            before = next((at for at, one in enumerate(kept) if one > drop), len(kept))
            dropped = [drop] * (len(group) - len(kept))
            ordered = kept[:before] + dropped + kept[before:]
            for place, position in zip(group, ordered, strict=True):
                positions[place] = position
        return self._counted(positions)

    @cached_property
    def _weights(self) -> tuple[int, ...]:
        counts = [len(choices) for choices in self.places]
        return tuple(prod(counts[place + 1 :]) for place in range(self.length))

    @cached_property
    def _read_at(self) -> tuple[Mapping[Any, int], ...]:
        """For each position, the index of a choice by its name or number."""
        read = {choices: _positions_of(choices) for choices in set(self.places)}
        return tuple(read[choices] for choices in self.places)

    @property
    def _told(self) -> str:
        if len(set(self.places)) == 1:
            return ", ".join(self.places[0])
        return "; ".join(", ".join(choices) for choices in self.places)

    @property
    def _example(self) -> list[int]:
        return self._positions(self.size - 1)

    def _positions(self, number: int) -> list[int]:
        rest = in_range(number, self.size)
        found = []
        for weight in self._weights:
            position, rest = divmod(rest, weight)
            found.append(position)
        return found

    def _counted(self, positions: Sequence[int]) -> int:
        return sum(
            position * weight for position, weight in zip(positions, self._weights, strict=True)
        )

    @cached_property
    def _longest(self) -> int:
        names = sum(max(map(len, choices)) for choices in self.places)
        return names + (self.length + 1) * _JSON_OVERHEAD

    def _text(self, positions: Sequence[int]) -> str:
        if self.digits is not None:
            return "".join(self.digits[position] for position in positions)
        chosen = zip(self.places, positions, strict=True)
        return _SEPARATOR.join(choices[position] for choices, position in chosen)

    def _of_text(self, text: str) -> int:
        if len(text) > self._longest:
            raise SpellingError(f"{len(text)} characters are longer than any architecture")
        if self.digits is not None and len(text) == self.length and set(text) <= set(self.digits):
            return self._counted([self.digits.index(digit) for digit in text])
        if text.isascii() and text.isdecimal():
            return in_range(int(text[:MOST_DIGITS]), self.size)
        if text.startswith("["):
            return self._of_list(_listed(text))
        if _SEPARATOR in text or text in self.places[0]:
            return self._of_list(text.split(_SEPARATOR))
        raise SpellingError(
            f"{shown(text)} is not an architecture: write it like {self._text(self._example)}, as "
            "an index, or as a JSON list"
        )

    def _of_list(self, choices: Sequence[Any]) -> int:
        if len(choices) != self.length:
            raise SpellingError(f"{len(choices)} choices; an architecture has {self.length}")
        positions = []
        for place, (choice, known) in enumerate(zip(choices, self._read_at, strict=True)):
            position = known.get(choice) if type(choice) in (int, str) else None
            if position is None:
                raise SpellingError(
                    f"unknown choice {shown(choice)} at position {place}; known are "
                    f"{', '.join(self.places[place])}"
                )
            positions.append(position)
        return self._counted(positions)

    def _check_digits(self, digits: str) -> None:
        if len(digits) != len(self.choices) or len(set(digits)) != len(digits):
            raise SpecError(
                f"space: digits {shown(digits)} are not one for each of {len(self.choices)} choices"
            )
        if not digits.isascii() or not digits.isalnum():
            raise SpecError(f"space: digits {shown(digits)} are not letters and digits")
        decimal = any(digit.isdecimal() for digit in digits)
        # A text of so many digits could also be an index; over HTTP both are text.
        if decimal and self.size > 10 ** (self.length - 1):
            raise SpecError(
                f"space: {self.length} digits can be an architecture and an index of "
                f"{self.size:,}: leave the digits out"
            )

    def _check_equal(self, equal: Equal) -> None:
        if equal.drop not in self.choices:
            raise SpecError(f"space: equal drops {shown(equal.drop)}, which is not a choice")
        places = [place for group in equal.within for place in group]
        if len(set(places)) != len(places) or not all(0 <= place < self.length for place in places):
            raise SpecError(
                f"space: equal within {shown(equal.within)} are not distinct positions of the space"
            )


def _positions_of(choices: Sequence[str]) -> dict[Any, int]:
    """Return the indices of choices by name and number.

    A number is an index, unless a name is a number: then numbers mean the choices of these names.
    """
    by_name: dict[Any, int] = {name: place for place, name in enumerate(choices)}
    numbers = [name for name in choices if name.isdecimal()]
    if numbers:
        return by_name | {int(name): by_name[name] for name in numbers}
    return by_name | {place: place for place in range(len(choices))}


def _check_choices(choices: tuple[str, ...]) -> None:
    if not 1 < len(choices) <= _MAX_CHOICES or len(set(choices)) != len(choices):
        raise SpecError(f"space: choices {shown(choices)} are not two or more distinct names")
    for choice in choices:
        if not _CHOICE.fullmatch(choice) or len(choice) > _LONGEST_CHOICE:
            raise SpecError(
                f"space: choice {shown(choice)} is not a name of letters, digits and `_.+-` with at"
                f" most {_LONGEST_CHOICE} characters"
            )


def _listed(text: str) -> Sequence[Any]:
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpellingError(f"the architecture is not valid JSON: {error}") from error
    if not isinstance(decoded, list):
        raise SpellingError(f"the architecture is not a list but {shown(decoded)}")
    return decoded
