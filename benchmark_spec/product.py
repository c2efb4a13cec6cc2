"""Architectures that make one choice at each of a fixed number of places."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, ClassVar, Final

from benchmark_spec.errors import SpecError, SpellingError, shown
from benchmark_spec.names import MOST_DIGITS, Field, Names, in_range

__all__ = ["Equal", "Product"]

_MOST_ENUMERATED: Final = 10**7
_MOST_CHOICES: Final = 1_000
_LONGEST_CHOICE: Final = 60
_CHOICE: Final = re.compile(r"[\w.+-]+", re.ASCII)
_SEPARATOR: Final = "|"
_JSON_OVERHEAD: Final = 6
"""Characters that a choice takes in a generously spaced JSON list beside its own."""


@dataclass(frozen=True, kw_only=True)
class Equal:
    """Which architectures of a product are the same network: `drop` may move within a group.

    Attributes:
        within: Groups of neighbouring places, counted from 0. In a group the choices other than
            `drop` keep their order, and where `drop` stands makes no difference.
        drop: The choice that changes nothing, such as an identity.
    """

    within: tuple[tuple[int, ...], ...]
    drop: str


@dataclass(frozen=True, kw_only=True)
class Product:
    """Architectures that make one choice at each of a fixed number of places.

    All spellings are accepted: the string of the choices' names, joined by `|`; the string of their
    digits, where they have some; the list of names or of positions of choices; the number.

    Attributes:
        length: How many places.
        choices: The names of the choices, the same at each place.
        digits: A character for each choice; with them the string of an architecture is `0210`.
        equal: Which are the same network.

    Raises:
        SpecError: Something contradicts itself, such as digits that can be a number as well.
    """

    kind: ClassVar[str] = "product"

    length: int
    choices: tuple[str, ...]
    digits: str | None = None
    equal: Equal | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.length <= _MOST_CHOICES:
            raise SpecError(f"space: a length of {self.length}, which is 1 to {_MOST_CHOICES}")
        _check_choices(self.choices)
        if self.size > _MOST_ENUMERATED:
            raise SpecError(
                f"space: {len(self.choices)} choices at {self.length} places are more than "
                f"{_MOST_ENUMERATED:,} architectures: declare the space as listed"
            )
        if self.digits is not None:
            self._check_digits(self.digits)
        elif self.length == 1 and any(choice.isdecimal() for choice in self.choices):
            # Without a separator, the name of a single choice would be read as a number.
            raise SpecError("space: of one place, its choices must not be numbers")
        if self.equal is not None:
            self._check_equal(self.equal)

    @cached_property
    def size(self) -> int:
        """How many architectures there are."""
        return int(prod([len(self.choices)] * self.length))

    @property
    def arch(self) -> str:
        """A sentence that says how an architecture is spelled."""
        return (
            f"An architecture: its string, such as {self._text(self._example)}, its index, or the "
            f"list of its {self.length} choices (as JSON)."
        )

    @property
    def fields(self) -> tuple[Field, ...]:
        """The list of choices, the string and the index."""
        example = self.names(self.size - 1)
        return (
            Field(
                name="arch",
                kind="list of text",
                description=f"The choice at each of {self.length} places: "
                f"{', '.join(self.choices)}.",
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
                description=f"Place of the architecture in the order of the choices, 0 to "
                f"{self.size - 1:,}.",
                example=example["index"],
            ),
        )

    def number(self, spelling: Any) -> int:
        """Return the index of an architecture given in any of its spellings.

        Raises:
            SpellingError: It is malformed or outside the space.
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
        choices = self.choices
        return {
            "arch": [choices[position] for position in positions],
            "arch_str": self._text(positions),
            "index": number,
        }

    def neighbors(self, number: int) -> list[int]:
        """Return those that differ in one choice, place by place, in the order of the choices."""
        found = []
        for present, weight in zip(self._positions(number), self._weights, strict=True):
            start = number - present * weight
            found += [
                start + other * weight for other in range(len(self.choices)) if other != present
            ]
        return found

    def equals(self, number: int) -> int:
        """Return the smallest number of those whose networks compute the same."""
        if self.equal is None:
            return number
        positions = self._positions(number)
        drop = self.choices.index(self.equal.drop)
        for group in self.equal.within:
            kept = [positions[place] for place in group if positions[place] != drop]
            # The smallest order: what changes nothing stands before the first larger choice.
            before = next((at for at, one in enumerate(kept) if one > drop), len(kept))
            dropped = [drop] * (len(group) - len(kept))
            ordered = kept[:before] + dropped + kept[before:]
            for place, position in zip(group, ordered, strict=True):
                positions[place] = position
        return self._counted(positions)

    @cached_property
    def _weights(self) -> tuple[int, ...]:
        return tuple(len(self.choices) ** place for place in reversed(range(self.length)))

    @cached_property
    def _places(self) -> Mapping[Any, int]:
        """Positions of the choices by what a list may hold: names, and numbers.

        A number is a position, unless a name is a number: then it means the choice of that name.
        """
        by_name: dict[Any, int] = {name: place for place, name in enumerate(self.choices)}
        numbers = [name for name in self.choices if name.isdecimal()]
        if numbers:
            return by_name | {int(name): by_name[name] for name in numbers}
        return by_name | {place: place for place in range(len(self.choices))}

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

    def _text(self, positions: Sequence[int]) -> str:
        if self.digits is not None:
            return "".join(self.digits[position] for position in positions)
        return _SEPARATOR.join(self.choices[position] for position in positions)

    def _of_text(self, text: str) -> int:
        longest = self.length * (max(map(len, self.choices)) + _JSON_OVERHEAD) + _JSON_OVERHEAD
        if len(text) > longest:
            raise SpellingError(f"an architecture of {len(text)} characters; none is that long")
        if self.digits is not None and len(text) == self.length and set(text) <= set(self.digits):
            return self._counted([self.digits.index(digit) for digit in text])
        if text.isascii() and text.isdecimal():
            return in_range(int(text[:MOST_DIGITS]), self.size)
        if text.startswith("["):
            return self._of_list(_listed(text))
        if _SEPARATOR in text or text in self.choices:
            return self._of_list(text.split(_SEPARATOR))
        raise SpellingError(
            f"{shown(text)} is no architecture: write it like {self._text(self._example)}, an "
            "index, or a list as JSON"
        )

    def _of_list(self, choices: Sequence[Any]) -> int:
        if len(choices) != self.length:
            raise SpellingError(f"{len(choices)} choices; an architecture has {self.length}")
        positions = []
        for place, choice in enumerate(choices):
            known = type(choice) in (int, str)
            position = self._places.get(choice) if known else None
            if position is None:
                raise SpellingError(
                    f"{shown(choice)} at place {place}; there may be {', '.join(self.choices)}"
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
        # An index of as many digits could be meant as well; over HTTP all of it is text.
        if decimal and self.size > 10 ** (self.length - 1):
            raise SpecError(
                f"space: {self.length} digits can be an architecture and an index of "
                f"{self.size:,}: leave the digits out"
            )

    def _check_equal(self, equal: Equal) -> None:
        if equal.drop not in self.choices:
            raise SpecError(f"space: equal drops {shown(equal.drop)}, which is none of its choices")
        places = [place for group in equal.within for place in group]
        if len(set(places)) != len(places) or not all(0 <= place < self.length for place in places):
            raise SpecError(f"space: equal within {shown(equal.within)}: not places, each once")


def _check_choices(choices: tuple[str, ...]) -> None:
    if not 1 < len(choices) <= _MOST_CHOICES or len(set(choices)) != len(choices):
        raise SpecError(f"space: choices {shown(choices)}: not two or more, each once")
    for choice in choices:
        if not _CHOICE.fullmatch(choice) or len(choice) > _LONGEST_CHOICE:
            raise SpecError(
                f"space: choice {shown(choice)} is no name of letters, digits, `_.+-` and at most "
                f"{_LONGEST_CHOICE} characters"
            )


def _listed(text: str) -> Sequence[Any]:
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpellingError(f"the architecture is not valid JSON: {error}") from error
    if not isinstance(decoded, list):
        raise SpellingError(f"the architecture is no list but {shown(decoded)}")
    return decoded
