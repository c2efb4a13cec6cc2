"""Closed-loop HTTP load: each connection sends its next request when the last is answered."""

from __future__ import annotations

import asyncio
import http.client
import random
import re
import time
from collections.abc import Sequence
from itertools import count, cycle
from statistics import median
from typing import cast

import uvloop

__all__ = ["latency", "paced", "throughput"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class _Connection(asyncio.Protocol):
    """Sends the requests of a list in a cycle and counts the responses."""

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
        # Without a length the body is chunked, and its last chunk is empty.
        whole = len(body) == int(length[1]) if length else body.endswith(b"0\r\n\r\n")
        if whole:
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(head.decode())
            self.answers += 1
            self._received.clear()
            self._send()

    def _send(self) -> None:
        self._transport.write(next(self._requests))


def get(path: str, *, packed: bool = False) -> bytes:
    """Return a GET request as bytes; `packed` asks for gzip, as browsers do."""
    accepts = "Accept-Encoding: gzip\r\n" if packed else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{accepts}\r\n".encode()


def throughput(
    port: int, paths: Sequence[str], *, connections: int = 8, seconds: float = 3
) -> float:
    """Return the responses a second of a server to several connections at once."""
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


def paced(
    port: int,
    paths: Sequence[str],
    *,
    clients: int,
    rate: float,
    seconds: float,
    packed: bool = False,
) -> tuple[list[float], int]:
    """Return the latencies in seconds of paced clients, and the number of errors.

    Each client has its own connection. It pauses for a random time (exponential, mean 1 / rate),
    sends a request and waits for the response.

    Args:
        port: Port of the server.
        paths: Paths that are requested in a cycle; each client starts at another one.
        clients: Number of clients.
        rate: Requests a second of each client, at most; 0 for no pause.
        seconds: Duration.
        packed: Whether to accept gzip.
    """

    async def client(rank: int, end: float) -> tuple[list[float], int]:
        rng = random.Random(rank)  # noqa: S311 - a load to repeat
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        latencies, errors = [], 0
        for turn in count(rank * len(paths) // clients):
            if rate:
                await asyncio.sleep(rng.expovariate(rate))
            started = time.perf_counter()
            if started > end:
                break
            writer.write(get(paths[turn % len(paths)], packed=packed))
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            assert length is not None  # noqa: S101 - none of these is a stream
            await reader.readexactly(int(length[1]))
            latencies.append(time.perf_counter() - started)
            errors += b" 200 " not in head.split(b"\r\n", 1)[0]
        writer.close()
        return latencies, errors

    async def run() -> tuple[list[float], int]:
        end = time.perf_counter() + seconds
        found = await asyncio.gather(*(client(rank, end) for rank in range(clients)))
        return [each for latencies, _ in found for each in latencies], sum(e for _, e in found)

    return uvloop.run(run())


def latency(port: int, path: str, *, count: int = 300) -> float:
    """Return the median seconds of a request, sent repeatedly on one connection."""
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
