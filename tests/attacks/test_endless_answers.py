"""Servers that answer without end, or pack more than they say: a client keeps its memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

import pytest
from lying_server import ENDLESS, MEGABYTE, LyingServer, answer, endless_chunks

from bench_client import (
    BenchError,
    RequestTimeoutError,
    ServerFailedError,
    ServerOverloadedError,
    UnexpectedAnswerError,
)


@cache
def bomb(megabytes: int, *, level: int = 9) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    pieces = [packer.compress(b" " * MEGABYTE) for _ in range(megabytes)]
    return b"".join([*pieces, packer.flush()])


def packed(encoding: str) -> list[bytes]:
    body = bomb(64)
    if "gzip" in encoding.rpartition(",")[2] and "," in encoding:
        body = gzip.compress(body)
    return [answer(body, ("Content-Encoding", encoding))]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x", "\xff"])
@pytest.mark.parametrize("compress", [False, True])
def test_an_answer_that_is_packed_as_nobody_asked_or_holds_too_much_is_given_up(
    server: LyingServer, asked: Callable[..., Any], encoding: str, *, compress: bool
) -> None:
    server.say = lambda _: packed(encoding)
    with pytest.raises(UnexpectedAnswerError, match=r"above the limit|was not asked for"):
        asked(
            server.url,
            lambda bench: bench.benchmarks(),
            compress=compress,
            max_answer=2 * MEGABYTE,
        )


def test_an_answer_that_is_packed_as_asked_is_read(
    server: LyingServer, asked: Callable[..., Any]
) -> None:
    server.say = lambda _: [answer(gzip.compress(b'{"items": []}'), ("Content-Encoding", "GZip"))]
    assert asked(server.url, lambda bench: bench.benchmarks(), compress=True) == []


PACKED: Final = gzip.compress(b'{"items": []}')


@pytest.mark.parametrize(
    "body",
    [PACKED[:-9], PACKED + b"more", PACKED * 2, b"{}", b""],
    # Of the same names in every process: what is packed holds the time.
    ids=["cut", "followed", "twice", "unpacked", "empty"],
)
def test_what_cannot_be_unpacked_is_no_answer(
    server: LyingServer, asked: Callable[..., Any], body: bytes
) -> None:
    server.say = lambda _: [answer(body, ("Content-Encoding", "gzip"))]
    with pytest.raises(UnexpectedAnswerError):
        asked(server.url, lambda bench: bench.benchmarks(), compress=True)


@pytest.mark.parametrize("how", ["chunks", "length", "close"])
def test_an_answer_without_end_is_given_up_where_it_passes_the_bound(
    server: LyingServer, asked: Callable[..., Any], how: str
) -> None:
    def say(_: str) -> Iterable[bytes]:
        if how == "chunks":
            yield answer(b"", ("Transfer-Encoding", "chunked"))
            yield from endless_chunks()
            return
        head = answer(b"", length=2**50)
        yield head if how == "length" else head.replace(b"Content-Length: %d\r\n" % 2**50, b"")
        yield from (ENDLESS for _ in range(4096))

    server.say = say
    with pytest.raises(UnexpectedAnswerError, match="above the limit"):
        asked(server.url, lambda bench: bench.benchmarks(), max_answer=MEGABYTE)
    assert server.sent < 64 * MEGABYTE


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
def test_an_error_without_end_is_still_the_error_of_its_status(
    server: LyingServer, asked: Callable[..., Any], status: int
) -> None:
    def say(_: str) -> Iterable[bytes]:
        kind = ("Content-Type", "application/problem+json")
        yield answer(b'{"detail": "', kind, ("Transfer-Encoding", "chunked"), status=status)[:-12]
        yield b'c\r\n{"detail": "\r\n'
        yield from endless_chunks()

    server.say = say
    with pytest.raises(BenchError) as caught:
        asked(server.url, lambda bench: bench.benchmark("nasbench201"))
    kind = {429: ServerOverloadedError, 500: ServerFailedError, 503: ServerOverloadedError}
    assert type(caught.value) is kind.get(status, UnexpectedAnswerError)
    assert server.sent < 64 * MEGABYTE
    assert len(str(caught.value)) < 5000


MEMORY: Final = """
import resource, sys
from bench_client import BenchClient, BenchError
with BenchClient(sys.argv[1], retries=0) as bench:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        bench.benchmarks()
    except BenchError as error:
        print(type(error).__name__)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("kind", ["plain", "gzip", "errors", "wide"])
def test_the_memory_of_a_client_is_bounded_with_its_usual_settings(
    server: LyingServer, kind: str
) -> None:
    def say(_: str) -> Iterable[bytes]:
        if kind == "gzip":
            yield answer(bomb(400), ("Content-Encoding", "gzip"))
        elif kind == "plain":
            yield answer(b"", ("Transfer-Encoding", "chunked"))
            yield from endless_chunks()
        elif kind == "wide":
            members = b",".join(b'"k%d":1' % number for number in range(700_000))
            yield answer(b'{"items": [{%s}]}' % members)
        else:
            yield answer(b'{"items": [' + b"0," * (4 * MEGABYTE) + b"0]}")

    server.say = say
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, server.url], capture_output=True, text=True, check=True
    )
    name, grown = done.stdout.split()
    assert name == "UnexpectedAnswerError"
    assert int(grown) < 450


def test_a_download_that_stands_still_ends_with_the_patience_of_the_client(
    server: LyingServer, asked: Callable[..., Any]
) -> None:
    stop = threading.Event()

    def say(_: str) -> Iterable[bytes]:
        yield answer(b"", length=10)
        stop.wait(10)

    server.say = say
    with pytest.raises(RequestTimeoutError):
        asked(server.url, lambda bench: bench.benchmarks(), timeout=0.3)
    stop.set()
