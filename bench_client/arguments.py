"""Checks and conversion of arguments before they are passed to a transport."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from bench_client.errors import BenchmarkNotInstalledError, InvalidRequestError
from bench_client.models.answers import FieldError

__all__ = ["BOUNDS", "Reduction", "boolean", "checked_name", "count", "listed", "number", "plain"]
__all__ += ["integer", "plain_arch", "plain_filter", "plain_filters", "refused", "text"]

_PLAIN: Final = frozenset({str, int})

_INTEGERS: Final = frozenset({"num_epochs", "seed"})
_BOOLEANS: Final = frozenset({"isomorphism"})
"""Filters that are integers, and that are booleans, in every benchmark."""

BOUNDS: Final = ("min_", "max_")
"""Prefixes of filters that are the lower or upper bound of a metric."""

Reduction: TypeAlias = Literal["mean", "std", "min", "max"]
"""How several runs of one configuration become one item."""


def plain(value: Any) -> Any:
    """Convert a number or boolean of another library, such as numpy, to Python's."""
    if value is None or isinstance(value, str | int):
        return value
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    try:
        return operator.index(value)
    except TypeError:
        return value


def plain_arch(arch: Any) -> Any:
    """Convert an architecture with numpy numbers, lists or matrices to JSON-compatible types."""
    if arch is None or isinstance(arch, str | int):
        return arch
    if isinstance(arch, list | tuple):
        # A batch has thousands of architectures, and most need no conversion.
        return list(arch) if {*map(type, arch)} <= _PLAIN else [plain(number) for number in arch]
    if isinstance(arch, Mapping):
        return {name: _listed(value) for name, value in arch.items()}
    return _listed(plain(arch))


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def boolean(name: str, value: Any) -> bool:
    """Return a boolean argument.

    Raises:
        InvalidRequestError: The value is not a boolean. (In a URL it would be text.)
    """
    found = plain(value)
    if isinstance(found, bool):
        return found
    raise refused(name, f"{value!r:.80} is not true or false")


def integer(name: str, value: Any) -> int | None:
    """Return an integer argument, or None.

    It is checked here because values in a URL are text, where 200 and "200" are the same.

    Raises:
        InvalidRequestError: The value is neither an integer nor None.
    """
    number = plain(value)
    if number is None or (isinstance(number, int) and not isinstance(number, bool)):
        return number
    raise refused(name, f"{value!r:.80} is not a whole number")


def count(name: str, value: Any) -> int:
    """Return an integer argument that may not be None.

    Raises:
        InvalidRequestError: The value is not an integer.
    """
    found = integer(name, value)
    if found is None:
        raise refused(name, "None is not a whole number")
    return found


def number(name: str, value: Any) -> float | None:
    """Return a numeric argument, or None.

    Raises:
        InvalidRequestError: The value is neither a number nor None.
    """
    found = plain(value)
    if found is None or (isinstance(found, int | float) and not isinstance(found, bool)):
        return found
    raise refused(name, f"{value!r:.80} is not a number")


def text(name: str, value: Any) -> str:
    """Return an argument that is a name, such as that of a metric.

    Raises:
        InvalidRequestError: The value is not a string.
    """
    if isinstance(value, str):
        return value
    raise refused(name, f"{value!r:.80} is not a name")


def checked_name(benchmark: Any) -> str:
    """Return the name of a benchmark.

    Raises:
        BenchmarkNotInstalledError: The value is not a string.
    """
    if isinstance(benchmark, str):
        return benchmark
    raise BenchmarkNotInstalledError(f"{benchmark!r:.80} is not the name of a benchmark")


def listed(name: str, values: Any, one: str) -> Iterable[Any]:
    """Return an argument that is an iterable of several items.

    Args:
        name: Name of the argument.
        values: The argument.
        one: What an item is, for messages.

    Raises:
        TypeError: The argument is a single item, or not iterable.
    """
    if isinstance(values, str | bytes | bytearray | Mapping):
        raise TypeError(f"{name} is one {one}, {values!r:.80}: put it into a list")
    try:
        found: Iterable[Any] = iter(values)
    except TypeError:
        raise TypeError(f"{name} is {values!r:.80}, not a list of {one}s") from None
    return found


def plain_filter(name: str, value: Any) -> Any:
    """Check and convert a filter, by its name, because values in a URL have no types.

    Raises:
        InvalidRequestError: The filter must be an integer or a boolean, and is not.
    """
    if name in _INTEGERS:
        return integer(name, value)
    return boolean(name, value) if name in _BOOLEANS and value is not None else plain(value)


def plain_filters(
    dataset: str | None, num_epochs: int | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the axis values and bounds of a query, by name.

    Raises:
        InvalidRequestError: `num_epochs` is not an integer, or a bound is not a number.
    """
    named = {"dataset": dataset, "num_epochs": integer("num_epochs", num_epochs)}
    others = {
        name: number(name, value) if name.startswith(BOUNDS) else plain(value)
        for name, value in more.items()
    }
    return {**named, **others}


def refused(field: str, message: str) -> InvalidRequestError:
    """Return the error for an invalid argument."""
    return InvalidRequestError(f"{field}: {message}", errors=[FieldError(loc=[field], msg=message)])
