"""JSON that callers send where anything may stand: bounded, and spelled in one way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmark_db.errors import InvalidQuestionError, shown

__all__ = ["plain_json"]

_DEEPEST: Final = 8
_LONGEST_LIST: Final = 128
"""Candidates, stages, entries of a cell: those of published spaces have 20 at most."""

_LONGEST_OBJECT: Final = 5_000
"""Labels of a sample; a thousand blocks of two choices are 2,001."""

_LONGEST_TEXT: Final = 1_000
_LARGEST_NUMBER: Final = 2**53
"""Up to here every integer is one number in every reader of JSON."""


def plain_json(place: str, value: Any) -> Any:
    """Return a value with every whole number as an integer, so that equal values look alike.

    Args:
        place: Where it stands in the request, for messages.
        value: What a reader of JSON returns.

    Raises:
        InvalidQuestionError: It is too deep, too long, too large, not finite or no JSON.
    """
    return _plain(place, value, _DEEPEST)


def _plain(place: str, value: Any, depth: int) -> Any:
    match value:
        case None | bool():
            return value
        case int() | float():
            return _number(place, value)
        case str():
            return _text(place, value)
        case Mapping() | list() | tuple() if depth == 0:
            raise InvalidQuestionError(place, f"it is more than {_DEEPEST} levels deep")
        case Mapping():
            _refuse_long(place, len(value), _LONGEST_OBJECT)
            return {_key(place, k): _plain(place, v, depth - 1) for k, v in value.items()}
        case list() | tuple():
            _refuse_long(place, len(value), _LONGEST_LIST)
            return [_plain(place, item, depth - 1) for item in value]
    raise InvalidQuestionError(place, f"{shown(value)} is no JSON")


def _number(place: str, value: float) -> float:
    if not -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER:
        raise InvalidQuestionError(
            place, f"{shown(value)} is not a number between -2^53 and 2^53, which all must be"
        )
    return int(value) if value == int(value) else value


def _text(place: str, value: str) -> str:
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        raise InvalidQuestionError(
            place, f"{shown(value)} is not a text of at most {_LONGEST_TEXT} printable characters"
        )
    return value


def _key(place: str, key: object) -> str:
    if not isinstance(key, str):
        raise InvalidQuestionError(place, f"{shown(key)} is no name of a member")
    return _text(place, key)


def _refuse_long(place: str, length: int, most: int) -> None:
    if length > most:
        raise InvalidQuestionError(place, f"a value of it has {length} entries; {most} are allowed")
