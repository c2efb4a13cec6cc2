"""Answers kept in memory by entity tag, which covers all that they depend on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

__all__ = ["PackedCache", "ResponseCache"]

_LARGEST_SHARE: Final = 8
"""One answer takes at most this part of the room, lest it drive out all others."""


class ResponseCache:
    """The latest answers, by entity tag: the digest of all that an answer depends on.

    A tag covers the content of the databases, so that nothing ever has to be thrown away because it
    is no longer true. Belongs to one event loop.

    Args:
        room: How many bytes of answers are kept; 0 keeps none.

    Attributes:
        hits: How often an answer was there.
        misses: How often it was not.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._taken = 0
        self.hits = 0
        self.misses = 0
        self._answers: OrderedDict[str, bytes] = OrderedDict()

    def get(self, tag: str) -> bytes | None:
        """Return the answer with a tag, if it is kept."""
        answer = self._answers.get(tag)
        if answer is None:
            self.misses += 1
        else:
            self.hits += 1
            self._answers.move_to_end(tag)
        return answer

    def keep(self, tag: str, answer: bytes) -> None:
        """Keep an answer; those that nobody has asked for longest make room for it."""
        if tag in self._answers or len(answer) > self._room // _LARGEST_SHARE:
            return
        self._answers[tag] = answer
        self._taken += len(answer)
        while self._taken > self._room:
            _, oldest = self._answers.popitem(last=False)
            self._taken -= len(oldest)


class PackedCache:
    """Bodies that take long to make, by entity tag; each is made once, however many wait for it.

    Belongs to one event loop.

    Args:
        room: How many bytes are kept; 0 keeps none.
    """

    def __init__(self, room: int) -> None:
        self._kept = ResponseCache(room)
        self._making: dict[str, anyio.Lock] = {}

    async def get_or_make(self, tag: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the body with a tag, made now unless it is kept.

        Args:
            tag: A digest of all that the body depends on.
            make: Makes it; its errors are raised here.
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
