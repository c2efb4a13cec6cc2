"""Checks of arguments: integers, numbers, lists of them, and names.

Each check returns its value, so that a space can write `checked = a_count("num_labels", value)`.
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
"""Limit of channels, labels or blocks: above any network, but a product of four cannot overflow."""


def a_count(argument: str, value: object, *, least: int = 1, most: int = _LARGEST_COUNT) -> int:
    """Return the value if it is an integer from `least` to `most`.

    Raises:
        InvalidArgumentError: The value is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidArgumentError(
            argument, f"{shown(value)} is not an integer from {least} to {most}"
        )
    return value


def a_number(argument: str, value: object, *, least: float, most: float) -> float:
    """Return the value as a float if it is a number from `least` to `most`.

    Raises:
        InvalidArgumentError: The value is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidArgumentError(argument, f"{shown(value)} is not a number {least} to {most}")
    try:
        return float(value)
    except OverflowError:
        raise InvalidArgumentError(argument, f"{shown(value)} is larger than any float") from None


def a_share(argument: str, value: object) -> float:
    """Return the value as a float if it is from 0 to 1, such as a rate or a probability.

    Raises:
        InvalidArgumentError: The value is anything else.
    """
    return a_number(argument, value, least=0, most=1)


def a_switch(argument: str, value: object) -> bool:
    """Return the value if it is True or False.

    Raises:
        InvalidArgumentError: The value is anything else, such as 0 or 1.
    """
    return one_of(argument, value, (True, False))


def check_each(holder: object, check: Callable[[str, object], object], *arguments: str) -> None:
    """Apply a check to several attributes of an object."""
    for argument in arguments:
        check(argument, getattr(holder, argument))


def counts(argument: str, values: object, *, length: int) -> tuple[int, ...]:
    """Return the values as a tuple if they are `length` positive integers.

    Raises:
        InvalidArgumentError: They are anything else.
    """
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != length:
        raise InvalidArgumentError(argument, f"{shown(values)} is not a list of {length} integers")
    return tuple(a_count(argument, value) for value in values)


def distinct_numbers(argument: str, values: object) -> tuple[Any, ...]:
    """Return the values if they are a non-empty tuple of distinct numbers.

    Raises:
        InvalidArgumentError: They are anything else.
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
        InvalidArgumentError: It is not. 0 and 1 do not count as False and True, although equal.
    """
    if value not in allowed or isinstance(value, bool) is not isinstance(allowed[0], bool):
        names = [item for item in allowed if isinstance(item, str)]
        close = nearest(value, names, or_all=False)
        raise InvalidArgumentError(
            argument, f"{shown(value)} is not one of {listed(allowed)}{close}"
        )
    return allowed[allowed.index(value)]
