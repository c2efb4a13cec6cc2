"""Names of architectures: what items call them, and the numbers that stand for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from benchmark_spec.errors import SpellingError, shown

__all__ = ["MOST_DIGITS", "Field", "Names", "examples_of", "in_range"]

Names: TypeAlias = dict[str, Any]
"""Every name of an architecture, by the name of the field."""

MOST_DIGITS: Final = 20
"""Digits of an index that are looked at: a longer one is out of range in any case."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A name of an architecture as an item of an answer has it.

    Attributes:
        name: Its name.
        kind: `integer`, `text`, `object`, or a list or an object of either.
        description: A sentence.
        example: One, if there is any.
    """

    name: str
    kind: str
    description: str
    example: Any = None


def examples_of(fields: Iterable[Field]) -> tuple[Any, ...]:
    """Return the examples of the fields that have one: spellings, where each name is one."""
    return tuple(field.example for field in fields if field.example is not None)


def in_range(number: int, size: int) -> int:
    """Return the number of an architecture of a space of some size.

    Raises:
        SpellingError: It is out of range.
    """
    if not 0 <= number < size:
        raise SpellingError(
            f"index {shown(number)} is out of range: the space has indices 0 to {size - 1}"
        )
    return number
