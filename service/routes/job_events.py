"""The route that tells what happens to a job, as server-sent events.

The form is that of the HTML standard, section 9.2 (html.spec.whatwg.org).
"""

from __future__ import annotations

from typing import Any, Final

import orjson
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from service.http.client_connection import ClientConnection, ClientDisconnectedError
from service.http.job_problems import job_problems
from service.http.job_service import job_service_of
from service.http.job_watch import JobWatch, TooManyStreamsError
from service.http.problems import problem
from service.jobs import JobSettings
from service.jobs.records import Job
from service.routes.jobs import JobId, job_answer

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["jobs"])

_MEDIA_TYPE: Final = "text/event-stream"
_KEEP_ALIVE_SECONDS: Final = 15.0
"""Less than the minute after which proxies take a silent connection for dead."""
_KEEP_ALIVE: Final = b": still here\n\n"
_RETRY_AFTER: Final = "5"
_HEADERS: Final = {
    "Content-Type": f"{_MEDIA_TYPE}; charset=utf-8",
    "Cache-Control": "no-store",
    # nginx would gather the events until they fill a buffer.
    "X-Accel-Buffering": "no",
}


_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "The `revision` of the job."},
        "event": {"const": "job"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Job"},
        },
    },
    "required": ["id", "event", "data"],
}
"""One event: what came in its fields, its comments left out."""


@router.get(
    "/jobs/{job_id}/events",
    operation_id="job_events",
    response_class=Response,
    responses={
        200: {
            "description": "Events `job`, whose data is the job as JSON; comments keep it alive.",
            "content": {_MEDIA_TYPE: {"schema": _EVENT}},
        },
        **job_problems(404, 422, 500, 503),
    },
)
async def events(request: Request, job_id: JobId) -> Response:
    """Tell how a job is: at once, and whenever it changes, until it has ended.

    An event has the whole job, so that nothing is missed by one who comes late or comes back; its
    id is the `revision`. `Last-Event-ID` is accepted and not needed.
    """
    service = job_service_of(request)
    job = await service.ask(lambda jobs: jobs.store.get(job_id))
    watch: JobWatch = request.app.state.job_watch
    try:
        watch.refuse_if_full()
    except TooManyStreamsError as error:
        return problem(
            request,
            503,
            kind="too-many-streams",
            title="Too many streams",
            detail=str(error),
            headers={"Retry-After": _RETRY_AFTER},
        )
    return _JobStream(job, watch, service.settings)


class _JobStream(Response):
    """A response that goes on until a job has ended, its reader has left or the server stops.

    Args:
        job: The job as it is now.
        watch: Tells how it goes on.
        settings: Of the jobs.
    """

    media_type = _MEDIA_TYPE

    def __init__(self, job: Job, watch: JobWatch, settings: JobSettings) -> None:
        super().__init__()
        self._job = job
        self._watch = watch
        self._settings = settings

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
        data: Any = orjson.dumps(job_answer(job, self._settings))
        return b"id: %d\nevent: job\ndata: %b\n\n" % (job.revision, data)
