"""Notifier: wakes idle workers when a job is submitted, over huey (SQLite or Redis).

The table of jobs is the truth; a message only makes a worker poll it at once. A lost message costs
a second, because workers also poll without one; a superfluous one costs one query. So huey may
delete a message when it delivers it, Redis may be restarted, and no job is lost.
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
"""Between two polls of a SQLite queue; on average half of it delays the start of a job."""
_ANSWER_SECONDS: Final = 1
"""That a queue may take for an answer; whoever submits waits for it."""


class _JsonSerializer(Serializer):  # type: ignore[misc]  # huey has no types
    """Messages as JSON. None is ever read, so whoever can write to the queue can only wake."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()


class Notifier:
    """Notifies workers, and lets them wait for it.

    A queue that is damaged, locked or away costs workers the second until they poll the table; it
    is used again as soon as it works, and the log says when it fails and when it works again.

    Args:
        settings: Redis where they name one, else a SQLite file in the folder of the jobs.
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
        """Wake a worker; a queue that does not answer is logged and does no harm."""
        self._carry_out(lambda: self._huey.enqueue(self._message.s(job_id)))

    def wait(self, seconds: float, until: Callable[[], bool]) -> None:
        """Return at a notification, when `until` is true, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not until():
            # Not huey's own dequeue, which would decode it and fail over what is no task.
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
        """Return what a step returns; None where the queue does not answer."""
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
        """Let the next step connect anew to a file, which may be another one by then."""
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
        # A job whose message a power failure loses is found by polling.
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

    # A Redis that accepts connections and stands still is as good as none.
    patience = 3 * _ANSWER_SECONDS
    pool = ConnectionPool.from_url(
        settings.redis_url, socket_timeout=patience, socket_connect_timeout=patience
    )
    return RedisHuey(_NAME, connection_pool=pool, read_timeout=_ANSWER_SECONDS, **options)


def _failures() -> tuple[type[Exception], ...]:
    """Return what a queue that does not answer raises."""
    failures: tuple[type[Exception], ...] = (HueyException, sqlite3.Error, OSError)
    try:
        from redis.exceptions import RedisError  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError:
        return failures
    return (*failures, RedisError)
