"""The answer about a job that is held back until there is something new to tell."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.http.client_connection import ClientConnection
from service.http.job_watch import JobWatch, TooManyStreamsError
from service.jobs.records import Job

__all__ = ["LongPoll"]


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
                # One who leaves gives the place back.
                async with ClientConnection(receive, send, on_leaving=follower.end):
                    return await follower.next_change(self._seconds)
        except TooManyStreamsError:
            return None
