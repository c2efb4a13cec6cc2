"""What an architecture of a table is: its spellings, names, neighbors and equals.

A space turns every spelling of an architecture into its number, and a number into its names.

* `Product`: a fixed number of places, each with one of some choices. The number counts in the
  order of the choices, the first place most significant.
* `Listed`: the architectures that a file has, and no others. Who opens it brings their names.
* `Like`: the architectures of another benchmark, which reads and names them.
* `Coded`: what the code of a benchmark reads and names, with the names that items have.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from benchmark_spec.errors import SpecError, SpellingError, shown
from benchmark_spec.names import MOST_DIGITS, Field, Names, examples_of, in_range
from benchmark_spec.product import Product

__all__ = ["Coded", "Like", "Listed", "ListedNames", "OpenSpace", "Space", "check_listed_name"]


_LONGEST_LISTED: Final = 500
_PATTERN: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")


class OpenSpace(Protocol):
    """A space whose architectures can be read and named."""

    @property
    def size(self) -> int:
        """How many architectures there are."""

    def number(self, spelling: Any) -> int:
        """Return the number of an architecture given in any of its spellings.

        Raises:
            SpellingError: It is malformed or outside the space.
        """

    def names(self, number: int) -> Names:
        """Return every name of the architecture with a number."""

    def neighbors(self, number: int) -> list[int] | None:
        """Return the numbers one edit away, in a fixed order; None where there are no edits."""

    def equals(self, number: int) -> int:
        """Return the smallest number of those whose networks compute the same."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The architectures that a file has: each has a name, and no other spelling but its number.

    `opened` gives the space of the names, ascending; before that nothing can be read.

    Attributes:
        example: A name, for documents.
    """

    kind: ClassVar[str] = "listed"

    example: str

    def __post_init__(self) -> None:
        check_listed_name(self.example)

    @property
    def arch(self) -> str:
        """A sentence that says how an architecture is spelled."""
        return "An architecture: its name in the published file, or its index."

    @property
    def examples(self) -> tuple[Any, ...]:
        """Spellings, as JSON has them."""
        return examples_of(self.fields)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The name and the index."""
        return _text_and_index(
            "The architecture as published.",
            "Place of the architecture among the published ones, by name.",
            self.example,
        )

    def opened(self, names: Sequence[str]) -> ListedNames:
        """Return the space of these names, which are ascending and each there once."""
        return ListedNames(tuple(names))


@dataclass(frozen=True)
class ListedNames:
    """The space of listed names; a number is the place among them.

    Attributes:
        listed: The names, ascending.
    """

    listed: tuple[str, ...] = field(repr=False)

    @property
    def size(self) -> int:
        """How many architectures there are."""
        return len(self.listed)

    def number(self, spelling: Any) -> int:
        """Return the number of an architecture given by name or number.

        Raises:
            SpellingError: There is none of this name, or it is outside the list.
        """
        if isinstance(spelling, int) and not isinstance(spelling, bool):
            return in_range(spelling, self.size)
        if not isinstance(spelling, str):
            raise SpellingError(f"an architecture is a name or an index, not {shown(spelling)}")
        place = bisect_left(self.listed, spelling)
        if place < len(self.listed) and self.listed[place] == spelling:
            return place
        if spelling.isascii() and spelling.isdecimal():
            return in_range(int(spelling[:MOST_DIGITS]), self.size)
        raise SpellingError(f"there is no architecture {shown(spelling)} in the published file")

    def names(self, number: int) -> Names:
        """Return name and number of an architecture."""
        return {"arch_str": self.listed[in_range(number, self.size)], "index": number}

    def neighbors(self, number: int) -> None:
        """Return None: a list has no edits."""

    def equals(self, number: int) -> int:
        """Return the number itself: what a list says is all that is known."""
        return number


@dataclass(frozen=True, kw_only=True)
class Like:
    """The architectures of another benchmark.

    Attributes:
        benchmark: Its name.
    """

    kind: ClassVar[str] = "like"

    benchmark: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.benchmark):
            raise SpecError(f"space: like {shown(self.benchmark)}, which is no name of a benchmark")

    @property
    def arch(self) -> str:
        """A sentence that says how an architecture is spelled."""
        return f"An architecture in any spelling of {self.benchmark}."

    @property
    def examples(self) -> tuple[Any, ...]:
        """Spellings, as JSON has them."""
        return examples_of(self.fields)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The published string and the index."""
        return _text_and_index(
            f"The architecture as {self.benchmark} writes it.",
            f"Number of the architecture in {self.benchmark}.",
            None,
        )


@dataclass(frozen=True, kw_only=True)
class Coded:
    """Architectures that the benchmark's own class reads and names: cells, graphs, networks.

    Attributes:
        size: How many there are; None where they are too many to count.
        fields: The names that an architecture has, in the order of an item.
        arch: A sentence that says how an architecture is spelled.
        examples: Spellings, as JSON has them.
        choices: What can be chosen, by the name of the choice; none where there is no fixed number
            of choices.
        template: Where every combination of choices is an architecture: how one is written, with
            `{}` in the place of each choice, in order.

    Raises:
        SpecError: The template has another number of places than there are choices.
    """

    kind: ClassVar[str] = "coded"

    size: int | None
    fields: tuple[Field, ...]
    arch: str
    examples: tuple[Any, ...]
    choices: Mapping[str, tuple[str | int, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    template: str | None = None

    def __post_init__(self) -> None:
        if self.template is not None and self.template.count("{}") != len(self.choices):
            raise SpecError(f"space: {shown(self.template)} has not a place for each choice")

    def spell(self, values: Sequence[str | int]) -> str:
        """Return the architecture of these choices, as its template writes it.

        Raises:
            SpecError: Not every combination of choices is an architecture.
        """
        return self._template.format(*values)

    def read(self, arch: str) -> list[str | int]:
        """Return the choices of an architecture that a template wrote.

        Raises:
            SpecError: Not every combination of choices is an architecture.
            SpellingError: It is not written so.
        """
        found = self._pattern.fullmatch(arch)
        if found is None:
            raise SpellingError(f"{shown(arch)} is not written as {self.template}")
        values = []
        for text, choices in zip(found.groups(), self.choices.values(), strict=True):
            value = next((choice for choice in choices if str(choice) == text), None)
            if value is None:
                raise SpellingError(f"{shown(text)} is none of {', '.join(map(str, choices))}")
            values.append(value)
        return values

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(re.escape(self._template).replace(r"\{\}", "(.*)"))

    @property
    def _template(self) -> str:
        if self.template is None:
            raise SpecError("space: not every combination of choices is an architecture")
        return self.template


Space: TypeAlias = Product | Listed | Like | Coded


def _text_and_index(text: str, index: str, example: str | None) -> tuple[Field, ...]:
    return (
        Field(name="arch_str", kind="text", description=text, example=example),
        Field(name="index", kind="integer", description=index, example=0),
    )


def check_listed_name(name: Any) -> str:
    """Return a name that an architecture of a list may have.

    Raises:
        SpellingError: It is none: it is empty, long, no text, has characters beyond ASCII or spaces
            at its ends, or is a number, which would be read as an index.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_LISTED:
        raise SpellingError(f"{shown(name)} is no name of 1 to {_LONGEST_LISTED} characters")
    if not _PATTERN.fullmatch(name) or name.isdecimal():
        raise SpellingError(f"{shown(name)} is no name: printable ASCII, and not a number")
    return name
