"""A client that sends requests byte by byte as they are given, on a few connections, fast.

A library's client would refuse or tidy some of what is sent here, and take ten times as long.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import uvloop

__all__ = ["Answer", "ask_all"]

CONNECTIONS: Final = 8
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CLOSE: Final = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)

Sent: TypeAlias = tuple[Any, bytes]
"""What a request is about, and the request."""


class Answer(NamedTuple):
    """An answer as it came, its body out of chunks."""

    status: int
    head: bytes
    body: bytes


def ask_all(
    url: str,
    requests: Iterable[Sent],
    check: Callable[[Any, Answer], None],
    *,
    connections: int = CONNECTIONS,
) -> int:
    """Send requests, give each answer to a check with what it is about, and count the answers.

    Of as many requests as connections each has one of its own, all at once.

    Raises:
        IncompleteReadError: A connection broke off within an answer.
    """
    port = int(url.rpartition(":")[2])
    waiting = iter(requests)

    async def run() -> int:
        return sum(await asyncio.gather(*(_ask(port, waiting, check) for _ in range(connections))))

    return uvloop.run(run())


async def _ask(port: int, waiting: Iterator[Sent], check: Callable[[Any, Answer], None]) -> int:
    """Ask on one connection, and on another one when the server closes it."""
    answered, reader, writer = 0, None, None
    try:
        for about, request in waiting:
            if reader is None or writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answer = await _answer(reader)
            check(about, answer)
            answered += 1
            if _CLOSE.search(answer.head):
                writer.close()
                reader = writer = None
    finally:
        if writer is not None:
            writer.close()
    return answered


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await (reader.readexactly(int(length[1])) if length else _chunks(reader))
    return Answer(int(head[9:12]), head, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """Return a body that comes in chunks, of which the last is empty (RFC 9112, section 7.1)."""
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body
