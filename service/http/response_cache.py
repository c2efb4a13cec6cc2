"""An in-memory cache of responses by entity tag, which covers all that they depend on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

__all__ = ["PackedCache", "ResponseCache"]

_LARGEST_FRACTION: Final = 8
"""Inverse share of the cache that one response may take, so that it does not evict all others."""


class ResponseCache:
    """A cache of the most recently used responses, by entity tag.

    A tag covers the content of the databases, so that entries never become stale. Belongs to one
    event loop.

    Args:
        room: Size of the cache in bytes; 0 disables it.

    Attributes:
        hits: Number of cache hits.
        misses: Number of cache misses.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._taken = 0
        self.hits = 0
        self.misses = 0
        self._answers: OrderedDict[str, bytes] = OrderedDict()

    def get(self, tag: str) -> bytes | None:
        """Return the cached response with a tag; None if there is none."""
        answer = self._answers.get(tag)
        if answer is None:
            self.misses += 1
        else:
            self.hits += 1
            self._answers.move_to_end(tag)
        return answer

    def keep(self, tag: str, answer: bytes) -> None:
        """Store a response, evicting the least recently used ones."""
        if tag in self._answers or len(answer) > self._room // _LARGEST_FRACTION:
            return
        self._answers[tag] = answer
        self._taken += len(answer)
        while self._taken > self._room:
            _, oldest = self._answers.popitem(last=False)
            self._taken -= len(oldest)


class PackedCache:
    """A cache of bodies that take long to compute; concurrent requests compute a body only once.

    Belongs to one event loop.

    Args:
        room: Size of the cache in bytes; 0 disables it.
    """

    def __init__(self, room: int) -> None:
        self._kept = ResponseCache(room)
        self._making: dict[str, anyio.Lock] = {}

    async def get_or_make(self, tag: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the body with a tag, computing it if it is not cached.

        Args:
            tag: A digest of everything the body depends on.
            make: Computes the body; its exceptions are raised here.
        """
        kept = self._kept.get(tag)
        if kept is not None:
            return kept
        lock = self._making.setdefault(tag, anyio.Lock())
        try:
            async with lock:
                made = self._kept.get(tag)
                if made is None:
                    made = await make()
                    self._kept.keep(tag, made)
                return made
        finally:
            if not lock.locked():
                self._making.pop(tag, None)
