"""Checks of what a server sent: texts for a terminal, names of files, headers.

A server is not trusted. A name becomes a file only where it is one plain component of a path, a
text loses its control characters before it is shown, and a malformed or oversized header counts as
missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

__all__ = [
    "cleaned",
    "delta_seconds",
    "entity_tag",
    "few_members",
    "finite",
    "one_file_name",
    "request_id",
    "retry_seconds",
    "unlike_each_other",
]

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)
"""Names that are no files on Windows, whatever their suffix."""

_DELTA: Final = re.compile(r"[0-9]{1,12}")
_ENTITY_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')
_LONGEST_WAIT: Final = 366 * 86400.0
"""Seconds; a server that says to come again later than that says nothing."""
_LONGEST_ID: Final = 200
_MOST_MEMBERS: Final = 1000


def cleaned(text: str) -> str:
    """Return a text as a terminal may show it: one line, no control characters.

    What ends a line or moves to a column becomes a space. Characters that command terminals (ESC
    and the rest of C0 and C1), reverse the direction of a text, take no room or stand for nothing
    are left out.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "" for letter in text
    )


def one_file_name(name: str) -> str:
    """Return a name if it is one plain component of a path on every system.

    Plain are letters, digits, `_`, `-`, `+` and `.` of ASCII, 128 at most, without a point at
    either end; names of devices of Windows are none.

    Raises:
        ValueError: It is anything else; the message does not repeat it.
    """
    if not _FILE_NAME.fullmatch(name) or name.endswith("."):
        raise ValueError("not a plain file name")
    if name.partition(".")[0].lower() in _DEVICES:
        raise ValueError("the name of a device")
    return name


def unlike_each_other(names: list[str]) -> None:
    """Refuse names of which two are one file where upper and lower case are alike.

    Raises:
        ValueError: Two are.
    """
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError("two files of one name")


def finite(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a JSON object in which every number is one.

    Raises:
        ValueError: It holds NaN or an infinity, which JSON has not, or an integer of more than 64
            bits.
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
        elif isinstance(one, int) and one.bit_length() > 64:  # noqa: PLR2004 - the sentence above
            raise ValueError("an integer of more than 64 bits")
    return value


def few_members(value: object) -> object:
    """Return what will be checked as an object, if it has a thousand members at most.

    Raises:
        ValueError: It has more: an error for each of millions would fill the memory.
    """
    if isinstance(value, dict) and len(value) > _MOST_MEMBERS:
        raise ValueError(f"more than {_MOST_MEMBERS} members")
    return value


def delta_seconds(text: str | None) -> float | None:
    """Return the seconds in a header that holds nothing else; None for what is no such number."""
    return float(text) if text is not None and _DELTA.fullmatch(text) else None


def retry_seconds(text: str | None) -> float | None:
    """Return the seconds that `Retry-After` asks to wait, in either of its forms, a year at most.

    None: it says nothing that makes sense.
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
            # What a malformed date raises depends on where it is malformed.
            return None
    return seconds if seconds <= _LONGEST_WAIT else None


def entity_tag(headers: Mapping[str, str]) -> str:
    """Return the `ETag` that may be sent back to a server; empty for none or a malformed one."""
    text = headers.get("ETag", "")
    return text if _ENTITY_TAG.fullmatch(text) else ""


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return what identifies the request in the logs of the server, if it said so."""
    return cleaned(headers.get("X-Request-ID", ""))[:_LONGEST_ID] or None
