"""The periodic clean-up of jobs, done by workers and by servers with workers over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from service.jobs import Jobs

__all__ = ["Upkeep"]

_RECOVERIES: Final = 6
"""Checks for expired leases per lease duration."""
_EVICTION_SECONDS: Final = 60.0


class Upkeep:
    """Requeues the jobs of lost workers and removes old jobs and files, each when it is due.

    Several processes may run it concurrently; work done by one is not repeated by another.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._log = structlog.get_logger()
        self._lock = threading.Lock()
        self._recovered = self._evicted = float("-inf")
        self._evicting: threading.Thread | None = None

    def recover(self, dead: Collection[str] = ()) -> None:
        """Requeue the jobs of expired leases, if a check is due, and those of dead workers.

        Args:
            dead: Ids of workers known to be dead; with any, the check is due at once.

        Raises:
            StoreUnavailableError: The database does not answer.
        """
        seconds = self._jobs.settings.lease_seconds / _RECOVERIES
        with self._lock:
            if not dead and time.monotonic() - self._recovered < seconds:
                return
            self._recovered = time.monotonic()
        freed = self._jobs.leases.recover(dead)
        if freed:
            self._log.warning("jobs of lost workers freed", jobs=freed, workers=list(dead))

    def evict(self) -> None:
        """Remove old jobs, checkpoints of ended trainings and artifacts, if that is due.

        Raises:
            OSError: A file cannot be removed, or the database does not answer.
        """
        with self._lock:
            if time.monotonic() - self._evicted < _EVICTION_SECONDS:
                return
            self._evicted = time.monotonic()
        forgotten = self._jobs.retention.forget()
        if forgotten:
            self._log.info("old jobs forgotten", jobs=forgotten)
        if not self._jobs.artifacts.is_remote:
            self._evict_artifacts()
        elif self._evicting is None or not self._evicting.is_alive():
            # In a thread, as the caller has heartbeats to send or answer and a bucket is slow.
            self._evicting = threading.Thread(
                target=self._evict_from_bucket, name="eviction of artifacts", daemon=True
            )
            self._evicting.start()

    def _evict_artifacts(self) -> None:
        cleaned = self._jobs.saved.forget_ended()
        if cleaned:
            self._log.info("checkpoints of ended trainings removed", jobs=cleaned)
        gone = self._jobs.artifact_cache.evict()
        if gone:
            self._log.info("artifacts thrown away", files=gone)

    def _evict_from_bucket(self) -> None:
        try:
            self._evict_artifacts()
        except OSError as error:
            # Files whose rows are deleted are removed by the next sweep of the bucket.
            self._log.warning("no artifacts thrown away", reason=str(error))
