"""Access of the routes to the stores of jobs: in a few threads, opened at first use."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTimeError
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import Final, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import Request
from prometheus_client.core import Metric

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.blob_store import NO_ROOM
from service.jobs.connections import ANSWER_SECONDS, within
from service.jobs.errors import DiskFullError, JobError, StoreUnavailableError
from service.observability.metrics import availability_family, job_families

__all__ = ["JobService", "job_service_of"]

R = TypeVar("R")

_READERS: Final = 4
_WRITERS: Final = 4
"""SQLite allows one writer at a time; more threads would only wait for it."""
_FILES: Final = 4
_REMOTE_FILES: Final = 16
"""Threads that wait for a bucket, which may be slow; more, so that others are not blocked."""
_SWEEP_SECONDS: Final = 600.0
_METRICS_SECONDS: Final = 2.0
"""Seconds that a scrape waits for the metrics of jobs; Prometheus gives up after ten."""


class JobService:
    """The jobs of a server, for the tasks of its event loop.

    Reads and writes have separate threads, so that a database locked for writing can still be read.
    Every call returns within `ANSWER_SECONDS`, however slow the database is; an operation that has
    not got a thread by then is not started.

    Args:
        settings: The settings of jobs.

    Attributes:
        settings: The settings of jobs.
        limiter: Limits the threads that access files.
        artifact_limiter: Limits the threads that access the artifact store.
    """

    def __init__(self, settings: JobSettings) -> None:
        self.settings = settings
        self.limiter = CapacityLimiter(_FILES)
        self.artifact_limiter = CapacityLimiter(
            _FILES if settings.artifacts_url is None else _REMOTE_FILES
        )
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="jobs-read")
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="jobs-write")
        self._opening = threading.Lock()
        self._context: AbstractContextManager[Jobs] | None = None
        self._jobs: Jobs | None = None

    async def ask(self, operation: Callable[[Jobs], R]) -> R:
        """Run an operation that only reads in a thread, and return its result.

        Raises:
            StoreUnavailableError: The database does not answer in time or is damaged, or the folder
                of the jobs is unusable; the next request tries again.
        """
        return await self._run_in_thread(self._readers, operation, ANSWER_SECONDS)

    async def change(self, operation: Callable[[Jobs], R], *, seconds: float = ANSWER_SECONDS) -> R:
        """Run an operation that writes in a thread, and return its result.

        Args:
            operation: The operation.
            seconds: How long to wait for it. It may still complete after that.

        Raises:
            DiskFullError: The disk is full.
            StoreUnavailableError: As for `ask`.
        """
        return await self._run_in_thread(self._writers, operation, seconds)

    async def open_if_used(self) -> None:
        """Open the stores if there are jobs already, so that metrics include them at once.

        If that fails, it is logged, and the first request tries again.
        """
        if not self.is_used():
            return
        try:
            await self.ask(lambda jobs: jobs.store.counts())
        except JobError as error:
            log = structlog.get_logger()
            log.warning("the jobs cannot be used", reason=str(error))

    async def sweep_regularly(self) -> None:
        """Remove uploads of servers that died: at once, then periodically, forever."""
        log = structlog.get_logger()
        while True:
            if self.settings.checkpoints_dir.is_dir():
                try:
                    gone = await self.ask(lambda jobs: jobs.checkpoints.sweep())
                except JobError as error:
                    log.warning("broken uploads cannot be removed", reason=str(error))
                else:
                    if gone:
                        log.info("broken uploads removed", files=gone)
            await asyncio.sleep(_SWEEP_SECONDS)

    def families(self) -> Iterator[Metric]:
        """Yield the metrics of jobs and workers, if there are any jobs in the database.

        Must be called in a thread.
        """
        if self._jobs is None and not self.is_used():
            return

        def find(jobs: Jobs) -> list[Metric]:
            return list(job_families(jobs.store.counts(), jobs.workers.all()))

        end = time.monotonic() + _METRICS_SECONDS
        future = self._readers.submit(self._bounded, find, end)
        try:
            found = future.result(_METRICS_SECONDS)
        except (JobError, NotInTimeError):
            future.cancel()
            found = []
        yield availability_family(available=bool(found))
        yield from found

    def is_used(self) -> bool:
        """Tell whether there are jobs already."""
        settings = self.settings
        return settings.jobs_url is not None or (settings.folder / "jobs.db").exists()

    async def close(self) -> None:
        """Close the stores, if they were opened."""
        for threads in (self._readers, self._writers):
            threads.shutdown(wait=False, cancel_futures=True)
        if self._context is not None:
            await to_thread.run_sync(self._context.__exit__, None, None, None)
        self._context = self._jobs = None

    async def _run_in_thread(
        self, threads: ThreadPoolExecutor, operation: Callable[[Jobs], R], seconds: float
    ) -> R:
        end = time.monotonic() + seconds
        run = copy_context().run
        future = asyncio.get_running_loop().run_in_executor(
            threads, lambda: run(self._bounded, operation, end)
        )
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise StoreUnavailableError(
                f"the database of the jobs did not answer within {seconds:g} s"
            ) from None

    def _bounded(self, operation: Callable[[Jobs], R], end: float) -> R:
        """Run an operation that waited for this thread, until its deadline."""
        with within(end - time.monotonic()):
            try:
                return operation(self._opened())
            except JobError:
                raise
            except OSError as error:
                if error.errno in NO_ROOM:
                    raise DiskFullError("the disk of the jobs is full") from error
                raise StoreUnavailableError(
                    f"the folder of the jobs cannot be used: {error.strerror}"
                ) from error

    def _opened(self) -> Jobs:
        with self._opening:
            if self._jobs is None:
                context = open_jobs(self.settings)
                self._jobs = context.__enter__()
                self._context = context
            return self._jobs


def job_service_of(request: Request) -> JobService:
    """Return the job service of the server of a request."""
    service: JobService = request.app.state.job_service
    return service
