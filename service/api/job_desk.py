"""Where the routes of jobs reach the store: in a few threads, opened when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Final, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import Request
from prometheus_client.core import Metric

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.errors import JobError, StoreUnavailableError
from service.observability.job_metrics import job_families

__all__ = ["JobDesk", "desk_of"]

R = TypeVar("R")

_THREADS: Final = 4
"""The store takes one writer at a time; more threads would only wait for it."""


class JobDesk:
    """The jobs of one server, for the tasks of its event loop.

    Args:
        settings: Where the jobs are.

    Attributes:
        settings: The same.
        limiter: For the threads that wait for the store or for files.
    """

    def __init__(self, settings: JobSettings) -> None:
        self.settings = settings
        self.limiter = CapacityLimiter(_THREADS)
        self._opening = asyncio.Lock()
        self._context: AbstractContextManager[Jobs] | None = None
        self._jobs: Jobs | None = None

    async def ask(self, operation: Callable[[Jobs], R]) -> R:
        """Return what an operation on the jobs returns, carried out in a thread.

        Raises:
            StoreUnavailableError: The database does not answer; the next request tries anew.
            UnusableStoreError: It is that of another version of this program.
            OSError: The folder of the jobs cannot be made.
        """
        jobs = self._jobs or await self._open()
        return await to_thread.run_sync(operation, jobs, limiter=self.limiter)

    async def open_if_used(self) -> None:
        """Open the store where there are jobs already, so that metrics tell of them at once.

        One that cannot be opened now is opened, or complained of, at the first request.
        """
        settings = self.settings
        if settings.jobs_url is None and not (settings.folder / "jobs.db").is_file():
            return
        try:
            await self._open()
        except (JobError, OSError) as error:
            log = structlog.get_logger()
            log.warning("jobs cannot be opened", reason=type(error).__name__)

    def families(self) -> Iterator[Metric]:
        """Yield the metrics of jobs and workers, once the store is open.

        Called in a thread.
        """
        jobs = self._jobs
        if jobs is None:
            return
        with suppress(StoreUnavailableError):
            yield from job_families(jobs.store.counts(), jobs.roster.all())

    async def close(self) -> None:
        """Close the store, if it was opened."""
        if self._context is not None:
            await to_thread.run_sync(self._context.__exit__, None, None, None)
        self._context = self._jobs = None

    async def _open(self) -> Jobs:
        async with self._opening:
            if self._jobs is None:
                context = open_jobs(self.settings)
                self._jobs = await to_thread.run_sync(context.__enter__, limiter=self.limiter)
                self._context = context
            return self._jobs


def desk_of(request: Request) -> JobDesk:
    """Return the desk of the server that a request came to."""
    desk: JobDesk = request.app.state.job_desk
    return desk
