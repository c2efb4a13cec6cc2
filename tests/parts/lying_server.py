"""A server on a real socket that says whatever a test has it say, byte by byte."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from bench_client import AsyncBenchClient

__all__ = [
    "CONTENT",
    "DIGEST",
    "ENDLESS",
    "MEGABYTE",
    "LyingServer",
    "answer",
    "download",
    "endless_chunks",
    "job",
    "lying",
    "sends_artifact",
]

Say: TypeAlias = Callable[[str], Iterable[bytes]]
"""Returns what is sent for a request, of which it gets method and target."""

CONTENT: Final = b"test"
"""What DIGEST is the digest of."""
MEGABYTE: Final = 2**20
ENDLESS: Final = b"x" * MEGABYTE
DIGEST: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class LyingServer(socketserver.ThreadingTCPServer):
    """Answers each request on a connection of its own with what `say` yields.

    Attributes:
        say: What it says; a test may replace it at any time.
        asked: Method and target of every request.
        sent: Bytes that it got rid of.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.say: Say = lambda _: ()
        self.asked: list[str] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: LyingServer

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            self.request.settimeout(30)
            method, target, *_ = self.rfile.readline().decode("latin-1").split(" ")
            length = 0
            while (line := self.rfile.readline()).strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            self.rfile.read(length)
            self.server.asked.append(f"{method} {target}")
            for piece in self.server.say(f"{method} {target}"):
                self.wfile.write(piece)
                self.server.sent += len(piece)


@contextmanager
def lying() -> Iterator[LyingServer]:
    """Give a server that says nothing yet."""
    with LyingServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def answer(
    body: bytes, *headers: tuple[str, str | bytes], status: int = 200, length: int | None = None
) -> bytes:
    """Return an answer: JSON of its own length, unless the headers or `length` say otherwise."""
    given = {name.lower() for name, _ in headers}
    lines = [f"HTTP/1.1 {status} Said".encode(), b"Connection: close"]
    if "content-type" not in given:
        lines.append(b"Content-Type: application/json")
    if not given & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body) if length is None else length}".encode())
    for name, value in headers:
        lines.append(
            name.encode() + b": " + (value if isinstance(value, bytes) else value.encode())
        )
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def job(*artifacts: dict[str, Any] | str, **members: Any) -> bytes:
    """Return a job that has succeeded, as JSON; an artifact may be given by its name alone."""
    made = [
        {"name": one, "media_type": "text/plain", "size": 4, "sha256": DIGEST}
        if isinstance(one, str)
        else one
        for one in artifacts
    ]
    found = {
        "id": "0" * 32,
        "key": "k",
        "kind": "model",
        "request": {"network": {}},
        "state": "succeeded",
        "priority": 0,
        "attempts": 1,
        "revision": 3,
        "created_at": "2026-01-01T00:00:00Z",
        "started_at": None,
        "finished_at": None,
        "progress": None,
        "result": {},
        "artifacts": made,
        "error": None,
        "worker": None,
        "request_id": None,
        "time_limit": 1.0,
    }
    return json.dumps({**found, **members}).encode()


def sends_artifact(body: bytes, *headers: tuple[str, str]) -> Say:
    """Return what answers with a job and with its one file."""

    def say(target: str) -> Iterable[bytes]:
        if "artifacts" not in target:
            return [answer(job("a.txt"))]
        return [answer(body, ("Content-Type", "text/plain"), ("ETag", f'"{DIGEST}"'), *headers)]

    return say


async def _download_awaited(bench: Any, folder: Path) -> Any:
    return await bench.download(await bench.job("0" * 32), folder)


def download(bench: Any, folder: Path) -> Any:
    """Download the files of the job with a client of either kind."""
    if isinstance(bench, AsyncBenchClient):
        return _download_awaited(bench, folder)
    return bench.download(bench.job("0" * 32), folder)


def endless_chunks() -> Iterator[bytes]:
    """Give four gigabytes in chunks of a megabyte."""
    for _ in range(4096):
        yield b"%x\r\n%s\r\n" % (len(ENDLESS), ENDLESS)
