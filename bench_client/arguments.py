"""Arguments as every transport can pass them on."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from bench_client.errors import BenchmarkNotInstalledError, InvalidRequestError
from bench_client.models.answers import FieldError

__all__ = ["BOUNDS", "Reduction", "checked_name", "count", "either", "listed", "number", "plain"]
__all__ += ["plain_arch", "plain_filter", "plain_filters", "refused", "text", "whole"]

_PLAIN: Final = frozenset({str, int})

_WHOLE: Final = frozenset({"num_epochs", "seed"})
_EITHER: Final = frozenset({"isomorphism"})
"""Filters that are whole numbers, and that are true or false, in every benchmark."""

BOUNDS: Final = ("min_", "max_")
"""What filters begin with that are the least or greatest value of a metric."""

Reduction: TypeAlias = Literal["mean", "std", "min", "max"]
"""How several runs of one configuration become one item."""


def plain(value: Any) -> Any:
    """Return a number or truth of any type, such as numpy's, as Python's; all else as it is."""
    if value is None or isinstance(value, str | int):
        return value
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    try:
        return operator.index(value)
    except TypeError:
        return value


def plain_arch(arch: Any) -> Any:
    """Return an architecture whose numbers, lists or matrix may be numpy's as one for JSON."""
    if arch is None or isinstance(arch, str | int):
        return arch
    if isinstance(arch, list | tuple):
        # Most are plain as they are, and a batch has thousands.
        return list(arch) if {*map(type, arch)} <= _PLAIN else [plain(number) for number in arch]
    if isinstance(arch, Mapping):
        return {name: _listed(value) for name, value in arch.items()}
    return _listed(plain(arch))


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def either(name: str, value: Any) -> bool:
    """Return an argument that is true or false.

    Raises:
        InvalidRequestError: It is something else, which text in an address cannot tell.
    """
    found = plain(value)
    if isinstance(found, bool):
        return found
    raise refused(name, f"{value!r:.80} is not true or false")


def whole(name: str, value: Any) -> int | None:
    """Return an argument that is a whole number, or None.

    Checked here because text in an address cannot tell 200 from "200".

    Raises:
        InvalidRequestError: It is something else.
    """
    number = plain(value)
    if number is None or (isinstance(number, int) and not isinstance(number, bool)):
        return number
    raise refused(name, f"{value!r:.80} is not a whole number")


def count(name: str, value: Any) -> int:
    """Return an argument that is a whole number, and cannot be left open by None.

    Raises:
        InvalidRequestError: It is something else.
    """
    found = whole(name, value)
    if found is None:
        raise refused(name, "None is not a whole number")
    return found


def number(name: str, value: Any) -> float | None:
    """Return an argument that is a number, or None.

    Raises:
        InvalidRequestError: It is something else.
    """
    found = plain(value)
    if found is None or (isinstance(found, int | float) and not isinstance(found, bool)):
        return found
    raise refused(name, f"{value!r:.80} is not a number")


def text(name: str, value: Any) -> str:
    """Return an argument that is a name, such as that of a metric.

    Raises:
        InvalidRequestError: It is something else.
    """
    if isinstance(value, str):
        return value
    raise refused(name, f"{value!r:.80} is no name")


def checked_name(benchmark: Any) -> str:
    """Return the name of a benchmark.

    Raises:
        BenchmarkNotInstalledError: It is no text.
    """
    if isinstance(benchmark, str):
        return benchmark
    raise BenchmarkNotInstalledError(f"{benchmark!r:.80} is no name of a benchmark")


def listed(name: str, values: Any, one: str) -> Iterable[Any]:
    """Return an argument that has many of something.

    Args:
        name: Its name.
        values: The argument.
        one: What each is.

    Raises:
        TypeError: It is one of them, or nothing that can be gone through.
    """
    if isinstance(values, str | bytes | bytearray | Mapping):
        raise TypeError(f"{name} is one {one}, {values!r:.80}: put it into a list")
    try:
        found: Iterable[Any] = iter(values)
    except TypeError:
        raise TypeError(f"{name} is {values!r:.80}, no list: put each {one} into one") from None
    return found


def plain_filter(name: str, value: Any) -> Any:
    """Return a filter, by its name, as every transport can pass it on.

    Text in an address has no types.

    Raises:
        InvalidRequestError: It is no whole number, or neither true nor false, where it must be.
    """
    if name in _WHOLE:
        return whole(name, value)
    return either(name, value) if name in _EITHER and value is not None else plain(value)


def plain_filters(
    dataset: str | None, num_epochs: int | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the part of a benchmark and the bounds that a question names, by name.

    Raises:
        InvalidRequestError: The budget is no whole number, or a bound no number.
    """
    named = {"dataset": dataset, "num_epochs": whole("num_epochs", num_epochs)}
    others = {
        name: number(name, value) if name.startswith(BOUNDS) else plain(value)
        for name, value in more.items()
    }
    return {**named, **others}


def refused(field: str, message: str) -> InvalidRequestError:
    """Return the error of an argument that cannot mean anything."""
    return InvalidRequestError(f"{field}: {message}", errors=[FieldError(loc=[field], msg=message)])
