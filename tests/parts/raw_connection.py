"""A connection on which a test sends what no client would, and sees what comes back and when."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, Self

import orjson

__all__ = ["RawConnection"]

PATIENCE: Final = 30.0
"""Seconds: far more than any deadline in the tests."""


class RawConnection:
    """A socket to a server on this machine.

    Args:
        port: Of the server.
        source: The address to come from: all of 127.0.0.0/8 are this machine's.
        buffer: Bytes that the system takes for a reader that does not read; its choice by default.
    """

    def __init__(self, port: int, *, source: str = "127.0.0.1", buffer: int | None = None) -> None:
        self._socket = socket.socket()
        if buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.settimeout(PATIENCE)
        self._socket.bind((source, 0))
        self._socket.connect(("127.0.0.1", port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def send(self, *pieces: bytes, pause: float = 0.0) -> int:
        """Send pieces until the server closes the connection; return how many bytes went out."""
        sent = 0
        with suppress(ConnectionError):
            for piece in pieces:
                self._socket.sendall(piece)
                sent += len(piece)
                time.sleep(pause)
        return sent

    def send_all(self, pieces: Iterable[bytes]) -> int:
        """Send any number of pieces as `send` does."""
        return self.send(*pieces)

    def receive(self, most: int) -> bytes:
        """Return some bytes of what came, none where the server has closed the connection."""
        with suppress(ConnectionError):
            return self._socket.recv(most)
        return b""

    def rest(self) -> bytes:
        """Return all that comes until the server closes the connection.

        Raises:
            TimeoutError: It does not.
        """
        received = b""
        while piece := self.receive(65536):
            received += piece
        return received

    def rest_of_answer(self) -> bytes:
        """Return what comes up to the end of an answer in chunks."""
        received = b""
        while not received.endswith(b"\r\n0\r\n\r\n") and (piece := self.receive(65536)):
            received += piece
        return received

    def until_closed(self) -> float:
        """Return after how many seconds the server closes the connection."""
        started = time.monotonic()
        self.rest()
        return time.monotonic() - started

    def problem(self) -> dict[str, Any]:
        """Return the problem by which the server ends the connection, its headers checked."""
        head, _, body = self.rest().partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        problem: dict[str, Any] = orjson.loads(body)
        assert int(lines[0].split()[1]) == problem["status"]
        for line in (b"content-type: application/problem+json", b"x-content-type-options: nosniff"):
            assert line in lines
        assert b"content-length: %d" % len(body) in lines
        assert any(line.startswith(b"x-request-id: ") for line in lines)
        assert problem["type"].startswith("urn:nas-bench-service:problem:")
        return problem
