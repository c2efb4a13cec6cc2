"""Bodies that are files: read in pieces that are worth a change of threads, or to no end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

__all__ = ["pieces_of", "swallow"]

_PIECE: Final = 2**20
"""Bytes that are written at a time: less would change threads more often than it writes."""
_SWALLOWED: Final = 64 * 2**20
"""Bytes that are read of a body that is refused, because a sender that is cut off while it sends
may never see the answer."""


async def pieces_of(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a body in pieces of a MiB or more, the last one shorter."""
    gathered = bytearray()
    async for piece in stream:
        gathered += piece
        if len(gathered) >= _PIECE:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


async def swallow(pieces: AsyncIterator[bytes]) -> None:
    """Read what is left of a body that is refused, up to a bound."""
    swallowed = 0
    async for piece in pieces:
        swallowed += len(piece)
        if swallowed > _SWALLOWED:
            return
