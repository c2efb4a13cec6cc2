"""How long the database of the jobs may keep somebody waiting, over all that is asked of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["ANSWER_SECONDS", "seconds_left", "within"]

ANSWER_SECONDS: Final = 10.0
"""For a request with all its operations, and for an operation that belongs to none."""

_end: ContextVar[float | None] = ContextVar("jobs_deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let what is done in the context wait so long altogether; an earlier end that is set stays."""
    end, outer = time.monotonic() + seconds, _end.get()
    token = _end.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        _end.reset(token)


def seconds_left() -> float:
    """Return the seconds until the end that is set, never less than 0."""
    end = _end.get()
    return ANSWER_SECONDS if end is None else max(0.0, end - time.monotonic())
