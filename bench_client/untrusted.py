"""Checks of untrusted data from a server: texts for terminals, file names, headers.

File names must be a single plain component of a path, control characters are removed from texts
before they are shown, and malformed or oversized headers count as missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

__all__ = [
    "check_distinct_names",
    "check_key_count",
    "cleaned",
    "delta_seconds",
    "entity_tag",
    "finite",
    "plain_file_name",
    "request_id",
    "retry_seconds",
]

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)
"""Names reserved for devices on Windows, with any suffix."""

_DELTA: Final = re.compile(r"[0-9]{1,12}")
_ENTITY_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')
_LONGEST_WAIT: Final = 366 * 86400.0
"""Seconds; longer pauses in a `Retry-After` header are ignored."""
_LONGEST_ID: Final = 200
_MAX_MEMBERS: Final = 1000


def cleaned(text: str) -> str:
    """Return a text that is safe for a terminal: one line without control characters.

    Line ends, tabs and other white space become spaces. Control characters (C0 and C1, including
    ESC), marks of text direction, zero-width and unassigned characters are removed.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "" for letter in text
    )


def plain_file_name(name: str) -> str:
    """Return a name if it is a single plain component of a path on every system.

    It may have up to 128 ASCII letters, digits, `_`, `-`, `+` and `.`, no dot at either end, no `-`
    or `+` at its start, and may not be the name of a Windows device.

    Raises:
        ValueError: The name is anything else; the message does not repeat it.
    """
    if not _FILE_NAME.fullmatch(name) or name.endswith("."):
        raise ValueError("not a plain file name")
    if name.partition(".")[0].lower() in _DEVICES:
        raise ValueError("the name of a Windows device")
    return name


def check_distinct_names(names: list[str]) -> None:
    """Check that names differ even on file systems that ignore case.

    Raises:
        ValueError: Two names are equal if case is ignored.
    """
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError("two files have the same name")


def finite(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a JSON object after checking that its numbers are finite.

    Raises:
        ValueError: The object has NaN or an infinity, which JSON cannot represent, or an integer
            of more than 64 bits.
    """
    rest: list[Any] = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, dict):
            rest += one.values()
        elif isinstance(one, list):
            rest += one
        elif isinstance(one, float) and not math.isfinite(one):
            raise ValueError("a number that is not finite")
        elif isinstance(one, int) and one.bit_length() > 64:  # noqa: PLR2004 - see the docstring
            raise ValueError("an integer of more than 64 bits")
    return value


def check_key_count(value: object) -> object:
    """Return a value after checking that it is not a JSON object with more than 1000 keys.

    Raises:
        ValueError: It has more; validation errors for millions of keys would fill the memory.
    """
    if isinstance(value, dict) and len(value) > _MAX_MEMBERS:
        raise ValueError(f"more than {_MAX_MEMBERS} keys")
    return value


def delta_seconds(text: str | None) -> float | None:
    """Return a number of seconds or bytes from a header with digits only; otherwise None."""
    return float(text) if text is not None and _DELTA.fullmatch(text) else None


def retry_seconds(text: str | None) -> float | None:
    """Return the pause of a `Retry-After` header (seconds or date), in seconds.

    None: the header is missing, malformed, or asks for more than a year.
    """
    text = (text or "").strip()
    seconds = delta_seconds(text)
    if seconds is None:
        try:
            moment = parsedate_to_datetime(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            seconds = max(0.0, (moment - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError, IndexError, ArithmeticError):
            # Malformed dates raise different errors.
            return None
    return seconds if seconds <= _LONGEST_WAIT else None


def entity_tag(headers: Mapping[str, str]) -> str:
    """Return the `ETag` of a response; empty if missing or malformed."""
    text = headers.get("ETag", "")
    return text if _ENTITY_TAG.fullmatch(text) else ""


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the id of the request in the logs of the server, if the response has it."""
    return cleaned(headers.get("X-Request-ID", ""))[:_LONGEST_ID] or None
