"""Structured logs: one event a line, JSON for machines or text for people."""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections import deque
from typing import Any, BinaryIO, Final, cast

import orjson
import structlog

__all__ = ["configure_logs"]

_SECONDS_BETWEEN_WRITES: Final = 0.2


def configure_logs(*, as_json: bool) -> None:
    """Set up the logs of this process; they go to standard error."""
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        structlog.configure(
            processors=[
                *shared,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
            logger_factory=structlog.BytesLoggerFactory(
                cast("BinaryIO", _GatheredLines(sys.stderr.buffer))
            ),
            cache_logger_on_first_use=True,
        )
    else:
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer()],
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )


class _GatheredLines:
    """Lines that are written five times a second instead of one by one.

    A write to the operating system for every request would take as long as half a query. A killed
    process loses the lines of its last fifth of a second; one that ends by itself loses none.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: deque[bytes] = deque()
        self._writing = threading.Lock()
        threading.Thread(target=self._write_regularly, name="log", daemon=True).start()
        atexit.register(self._write_out)

    def write(self, line: bytes) -> None:
        self._lines.append(line)

    def flush(self) -> None:
        """Leave the lines to the next regular write."""

    def _write_regularly(self) -> None:
        while True:
            time.sleep(_SECONDS_BETWEEN_WRITES)
            self._write_out()

    def _write_out(self) -> None:
        with self._writing:
            if self._lines:
                gathered = [self._lines.popleft() for _ in range(len(self._lines))]
                self._stream.write(b"".join(gathered))
                self._stream.flush()
