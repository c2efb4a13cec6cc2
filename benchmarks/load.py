"""A closed-loop HTTP load: some connections, each sending its next request when answered."""

from __future__ import annotations

import asyncio
import http.client
import re
import time
from collections.abc import Sequence
from itertools import cycle
from statistics import median
from typing import cast

import uvloop

__all__ = ["latency", "throughput"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class _Connection(asyncio.Protocol):
    """Sends requests of a list, round and round, and counts the answers."""

    def __init__(self, requests: Sequence[bytes], offset: int) -> None:
        self._requests = cycle([*requests[offset:], *requests[:offset]])
        self._received = bytearray()
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        # Without a length the body comes in chunks, of which the last is empty.
        whole = len(body) == int(length[1]) if length else body.endswith(b"0\r\n\r\n")
        if whole:
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(head.decode())
            self.answers += 1
            self._received.clear()
            self._send()

    def _send(self) -> None:
        self._transport.write(next(self._requests))


def get(path: str) -> bytes:
    """Return a GET request as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def throughput(
    port: int, paths: Sequence[str], *, connections: int = 8, seconds: float = 3
) -> float:
    """Return the answers a second that a server gives to several connections at once."""
    requests = [get(path) for path in paths]

    async def run() -> float:
        loop = asyncio.get_running_loop()
        opened = []
        for rank in range(connections):
            offset = rank * len(requests) // connections
            _, protocol = await loop.create_connection(
                lambda offset=offset: _Connection(requests, offset), "127.0.0.1", port
            )
            opened.append(protocol)
        await asyncio.sleep(0.3)
        before = sum(connection.answers for connection in opened)
        started = time.perf_counter()
        await asyncio.sleep(seconds)
        answers = sum(connection.answers for connection in opened) - before
        return answers / (time.perf_counter() - started)

    return uvloop.run(run())


def latency(port: int, path: str, *, count: int = 300) -> float:
    """Return the median seconds of one request after the other on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    seconds = []
    for _ in range(count):
        started = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        seconds.append(time.perf_counter() - started)
    connection.close()
    return median(seconds)
