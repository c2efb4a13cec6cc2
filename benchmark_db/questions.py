"""What every benchmark understands of a question: filters, pages, cursors."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from benchmark_db.errors import InvalidQuestionError

__all__ = [
    "MAX_BATCH",
    "MAX_CURVES",
    "MAX_LIMIT",
    "Filter",
    "Page",
    "checked_limit",
    "choice",
    "decode_cursor",
    "encode_cursor",
    "fingerprint",
    "integer",
    "known_filters",
]

MAX_LIMIT: Final = 1000
"""Most items in one page."""

MAX_BATCH: Final = 10_000
"""Most architectures in one batch."""

MAX_CURVES: Final = 2000
"""Most runs whose learning curves one answer may hold."""

_MAX_INTEGER: Final = 2**63 - 1


class Filter(NamedTuple):
    """A filter of a benchmark: the column it compares and the reader of its value.

    The reader turns what a caller wrote into the value of the column, and raises
    `InvalidQuestionError` for what cannot be one.
    """

    column: str
    read: Callable[[Any], int | str | bytes]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of an answer, and where the next one starts (None: nowhere)."""

    items: list[dict[str, Any]]
    next_cursor: str | None


def known_filters(
    filters: Mapping[str, Any], known: Mapping[str, Filter]
) -> dict[str, int | str | bytes]:
    """Return the column values that the given filters ask for; None is a wildcard.

    Raises:
        InvalidQuestionError: There is no such filter, or its value cannot be one.
    """
    values = {}
    for name, value in filters.items():
        if name not in known:
            raise InvalidQuestionError(
                name, f"unknown filter {name!r:.80}; known are {', '.join(known)}"
            )
        if value is not None:
            values[known[name].column] = known[name].read(value)
    return values


def integer(field: str, *, least: int = 0) -> Callable[[Any], int]:
    """Return a reader of whole numbers that fit a database column."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidQuestionError(field, f"{value!r:.80} is not a whole number")
        if not least <= value <= _MAX_INTEGER:
            raise InvalidQuestionError(field, f"{value!r:.80} is not in {least} to 2^63 - 1")
        return value

    return read


def choice(field: str, codes: Mapping[str, int]) -> Callable[[Any], int]:
    """Return a reader of one of some names, in any case, that gives its code."""

    def read(value: Any) -> int:
        code = codes.get(value.lower()) if isinstance(value, str) else None
        if code is None:
            raise InvalidQuestionError(
                field, f"unknown {field} {value!r:.80}; known are {', '.join(codes)}"
            )
        return code

    return read


def checked_limit(limit: Any) -> int:
    """Return the limit of a page, 1 to `MAX_LIMIT`.

    Raises:
        InvalidQuestionError: It is another number.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        raise InvalidQuestionError("limit", f"{limit!r:.80} is not in 1 to {MAX_LIMIT}")
    return limit


def fingerprint(*parts: Any) -> str:
    """Return a short digest of a question, to tie a cursor to it."""
    text = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.blake2b(text, digest_size=6).hexdigest()


def encode_cursor(position: Sequence[int | str], question: str) -> str:
    """Return an opaque cursor: the position after which the next page of a question starts."""
    return base64.urlsafe_b64encode(orjson.dumps([question, *position])).rstrip(b"=").decode()


def decode_cursor(cursor: str, question: str, length: int) -> list[int | str]:
    """Return the position in a cursor that `encode_cursor` made for the same question.

    Raises:
        InvalidQuestionError: It is no cursor, or one of another question.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        decoded = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError) as error:
        raise InvalidQuestionError("cursor", f"{cursor!r:.80} is not a cursor") from error
    if not isinstance(decoded, list) or len(decoded) != length + 1 or decoded[0] != question:
        raise InvalidQuestionError(
            "cursor", "the cursor belongs to another question; repeat the filters it came with"
        )
    return decoded[1:]
