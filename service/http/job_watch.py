"""Notifies clients of changes of jobs: event streams and long polls.

While any client waits, a single query, twenty times a second, serves all clients of a server.
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
_POLL_SECONDS: Final = 0.05
"""Pause between two queries, which delays the report of a change."""
_PAUSE_SECONDS: Final = 1.0
"""Pause before the next query after a failure of the store."""


class TooManyStreamsError(Exception):
    """The limit of followers is reached."""


class Follower:
    """A client that waits for changes of a job.

    Args:
        job: The job as the client knows it.
    """

    def __init__(self, job: Job) -> None:
        self.job_id = job.id
        self.revision = job.revision
        self._latest: Job | None = None
        self._woken = asyncio.Event()
        self.ended = False

    def tell(self, job: Job) -> None:
        """Pass the current job on to the client."""
        self.revision = job.revision
        self._latest = job
        self._woken.set()

    def end(self) -> None:
        """End the waiting, because the client has disconnected or the server stops."""
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
    """Polls the jobs that are followed, while there are any.

    Args:
        service: Accesses the jobs.
        most: The largest number of followers.
    """

    def __init__(self, service: JobService, *, most: int) -> None:
        self._service = service
        self._most = most
        self._followers: set[Follower] = set()
        self._polling: asyncio.Task[None] | None = None
        self._ended = False

    def refuse_if_full(self) -> None:
        """Raise if no further follower is allowed.

        Raises:
            TooManyStreamsError: The limit is reached.
        """
        if len(self._followers) >= self._most:
            raise TooManyStreamsError(
                f"{self._most} streams of job events are open, which is the limit; poll the job "
                "instead"
            )

    @contextmanager
    def following(self, job: Job) -> Iterator[Follower]:
        """Follow a job within the context.

        Raises:
            TooManyStreamsError: The limit of followers is reached.
        """
        self.refuse_if_full()
        follower = Follower(job)
        if self._ended:
            follower.end()
        self._followers.add(follower)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def end(self) -> None:
        """End all streams from now on, because the server stops."""
        self._ended = True
        for follower in self._followers:
            follower.end()

    async def close(self) -> None:
        """End all streams and stop polling."""
        self.end()
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling

    async def _poll(self) -> None:
        log = structlog.get_logger()
        while self._followers:
            try:
                await self._poll_once()
            except StoreUnavailableError as error:
                log.warning("no look at the jobs that are followed", reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            await asyncio.sleep(_POLL_SECONDS)

    async def _poll_once(self) -> None:
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
    """Return the jobs that have a newer revision than the known one."""
    found = []
    for job_id, revision in jobs.store.revisions(known).items():
        if revision > known[job_id]:
            with suppress(UnknownJobError):
                found.append(jobs.store.get(job_id))
    return found


class LongPoll(Response):
    """A response that is sent when a job has changed, after a while, or when the server stops.

    At the limit of followers, it is sent at once.

    Args:
        job: The current job.
        watch: Reports its changes.
        seconds: The longest delay.
        respond: Creates the response for the job.
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
        """Wait, and send the response."""
        job = await self._next_change(receive, send) or self._job
        await self._respond(job)(scope, receive, send)

    async def _next_change(self, receive: Receive, send: Send) -> Job | None:
        try:
            with self._watch.following(self._job) as follower:
                # A client that disconnects frees its slot.
                async with ClientConnection(receive, send, on_leaving=follower.end):
                    return await follower.next_change(self._seconds)
        except TooManyStreamsError:
            return None


_KEEP_ALIVE_SECONDS: Final = 15.0
"""Less than the minute after which proxies close a silent connection."""
_KEEP_ALIVE: Final = b": still here\n\n"
_HEADERS: Final = {
    "Content-Type": f"{EVENT_STREAM}; charset=utf-8",
    "Cache-Control": "no-store",
    # Otherwise nginx buffers the events.
    "X-Accel-Buffering": "no",
}


class JobStream(Response):
    """Server-sent events (HTML standard, section 9.2): the job at once, and after every change.

    The stream ends when the job has ended, the client disconnects or the server stops.

    Args:
        job: The current job.
        watch: Reports its changes.
        data: Creates the data of an event.
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
                    # For HEAD, the headers are all that is sent.
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
