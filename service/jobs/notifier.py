"""Notifier: wakes idle workers when a job is submitted, over huey (SQLite or Redis).

The job table is authoritative; a message only makes a worker poll it at once. A lost message delays
a job by a second, because workers also poll without one. A superfluous message costs one query. So
messages may be deleted on delivery and Redis may be restarted, without losing a job.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from huey import SqliteHuey
from huey.exceptions import HueyException
from huey.serializer import Serializer

from missing_extra import needs
from service.jobs.settings import JobSettings

__all__ = ["Notifier"]

_NAME: Final = "nasbenchjobs"
_POLL_SECONDS: Final = 0.05
"""Pause between two polls of a SQLite queue; half of it delays a job on average."""
_ANSWER_SECONDS: Final = 1
"""Time limit for an answer of the queue, as a submission waits for it."""


class _JsonSerializer(Serializer):  # type: ignore[misc]  # huey has no types
    """Messages as JSON. They are never decoded, so a forged message can only wake a worker."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()


class Notifier:
    """Sends notifications to workers, and waits for them in a worker.

    If the queue is damaged, locked or unreachable, workers wait for their next poll. The queue is
    used again as soon as it works; failure and recovery are logged.

    Args:
        settings: Name a Redis, or else the folder of a SQLite file.
    """

    def __init__(self, settings: JobSettings) -> None:
        self._huey = _huey(settings)
        self._message = self._huey.task(name="look")(_never_run)
        self._log = structlog.get_logger()
        self._lock = threading.Lock()
        self._is_file = settings.redis_url is None
        self._prepared = not self._is_file
        self._fails = False
        self._carry_out(lambda: None)

    def notify(self, job_id: str) -> None:
        """Wake a worker; failures of the queue are logged and otherwise ignored."""
        self._carry_out(lambda: self._huey.enqueue(self._message.s(job_id)))

    def wait(self, seconds: float, until: Callable[[], bool]) -> None:
        """Return at a notification, when `until` is true, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not until():
            # Not huey's own dequeue, which decodes messages and fails if one is not a task.
            if self._carry_out(self._huey.storage.dequeue) is not None:
                return
            if self._fails:
                time.sleep(seconds / 2)
            elif not self._huey.storage.blocking:
                time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._huey.storage.close()

    def _carry_out(self, step: Callable[[], Any]) -> Any:
        """Return the result of a queue operation; None if the queue does not answer."""
        try:
            self._prepare()
            found = step()
        except _failures() as error:
            if not self._fails:
                reason = f"{type(error).__name__}: {error}"
                self._log.warning("no messages between server and workers", reason=reason)
            self._fails = True
            self._forget_connection()
            return None
        if self._fails:
            self._log.info("messages between server and workers again")
        self._fails = False
        return found

    def _prepare(self) -> None:
        with self._lock:
            if not self._prepared:
                self._huey.storage.initialize_schema()
                self._prepared = True

    def _forget_connection(self) -> None:
        """Close the connection to a file, which may be replaced before the next operation."""
        with self._lock:
            if self._is_file:
                self._prepared = False
                with suppress(*_failures()):
                    self._huey.storage.close()


def _never_run(job_id: str) -> None:
    """Give messages the form of a huey task, which no worker ever runs."""


def _huey(settings: JobSettings) -> Any:
    options = {"results": False, "serializer": _JsonSerializer(), "utc": True}
    if settings.redis_url is None:
        settings.folder.mkdir(parents=True, exist_ok=True)
        # No fsync: a job whose message is lost by a power failure is found by polling.
        return SqliteHuey(
            _NAME,
            filename=str(settings.queue_path),
            fsync=False,
            timeout=_ANSWER_SECONDS,
            create_tables=False,
            **options,
        )
    with needs("cluster", "a queue in Redis"):
        from huey import RedisHuey  # noqa: PLC0415
        from redis import ConnectionPool  # noqa: PLC0415

    # A Redis that accepts connections but hangs is treated like one that is down.
    patience = 3 * _ANSWER_SECONDS
    pool = ConnectionPool.from_url(
        settings.redis_url, socket_timeout=patience, socket_connect_timeout=patience
    )
    return RedisHuey(_NAME, connection_pool=pool, read_timeout=_ANSWER_SECONDS, **options)


def _failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of a queue that does not answer."""
    failures: tuple[type[Exception], ...] = (HueyException, sqlite3.Error, OSError)
    try:
        from redis.exceptions import RedisError  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError:
        return failures
    return (*failures, RedisError)
