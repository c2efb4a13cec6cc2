"""How values are spelled, as the OpenAPI document says it: parts of JSON schemas.

They judge nothing. What a request says is judged where it is understood; a document that says the
same lets programs judge before they ask, and tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

__all__ = ["CURSOR", "JOB_ID", "JSON_OBJECT", "digits_below", "in_any_case", "json_list", "whole"]

JSON_OBJECT: Final = r"\{[\s\S]*\}"
"""An object as JSON, as far as a pattern can say it."""

CURSOR: Final[dict[str, Any]] = {"pattern": "^[A-Za-z0-9_-]+$"}
"""Base64 for addresses; what it holds is the service's."""

JOB_ID: Final[dict[str, Any]] = {"pattern": "^[0-9a-f]{32}$"}


def whole(*patterns: str) -> dict[str, Any]:
    """Return the schema of a text that is one of some patterns, from its beginning to its end."""
    return {"pattern": f"^(?:{'|'.join(patterns)})$"}


def in_any_case(names: Iterable[str]) -> dict[str, Any]:
    """Return the schema of one of some names in any case, for which JSON Schema has no word."""
    return whole(*("".join(map(_either_case, name)) for name in names))


def json_list(item: str, length: int) -> str:
    """Return the pattern of a list of so many items as JSON."""
    return rf"\[ ?{item}(?:, ?{item}){{{length - 1}}} ?\]"


def digits_below(end: int) -> str:
    """Return the pattern of the numbers from 0 on that are less than `end`, in digits."""
    last = str(end - 1)
    shorter = [f"[0-9]{{1,{len(last) - 1}}}"] if len(last) > 1 else []
    smaller = [
        f"{last[:place]}[0-{int(digit) - 1}]{_any_digits(len(last) - place - 1)}"
        for place, digit in enumerate(last)
        if digit != "0"
    ]
    return f"0*(?:{'|'.join([*shorter, *smaller, last])})"


def _any_digits(count: int) -> str:
    return f"[0-9]{{{count}}}" if count else ""


def _either_case(character: str) -> str:
    if character.isalpha():
        return f"[{character.lower()}{character.upper()}]"
    return rf"\{character}" if character in r"\.^$*+?()[]{}|/" else character
