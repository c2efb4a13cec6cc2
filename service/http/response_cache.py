"""Answers kept in memory, to be sent again when the same question comes again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

__all__ = ["ResponseCache"]

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
