"""Arguments as every transport can pass them on."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from bench_client.errors import InvalidRequestError
from bench_client.models.answers import FieldError

__all__ = ["Reduction", "either", "plain", "plain_arch"]
__all__ += ["plain_filter", "refused", "whole"]

_PLAIN: Final = frozenset({str, int})

_WHOLE: Final = frozenset({"num_epochs", "seed"})
_EITHER: Final = frozenset({"isomorphism"})
"""Filters that are whole numbers, and that are true or false, in every benchmark."""

Reduction: TypeAlias = Literal["mean", "std", "min", "max"]
"""How several runs of one configuration become one item."""


def plain(value: Any) -> Any:
    """Return an integer of any type, such as numpy's, as Python's; all else as it is."""
    if value is None or isinstance(value, str | int):
        return value
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
    if isinstance(value, bool):
        return value
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


def plain_filter(name: str, value: Any) -> Any:
    """Return a filter, by its name, as every transport can pass it on.

    Text in an address has no types.

    Raises:
        InvalidRequestError: It is no whole number, or neither true nor false, where it must be.
    """
    if name in _WHOLE:
        return whole(name, value)
    return either(name, value) if name in _EITHER and value is not None else plain(value)


def refused(field: str, message: str) -> InvalidRequestError:
    """Return the error of an argument that cannot mean anything."""
    return InvalidRequestError(f"{field}: {message}", errors=[FieldError(loc=[field], msg=message)])
