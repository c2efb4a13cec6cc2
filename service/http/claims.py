"""Workers over HTTP that wait for a job: their requests are held until there may be one.

One look at the table answers all that wait with the same capabilities, however many they are: it
tells whether some job is there for them, and then one of them after the other tries to lease it.
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

_LOOK_SECONDS: Final = 0.2
_PAUSE_SECONDS: Final = 2.0
"""Before another look at a database that does not answer."""


class ClaimWatch:
    """The workers that wait, and the task that looks for jobs as long as some do.

    Args:
        service: Where the jobs are asked for.
    """

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._waiting: dict[Capabilities, deque[asyncio.Event]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._bell = asyncio.Event()
        self._ended = False

    def ring(self) -> None:
        """Have it look now: a job was submitted here."""
        self._bell.set()

    def end(self) -> None:
        """Answer all that wait, now and from now on: the server stops."""
        self._ended = True
        for waiting in self._waiting.values():
            for event in waiting:
                event.set()

    async def close(self) -> None:
        """Answer all that wait, and stop looking."""
        self.end()
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def lease(self, claim: Claim, holder: str, is_gone: Callable[[], bool]) -> Lease | None:
        """Lease a job for a worker, as soon as there is one; None: none came.

        Args:
            claim: What it can do, and how long it waits.
            holder: The name of the key that it shows.
            is_gone: Tells whether it has left: then it gets none.

        Raises:
            ForeignWorkerError: The worker is not one that this key registered.
            StoreUnavailableError: The database does not answer.
        """
        can, held = claim.capabilities(), frozenset(claim.held)

        def acquire(jobs: Jobs) -> Lease | None:
            return jobs.leases.acquire(claim.worker, can, held=held, holder=holder)

        end = asyncio.get_running_loop().time() + claim.wait
        lease = await self._service.change(acquire)
        while lease is None and await self._may_be_there(can, end) and not is_gone():
            lease = await self._service.change(acquire)
        return lease

    async def _may_be_there(self, can: Capabilities, end: float) -> bool:
        """Wait until there may be a job; False: there was none until the end."""
        seconds = end - asyncio.get_running_loop().time()
        if seconds <= 0 or self._ended:
            return False
        event = asyncio.Event()
        waiting = self._waiting.setdefault(can, deque())
        waiting.append(event)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_regularly())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            with suppress(ValueError):
                waiting.remove(event)
            # Another queue may have its place: that of those who came after it was empty.
            if not waiting and self._waiting.get(can) is waiting:
                del self._waiting[can]
        return not self._ended

    async def _look_regularly(self) -> None:
        log = structlog.get_logger()
        while self._waiting:
            self._bell.clear()
            try:
                for can in list(self._waiting):
                    await self._look(can)
            except StoreUnavailableError as error:
                log.warning("no look for jobs of waiting workers", reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._bell.wait()

    async def _look(self, can: Capabilities) -> None:
        """Wake as many of those with the same capabilities as there are jobs for them."""
        most = len(self._waiting.get(can, ()))
        found = await self._service.ask(lambda jobs: jobs.leases.count_work(can, most))
        waiting = self._waiting.get(can, deque())
        # The longest first; who finds that another was faster waits anew.
        for _ in range(min(found, len(waiting))):
            waiting.popleft().set()


class ClaimResponse(Response):
    """A response that begins when a worker has a lease, after a while, or when the server stops.

    Args:
        claim: What the worker asks for.
        holder: The name of the key that it shows.
        watch: Tells when there may be a job.
        respond: Makes the response of a lease, or of none.
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
        """Wait and send."""
        async with ClientConnection(receive, send) as client:
            lease = await self._watch.lease(self._claim, self._holder, lambda: client.gone)
        await self._respond(lease)(scope, receive, send)
