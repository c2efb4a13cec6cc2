"""Structured logs: one event per line, as JSON or as text for people."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, cast

import orjson
import structlog

__all__ = ["Logs", "configure_logs", "logs_as_json"]

_SECONDS_BETWEEN_WRITES: Final = 0.2


def logs_as_json() -> bool:
    """Tell whether to log JSON, by default unless on a terminal; child processes inherit it."""
    default = "0" if sys.stderr.isatty() else "1"
    return os.environ.setdefault("NASBENCH_LOG_JSON", default).lower() not in {"0", "false"}


@dataclass(frozen=True, slots=True)
class Logs:
    """The logs of this process.

    Args:
        write_out: Writes the buffered lines; must be called before the process ends.
        request: Logs a request, given its fields.
    """

    write_out: Callable[[], None]
    request: Callable[[Mapping[str, Any]], None]


def configure_logs(*, as_json: bool) -> Logs:
    """Configure the logs of this process, which go to standard error."""
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        gathered = _BufferedLines(sys.stderr.buffer)
        structlog.configure(
            processors=[
                *shared,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
            logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", gathered)),
            cache_logger_on_first_use=True,
        )
        return Logs(gathered.write_out, gathered.write_request)
    structlog.configure(
        processors=[*shared, structlog.dev.ConsoleRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    log = structlog.get_logger().bind()
    return Logs(sys.stderr.flush, lambda fields: log.info("request", **fields))


class _BufferedLines:
    """Buffers lines and writes them five times a second.

    A system call per request would take as long as half a query. A killed process loses the lines
    of the last fifth of a second; a server that is stopped loses none.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: deque[bytes] = deque()
        self._writing = threading.Lock()
        threading.Thread(target=self._write_regularly, name="log", daemon=True).start()

    def write(self, line: bytes) -> None:
        self._lines.append(line)

    def write_request(self, fields: Mapping[str, Any]) -> None:
        """Write a line in structlog's format, in a tenth of its time."""
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = {**fields, "event": "request", "level": "info", "timestamp": now}
        self._lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def flush(self) -> None:
        """Do nothing: the next periodic write writes the lines."""

    def _write_regularly(self) -> None:
        while True:
            time.sleep(_SECONDS_BETWEEN_WRITES)
            self.write_out()

    def write_out(self) -> None:
        """Write the buffered lines."""
        with self._writing:
            if self._lines:
                gathered = [self._lines.popleft() for _ in range(len(self._lines))]
                self._stream.write(b"".join(gathered))
                self._stream.flush()
