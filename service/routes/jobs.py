"""The routes of jobs that were submitted: listed, looked at, cancelled, their files fetched."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path as FilePath
from typing import Annotated, Any, BinaryIO, Final

import orjson
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from bench_client import models
from benchmark_db.errors import InvalidQuestionError
from service.http.body import JSON, refuse_other_media
from service.http.file_response import DamagedFileError, DigestedFile, open_file
from service.http.job_problems import job_problems
from service.http.job_service import JobService, job_service_of
from service.http.job_watch import JobWatch
from service.http.long_poll import LongPoll
from service.http.openapi import NOT_MODIFIED
from service.http.query import described, read_query
from service.jobs import Jobs, JobSettings
from service.jobs.errors import StoreUnavailableError, UnknownArtifactError, UnknownJobError
from service.jobs.records import Artifact, Job, JobState, to_json

__all__ = ["JobId", "job_answer", "job_response", "router"]

router = APIRouter(prefix="/v1", tags=["jobs"])

_NOT_KEPT: Final = {"Cache-Control": "no-store"}
"""What a job is changes at any moment."""
_TOUCH_SECONDS: Final = 1.0
"""That a download waits until it is noted, which keeps the artifact longer."""
_LONGEST_WAIT: Final = 10.0
"""Seconds; less than anything between server and caller takes for silence."""

JobId = Annotated[str, Path(description="Id of the job.", max_length=200)]
ArtifactName = Annotated[str, Path(description="Name of the artifact.", max_length=200)]


class _JobsQuestion(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Annotated[models.JobState | None, Field(description="Only those in this state.")] = None
    kind: Annotated[models.JobKind | None, Field(description="Only those of this kind.")] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="Jobs in the page.")] = 100
    cursor: Annotated[
        str | None,
        Field(max_length=1000, description="`next_cursor` of the page before; opaque."),
    ] = None


class _JobQuestion(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    wait: Annotated[
        float,
        Field(
            ge=0,
            le=_LONGEST_WAIT,
            description="Seconds that the answer is held back at most, until the job has another "
            "`revision` than the one that is given; it may come at once all the same.",
        ),
    ] = 0.0
    revision: Annotated[
        int | None,
        Field(
            ge=0, description="The `revision` that the caller knows; by default the present one."
        ),
    ] = None


@router.get(
    "/jobs",
    operation_id="jobs",
    response_model=models.JobPage,
    responses=job_problems(422, 500, 503),
    openapi_extra=described(_JobsQuestion),
)
async def jobs(request: Request) -> Response:
    """Return jobs, the latest first."""
    question = read_query(request, _JobsQuestion)
    service = job_service_of(request)

    def find(jobs: Jobs) -> tuple[list[Job], str | None]:
        return jobs.store.page(
            state=JobState(question.state) if question.state else None,
            kind=question.kind,
            before=question.cursor,
            limit=question.limit,
        )

    try:
        found, following = await service.ask(find)
    except UnknownJobError:
        raise InvalidQuestionError("cursor", "it is none that this service gave out") from None
    items = [job_answer(job, service.settings) for job in found]
    return _sent({"items": items, "next_cursor": following})


@router.get(
    "/jobs/{job_id}",
    operation_id="job",
    response_model=models.Job,
    responses=job_problems(404, 422, 500, 503),
    openapi_extra=described(_JobQuestion),
)
async def job(request: Request, job_id: JobId) -> Response:
    """Return a job: its state, how far it is, what it found and made.

    With `wait` and `revision`, at once where there is something new to tell, else as soon as there
    is. A job that has ended is told at once.
    """
    question = read_query(request, _JobQuestion)
    service = job_service_of(request)
    found = await service.ask(lambda jobs: jobs.store.get(job_id))
    is_newer = question.revision not in {None, found.revision}
    if is_newer or found.is_finished or not question.wait:
        return job_response(found, service.settings)
    watch: JobWatch = request.app.state.job_watch
    respond = partial(job_response, settings=service.settings)
    return LongPoll(found, watch, seconds=question.wait, respond=respond)


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancel_job",
    response_model=models.Job,
    responses=job_problems(404, 422, 500, 503, 507),
)
async def cancel(request: Request, job_id: JobId) -> Response:
    """Cancel a job and return it; one that has ended stays as it is.

    A job that waits is cancelled at once. One that runs is `cancel_requested`, and cancelled as
    soon as its worker has stopped it.
    """
    if "content-type" in request.headers:
        refuse_other_media(request, JSON)
    service = job_service_of(request)
    return job_response(
        await service.change(lambda jobs: jobs.store.cancel(job_id)), service.settings
    )


@router.get(
    "/jobs/{job_id}/artifacts/{name}",
    operation_id="job_artifact",
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": {"application/octet-stream": {}}},
        206: {"description": "The part of it that `Range` asks for."},
        **NOT_MODIFIED,
        **job_problems(404, 416, 422, 500, 503),
    },
)
async def artifact(request: Request, job_id: JobId, name: ArtifactName) -> Response:
    """Send a file that a job made, whole or in part.

    Its `ETag` is the SHA-256 of its content, which `Repr-Digest` states, too; `Range`, `If-Range`
    and `If-None-Match` are answered.
    """
    service = job_service_of(request)

    def find(jobs: Jobs) -> tuple[Artifact, FilePath]:
        found = jobs.store.get(job_id).artifact(name)
        if found is None:
            raise UnknownArtifactError(
                "the job has no artifact of this name; `artifacts` of the job lists those it has"
            )
        return found, jobs.artifacts.path(found.sha256)

    found, path = await service.ask(find)
    file = await _opened(service, found, path)
    # A database that is locked, or whose disk is full, keeps nobody from reading what is there.
    with suppress(StoreUnavailableError):
        await service.change(
            lambda jobs: jobs.artifact_cache.touch(found.sha256), seconds=_TOUCH_SECONDS
        )
    return DigestedFile(
        request,
        file,
        size=found.size,
        sha256=found.sha256,
        name=found.name,
        media_type=found.media_type,
        limiter=service.limiter,
    )


async def _opened(service: JobService, artifact: Artifact, path: FilePath) -> BinaryIO:
    """Return the file of an artifact, open: it can be read to its end whatever happens to its name.

    Raises:
        UnknownArtifactError: It is gone, or is not what it was. The jobs that list it expire, so
            that it is made anew by whoever submits them again.
        StoreUnavailableError: It cannot be read.
    """
    try:
        return await open_file(path, artifact.size, service.limiter)
    except DamagedFileError:
        reason = "the file of the artifact is damaged: submit the job again"
    except FileNotFoundError:
        reason = "the artifact was thrown away: submit the job again"
    except OSError as error:
        raise StoreUnavailableError(
            f"the file of an artifact cannot be read: {error.strerror}"
        ) from error
    with suppress(StoreUnavailableError):
        await service.change(lambda jobs: jobs.artifact_cache.lose(artifact))
    raise UnknownArtifactError(reason)


def job_answer(job: Job, settings: JobSettings) -> dict[str, Any]:
    """Return a job as it is sent, with the time limit that applies where it asked for none."""
    answer: dict[str, Any] = to_json(job)
    if job.time_limit is None:
        answer["time_limit"] = settings.job_seconds
    return answer


def job_response(job: Job, settings: JobSettings, *, status: int = 200, **headers: str) -> Response:
    """Return the response that is a job."""
    return _sent(job_answer(job, settings), status, headers)


def _sent(answer: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    try:
        content = orjson.dumps(answer)
    except orjson.JSONEncodeError as error:
        # Whatever was submitted can be sent.
        raise StoreUnavailableError("the database of the jobs is damaged: not JSON") from error
    return Response(
        content,
        status,
        {**_NOT_KEPT, **(headers or {})},
        media_type="application/json",
    )
