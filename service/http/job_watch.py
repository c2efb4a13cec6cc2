"""Changes of jobs, told to readers who wait: event streams and answers that are held back.

One look at the store, twenty times a second while anybody waits, serves all readers of a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.http.job_service import JobService
from service.http.streams import ClientConnection, ClientDisconnectedError
from service.jobs import Jobs
from service.jobs.errors import StoreUnavailableError, UnknownJobError
from service.jobs.records import Job

__all__ = ["EVENT_STREAM", "JobStream", "JobWatch", "LongPoll", "TooManyStreamsError"]

EVENT_STREAM: Final = "text/event-stream"
"""The media type of server-sent events."""
_LOOK_SECONDS: Final = 0.05
"""Between two looks at the store: what a change waits at most, on top of the look itself."""
_PAUSE_SECONDS: Final = 1.0
"""Before the next look where the store does not answer."""


class TooManyStreamsError(Exception):
    """As many jobs are followed as may be."""


class Follower:
    """A reader who waits for changes of a job.

    Args:
        job: The job as it is known so far.
    """

    def __init__(self, job: Job) -> None:
        self.job_id = job.id
        self.revision = job.revision
        self._latest: Job | None = None
        self._woken = asyncio.Event()
        self.ended = False

    def tell(self, job: Job) -> None:
        """Take note of the job as it is now."""
        self.revision = job.revision
        self._latest = job
        self._woken.set()

    def end(self) -> None:
        """Take note that there will be no more changes: the reader left, or the server stops."""
        self.ended = True
        self._woken.set()

    async def next_change(self, seconds: float) -> Job | None:
        """Return the job when it has changed; None after a while, or at the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        if not self.ended:
            self._woken.clear()
        latest, self._latest = self._latest, None
        return latest


class JobWatch:
    """Looks for changes of the jobs that are followed, as long as any are.

    Args:
        service: Where the jobs are asked for.
        most: How many followers there may be.
    """

    def __init__(self, service: JobService, *, most: int) -> None:
        self._service = service
        self._most = most
        self._followers: set[Follower] = set()
        self._looking: asyncio.Task[None] | None = None
        self._ended = False

    def refuse_if_full(self) -> None:
        """Refuse another follower where there are as many as may be.

        Raises:
            TooManyStreamsError: So it is.
        """
        if len(self._followers) >= self._most:
            raise TooManyStreamsError(
                f"{self._most} streams of job events are open, which is all at a time; ask for "
                "the job itself now and then"
            )

    @contextmanager
    def following(self, job: Job) -> Iterator[Follower]:
        """Tell a follower of a job what happens to it, within the context.

        Raises:
            TooManyStreamsError: There are as many as may be.
        """
        self.refuse_if_full()
        follower = Follower(job)
        if self._ended:
            follower.end()
        self._followers.add(follower)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_regularly())
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def end(self) -> None:
        """End all streams, now and from now on: the server stops."""
        self._ended = True
        for follower in self._followers:
            follower.end()

    async def close(self) -> None:
        """End all streams, and stop looking."""
        self.end()
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _look_regularly(self) -> None:
        log = structlog.get_logger()
        while self._followers:
            try:
                await self._look()
            except StoreUnavailableError as error:
                log.warning("no look at the jobs that are followed", reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        known: dict[str, int] = {}
        for follower in self._followers:
            known[follower.job_id] = min(
                follower.revision, known.get(follower.job_id, follower.revision)
            )
        for job in await self._service.ask(lambda jobs: _changed(jobs, known)):
            for follower in self._followers:
                if follower.job_id == job.id and follower.revision < job.revision:
                    follower.tell(job)


def _changed(jobs: Jobs, known: dict[str, int]) -> list[Job]:
    """Return the jobs that have a later revision than the known one."""
    found = []
    for job_id, revision in jobs.store.revisions(known).items():
        if revision > known[job_id]:
            with suppress(UnknownJobError):
                found.append(jobs.store.get(job_id))
    return found


class LongPoll(Response):
    """A response that begins when a job has changed, after a while, or when the server stops.

    Where as many are held as may be, it begins at once.

    Args:
        job: The job as it is now.
        watch: Tells how it goes on.
        seconds: How long the response is held at most.
        respond: Makes the response of the job.
    """

    def __init__(
        self, job: Job, watch: JobWatch, *, seconds: float, respond: Callable[[Job], Response]
    ) -> None:
        super().__init__()
        self._job = job
        self._watch = watch
        self._seconds = seconds
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait and send."""
        job = await self._next_change(receive, send) or self._job
        await self._respond(job)(scope, receive, send)

    async def _next_change(self, receive: Receive, send: Send) -> Job | None:
        try:
            with self._watch.following(self._job) as follower:
                # A client that goes away gives its place back.
                async with ClientConnection(receive, send, on_leaving=follower.end):
                    return await follower.next_change(self._seconds)
        except TooManyStreamsError:
            return None


_KEEP_ALIVE_SECONDS: Final = 15.0
"""Less than the minute after which proxies take a silent connection for dead."""
_KEEP_ALIVE: Final = b": still here\n\n"
_HEADERS: Final = {
    "Content-Type": f"{EVENT_STREAM}; charset=utf-8",
    "Cache-Control": "no-store",
    # nginx would gather the events until they fill a buffer.
    "X-Accel-Buffering": "no",
}


class JobStream(Response):
    """Server-sent events (HTML standard, section 9.2): the job at once, and after every change.

    It goes on until the job has ended, its reader has left or the server stops.

    Args:
        job: The job as it is now.
        watch: Tells how it goes on.
        data: Makes the data of an event of the job.
    """

    media_type = EVENT_STREAM

    def __init__(self, job: Job, watch: JobWatch, *, data: Callable[[Job], bytes]) -> None:
        super().__init__()
        self._job = job
        self._watch = watch
        self._data = data

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        with self._watch.following(self._job) as follower:
            async with ClientConnection(receive, send, on_leaving=follower.end) as client:
                try:
                    await client.begin(200, _HEADERS)
                    await client.give(self._event(self._job))
                    job = self._job
                    # Of HEAD that was all, of which the server has sent the headers.
                    while not scope.get("head_only") and not (job.is_finished or follower.ended):
                        changed = await follower.next_change(_KEEP_ALIVE_SECONDS)
                        job = changed or job
                        await client.give(self._event(changed) if changed else _KEEP_ALIVE)
                    await client.give(b"", last=True)
                except ClientDisconnectedError as left:
                    log = structlog.get_logger().bind(request_id=scope.get("request_id"))
                    log.debug("job is followed no longer", reason=str(left))

    def _event(self, job: Job) -> bytes:
        return b"id: %d\nevent: job\ndata: %b\n\n" % (job.revision, self._data(job))
