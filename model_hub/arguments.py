"""Checks of arguments: counts, numbers, lists of them, and names.

Each returns the checked value, so that a space can write `checked = a_count("num_labels", value)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from model_hub.errors import InvalidArgumentError, listed, nearest, shown

__all__ = [
    "a_count",
    "a_number",
    "a_share",
    "a_switch",
    "check_each",
    "counts",
    "distinct_numbers",
    "one_of",
]

T = TypeVar("T")

_LARGEST_COUNT: Final = 1 << 20
"""Channels, labels or blocks: far above any network, far below what overflows a product of four."""


def a_count(argument: str, value: object, *, least: int = 1, most: int = _LARGEST_COUNT) -> int:
    """Return an integer from `least` to `most`.

    Raises:
        InvalidArgumentError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidArgumentError(
            argument, f"{shown(value)} is not an integer from {least} to {most}"
        )
    return value


def a_number(argument: str, value: object, *, least: float, most: float) -> float:
    """Return a number from `least` to `most`.

    Raises:
        InvalidArgumentError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidArgumentError(argument, f"{shown(value)} is not a number {least} to {most}")
    try:
        return float(value)
    except OverflowError:
        raise InvalidArgumentError(argument, f"{shown(value)} is larger than any float") from None


def a_share(argument: str, value: object) -> float:
    """Return a number from 0 to 1: a rate, a probability, a momentum.

    Raises:
        InvalidArgumentError: It is something else.
    """
    return a_number(argument, value, least=0, most=1)


def a_switch(argument: str, value: object) -> bool:
    """Return a truth.

    Raises:
        InvalidArgumentError: It is something else, such as 0 or 1.
    """
    return one_of(argument, value, (True, False))


def check_each(holder: object, check: Callable[[str, object], object], *arguments: str) -> None:
    """Check several arguments alike, each of which an object holds under its name."""
    for argument in arguments:
        check(argument, getattr(holder, argument))


def counts(argument: str, values: object, *, length: int) -> tuple[int, ...]:
    """Return `length` positive integers.

    Raises:
        InvalidArgumentError: It is something else.
    """
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != length:
        raise InvalidArgumentError(argument, f"{shown(values)} is not a list of {length} integers")
    return tuple(a_count(argument, value) for value in values)


def distinct_numbers(argument: str, values: object) -> tuple[Any, ...]:
    """Return a tuple of numbers, at least one, of which no two are equal.

    Raises:
        InvalidArgumentError: It is something else.
    """
    if (
        not isinstance(values, tuple)
        or not values
        or not all(isinstance(value, int | float) for value in values)
        or len(set(values)) < len(values)
    ):
        raise InvalidArgumentError(argument, f"{shown(values)} is not a list of distinct numbers")
    return values


def one_of(argument: str, value: Any, allowed: Sequence[T]) -> T:
    """Return the value if it is one of `allowed`.

    Raises:
        InvalidArgumentError: It is not. 0 and 1 are no truths, though Python says they are equal.
    """
    if value not in allowed or isinstance(value, bool) is not isinstance(allowed[0], bool):
        names = [item for item in allowed if isinstance(item, str)]
        close = nearest(value, names, or_all=False)
        raise InvalidArgumentError(
            argument, f"{shown(value)} is not one of {listed(allowed)}{close}"
        )
    return allowed[allowed.index(value)]
