"""The bell: tells workers that there is work, by huey.

The table of jobs is the truth; a message says "look" and nothing more. A lost message costs a
second, because workers also look without one; a message too many costs a look. So huey may delete
a message the moment it hands it out, Redis may be restarted, and nothing is lost.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from huey import SqliteHuey
from huey.exceptions import HueyException
from huey.serializer import Serializer

from service.jobs.settings import JobSettings

__all__ = ["Bell"]

_NAME: Final = "nasbenchjobs"
_POLL_SECONDS: Final = 0.05
"""Between two looks at a file: half of it is what an idle worker adds to a job's start."""


class _JsonSerializer(Serializer):  # type: ignore[misc]  # huey has no types
    """Messages as JSON. None is ever read, so whoever can write to the queue can only wake."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()


class Bell:
    """Rings for workers, and wakes those that wait.

    Args:
        settings: Redis where they name one, else a SQLite file in the folder of the jobs.
    """

    def __init__(self, settings: JobSettings) -> None:
        self._huey = _huey(settings)
        self._look = self._huey.task(name="look")(_look)
        self._log = structlog.get_logger()

    def ring(self, job_id: str) -> None:
        """Tell the workers to look; a queue that does not answer is no harm."""
        try:
            self._huey.enqueue(self._look.s(job_id))
        except _failures() as error:
            self._log.warning("no message to workers", job_id=job_id, reason=type(error).__name__)

    def wait(self, seconds: float, until: Callable[[], bool]) -> None:
        """Return when the bell rings, when something is so, or after a while.

        Args:
            seconds: The longest wait.
            until: Asked now and then.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not until():
            try:
                # Not huey's own dequeue, which would decode it and fail over what is no task.
                if self._huey.storage.dequeue() is not None:
                    return
            except _failures() as error:
                self._log.warning("no messages for workers", reason=type(error).__name__)
                time.sleep(seconds / 2)
            if not self._huey.storage.blocking:
                time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._huey.storage.close()


def _look(job_id: str) -> None:
    """Stand for a message; it is never carried out."""


def _huey(settings: JobSettings) -> Any:
    options = {"results": False, "serializer": _JsonSerializer(), "utc": True}
    if settings.redis_url is None:
        settings.folder.mkdir(parents=True, exist_ok=True)
        # A message that a power failure loses is looked for anyway.
        return SqliteHuey(_NAME, filename=str(settings.queue_path), fsync=False, **options)
    # The extra may be missing where SQLite is enough.
    from huey import RedisHuey  # noqa: PLC0415

    return RedisHuey(_NAME, url=settings.redis_url, read_timeout=1, **options)


def _failures() -> tuple[type[Exception], ...]:
    """Return what a queue that does not answer raises."""
    failures: tuple[type[Exception], ...] = (HueyException, sqlite3.Error, OSError)
    try:
        from redis.exceptions import RedisError  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError:
        return failures
    return (*failures, RedisError)
