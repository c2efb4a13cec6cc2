"""Long polls: answers held back until a job changes; each takes a connection meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from bench_client.operations import Held, Question

__all__ = ["HoldingPlaces", "let_hold"]

A = TypeVar("A", bound=BaseModel)


class HoldingPlaces:
    """Leaves connections to other requests. Shared by threads.

    Args:
        places: How many answers may be held at the same time.
    """

    def __init__(self, places: int) -> None:
        self._free = threading.Semaphore(places)

    @contextmanager
    def place_for(self, question: Question[A]) -> Iterator[Question[A]]:
        """Give the question as it may be asked now, within the context."""
        if not isinstance(question, Held):
            yield question
        elif not self._free.acquire(blocking=False):
            yield question.at_once
        else:
            try:
                yield question
            finally:
                self._free.release()


def let_hold(request: httpx.Request, question: Question[Any]) -> httpx.Request:
    """Return a request that takes no answer that may be held for a silent server."""
    timeout = request.extensions["timeout"]
    if isinstance(question, Held) and timeout["read"] is not None:
        request.extensions["timeout"] = {**timeout, "read": timeout["read"] + question.seconds}
    return request
