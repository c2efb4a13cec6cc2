"""Long polling of workers over HTTP: their claims wait at the server until there may be a job.

One query answers all waiting workers with the same capabilities: it counts the jobs for them, and
then as many workers, in turn, try to lease one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.http.job_service import JobService
from service.http.streams import ClientConnection
from service.jobs import Jobs
from service.jobs.errors import StoreUnavailableError
from service.jobs.records import Capabilities, Lease
from service.jobs.worker_wire import Claim

__all__ = ["ClaimResponse", "ClaimWatch"]

_POLL_SECONDS: Final = 0.2
_PAUSE_SECONDS: Final = 2.0
"""Pause before the next query after a failure of the database."""


class ClaimWatch:
    """The waiting workers, and the task that polls for jobs while there are any.

    Args:
        service: Accesses the jobs.
    """

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._waiting: dict[Capabilities, deque[asyncio.Event]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._job_submitted = asyncio.Event()
        self._ended = False

    def ring(self) -> None:
        """Poll at once, because a job was submitted to this server."""
        self._job_submitted.set()

    def end(self) -> None:
        """Answer all claims at once from now on, because the server stops."""
        self._ended = True
        for waiting in self._waiting.values():
            for event in waiting:
                event.set()

    async def close(self) -> None:
        """Answer all claims and stop polling."""
        self.end()
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling

    async def lease(self, claim: Claim, holder: str, is_gone: Callable[[], bool]) -> Lease | None:
        """Lease a job for a worker as soon as there is one; None: none within its waiting time.

        Args:
            claim: The capabilities and waiting time of the worker.
            holder: The name of its key.
            is_gone: Tells whether the worker has disconnected and gets no job.

        Raises:
            ForeignWorkerError: This key did not register the worker.
            StoreUnavailableError: The database does not answer.
        """
        can, held = claim.capabilities(), frozenset(claim.held)

        def acquire(jobs: Jobs) -> Lease | None:
            return jobs.leases.acquire(claim.worker, can, held=held, holder=holder)

        end = asyncio.get_running_loop().time() + claim.wait
        lease = await self._service.change(acquire)
        while lease is None and await self._wait_for_job(can, end) and not is_gone():
            lease = await self._service.change(acquire)
        return lease

    async def _wait_for_job(self, can: Capabilities, end: float) -> bool:
        """Wait until there may be a job; False: the time is over or the server stops."""
        seconds = end - asyncio.get_running_loop().time()
        if seconds <= 0 or self._ended:
            return False
        event = asyncio.Event()
        waiting = self._waiting.setdefault(can, deque())
        waiting.append(event)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            with suppress(ValueError):
                waiting.remove(event)
            # A new queue may have replaced this one after it was empty.
            if not waiting and self._waiting.get(can) is waiting:
                del self._waiting[can]
        return not self._ended

    async def _poll(self) -> None:
        log = structlog.get_logger()
        while self._waiting:
            self._job_submitted.clear()
            try:
                for can in list(self._waiting):
                    await self._poll_once(can)
            except StoreUnavailableError as error:
                log.warning("no look for jobs of waiting workers", reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._job_submitted.wait()

    async def _poll_once(self, can: Capabilities) -> None:
        """Wake as many workers with the same capabilities as there are jobs for them."""
        most = len(self._waiting.get(can, ()))
        found = await self._service.ask(lambda jobs: jobs.leases.count_work(can, most))
        waiting = self._waiting.get(can, deque())
        # Longest waiting first; a worker that finds its job taken waits again.
        for _ in range(min(found, len(waiting))):
            waiting.popleft().set()


class ClaimResponse(Response):
    """A response that is sent when a worker has a lease, after a while, or when the server stops.

    Args:
        claim: The claim of the worker.
        holder: The name of its key.
        watch: The waiting workers.
        respond: Creates the response for a lease or None.
    """

    def __init__(
        self,
        claim: Claim,
        holder: str,
        watch: ClaimWatch,
        *,
        respond: Callable[[Lease | None], Response],
    ) -> None:
        super().__init__()
        self._claim = claim
        self._holder = holder
        self._watch = watch
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, and send the response."""
        async with ClientConnection(receive, send) as client:
            lease = await self._watch.lease(self._claim, self._holder, lambda: client.gone)
        await self._respond(lease)(scope, receive, send)
