"""Parts of files: the Range and precondition headers, as RFC 9110 has them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["UnsatisfiableRangeError", "holds", "part_of"]

_ONE_RANGE: Final = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)


class UnsatisfiableRangeError(Exception):
    """No byte of the file lies in the range that is asked for."""


def part_of(size: int, asked: str | None) -> range | None:
    """Return which bytes of a file a Range header asks for; None: all of it.

    A header that is malformed, has another unit or asks for several ranges is ignored, which the
    specification allows (RFC 9110, section 14.2): the answer is the whole file.

    Args:
        size: Bytes of the file.
        asked: The header, if there is one.

    Raises:
        UnsatisfiableRangeError: The range lies behind the end, or is empty.
    """
    found = None if asked is None else _ONE_RANGE.fullmatch(asked)
    if found is None or found[0].count("-") != 1 or not (found[1] or found[2]):
        return None
    if not found[1]:
        part = range(max(size - int(found[2]), 0), size)
    else:
        first, last = int(found[1]), int(found[2]) if found[2] else size - 1
        if found[2] and last < first:
            return None
        part = range(first, min(last + 1, size))
    if not part:
        raise UnsatisfiableRangeError
    return part


def holds(tag: str, header: str | None) -> bool:
    """Tell whether an If-None-Match header names an entity tag.

    Args:
        tag: The tag, in its quotes.
        header: The header, if there is one.
    """
    if header is None:
        return False
    named = {each.strip().removeprefix("W/") for each in header.split(",")}
    return header.strip() == "*" or tag.removeprefix("W/") in named
