"""Search spaces of tables: spellings, indices, neighbours and equivalent architectures.

A space converts every spelling of an architecture to its number, and a number to its spellings.

* `Product`: a fixed number of positions with one choice each. Numbers count in the order of the
  choices, the first position being the most significant.
* `Listed`: the architectures that a file lists; their names are passed to `opened`.
* `Like`: the architectures of another benchmark, whose code parses them.
* `Coded`: architectures that the code of a benchmark parses.
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
    """A space that can parse and spell its architectures."""

    @property
    def size(self) -> int:
        """Number of architectures."""

    def number(self, spelling: Any) -> int:
        """Return the number of an architecture in any spelling.

        Raises:
            SpellingError: The architecture is malformed or outside the space.
        """

    def names(self, number: int) -> Names:
        """Return all spellings of the architecture with a number."""

    def neighbors(self, number: int) -> list[int] | None:
        """Return the numbers one edit away, in a fixed order; None if the space has no edits."""

    def equals(self, number: int) -> int:
        """Return the smallest number of the architectures equivalent to this one."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The architectures that a file lists, spelled by their names or numbers.

    `opened` returns the space for the sorted names; only that space can parse architectures.

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
            "Published name of the architecture.",
            "Index of the architecture among the sorted names.",
            self.example,
        )

    def opened(self, names: Sequence[str]) -> ListedNames:
        """Return the space of sorted names without duplicates."""
        return ListedNames(tuple(names))


@dataclass(frozen=True)
class ListedNames:
    """The space of listed names; the number of an architecture is the index of its name.

    Attributes:
        listed: The names, ascending.
    """

    listed: tuple[str, ...] = field(repr=False)

    @property
    def size(self) -> int:
        """Number of architectures."""
        return len(self.listed)

    def number(self, spelling: Any) -> int:
        """Return the number of an architecture given by name or number.

        Raises:
            SpellingError: There is no such name, or the number is out of range.
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
        """Return None, because a list defines no edits."""

    def equals(self, number: int) -> int:
        """Return the number itself, because a list defines no equivalence."""
        return number


@dataclass(frozen=True, kw_only=True)
class Like:
    """The architectures of another benchmark.

    Attributes:
        benchmark: Name of the benchmark.
    """

    kind: ClassVar[str] = "like"

    benchmark: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.benchmark):
            raise SpecError(f"space: like {shown(self.benchmark)}, which cannot name a benchmark")

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
        """The architecture string and the index."""
        return _text_and_index(
            f"Architecture string of {self.benchmark}.",
            f"Index of the architecture in {self.benchmark}.",
            None,
        )


@dataclass(frozen=True, kw_only=True)
class Coded:
    """Architectures that the benchmark's own code parses: cells, graphs, networks.

    Attributes:
        size: Number of architectures; None if they are too many to count.
        fields: Fields of an item with spellings of the architecture, in order.
        arch: A sentence that says how an architecture is spelled.
        examples: Spellings as JSON values.
        choices: Candidates by the name of the choice; empty if the number of choices varies.
        template: If every combination of choices is an architecture, its string with `{}` for each
            choice, in order.

    Raises:
        SpecError: The template does not have one `{}` per choice.
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
            raise SpecError(f"space: {shown(self.template)} does not have one {{}} per choice")

    def spell(self, values: Sequence[str | int]) -> str:
        """Return the architecture string of these choices.

        Raises:
            SpecError: Not every combination of choices is an architecture.
        """
        return self._template.format(*values)

    def read(self, arch: str) -> list[str | int]:
        """Return the choices of an architecture string.

        Raises:
            SpecError: Not every combination of choices is an architecture.
            SpellingError: The string does not match the template.
        """
        found = self._pattern.fullmatch(arch)
        if found is None:
            raise SpellingError(f"{shown(arch)} is not written as {self.template}")
        values = []
        for text, choices in zip(found.groups(), self.choices.values(), strict=True):
            value = next((choice for choice in choices if str(choice) == text), None)
            if value is None:
                raise SpellingError(f"{shown(text)} is not one of {', '.join(map(str, choices))}")
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
    """Return a name after checking that a listed architecture may have it.

    Raises:
        SpellingError: The name is not a string, empty, too long, has characters beyond ASCII or
            outer spaces, or is a number, which would be read as an index.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_LISTED:
        raise SpellingError(f"{shown(name)} is not a name of 1 to {_LONGEST_LISTED} characters")
    if not _PATTERN.fullmatch(name) or name.isdecimal():
        raise SpellingError(f"{shown(name)} is not a name: it must be printable ASCII, no number")
    return name
