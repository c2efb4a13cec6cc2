"""Names and indices of architectures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from benchmark_spec.errors import SpellingError, shown

__all__ = ["MOST_DIGITS", "Field", "Names", "examples_of", "in_range"]

Names: TypeAlias = dict[str, Any]
"""All spellings of an architecture, by field name."""

MOST_DIGITS: Final = 20
"""Digits of an index that are parsed; a longer index is out of range in any case."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """Field of an item with one spelling of an architecture.

    Attributes:
        name: Name of the field.
        kind: `integer`, `text`, `object`, or a list or an object of either.
        description: A sentence.
        example: An example; None for none.
    """

    name: str
    kind: str
    description: str
    example: Any = None


def examples_of(fields: Iterable[Field]) -> tuple[Any, ...]:
    """Return the examples of the fields that have one."""
    return tuple(field.example for field in fields if field.example is not None)


def in_range(number: int, size: int) -> int:
    """Return an index after checking that it is in 0 to size - 1.

    Raises:
        SpellingError: The index is out of range.
    """
    if not 0 <= number < size:
        raise SpellingError(
            f"index {shown(number)} is out of range: the space has indices 0 to {size - 1}"
        )
    return number
