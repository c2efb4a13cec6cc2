"""Route of the files of jobs."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Annotated, Final

from anyio import to_thread
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from service.http.file_response import DigestedFile
from service.http.job_problems import job_problems
from service.http.job_service import JobService, job_service_of
from service.http.openapi import NOT_MODIFIED
from service.jobs import Jobs
from service.jobs.artifact_store import OpenArtifact
from service.jobs.errors import DamagedFileError, StoreUnavailableError, UnknownArtifactError
from service.jobs.records import Artifact
from service.routes.parameters import JobId

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["jobs"])

_TOUCH_SECONDS: Final = 1.0
"""Longest time that a download waits for the database to record it as use of the artifact."""

_ArtifactName = Annotated[str, Path(description="Name of the artifact.", max_length=200)]


@router.get(
    "/jobs/{job_id}/artifacts/{name}",
    operation_id="job_artifact",
    summary="Download a file of a job",
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": {"application/octet-stream": {}}},
        206: {"description": "The requested range of the file."},
        **NOT_MODIFIED,
        **job_problems(404, 416, 422, 500, 503),
    },
)
async def artifact(request: Request, job_id: JobId, name: _ArtifactName) -> Response:
    """Send a file of a job, whole or in part.

    `ETag` and `Repr-Digest` contain the SHA-256 of its content. `Range`, `If-Range` and
    `If-None-Match` are supported.
    """
    service = job_service_of(request)

    def find(jobs: Jobs) -> tuple[Artifact, Jobs]:
        found = jobs.store.get(job_id).artifact(name)
        if found is None:
            raise UnknownArtifactError(
                "the job has no artifact of this name; `artifacts` of the job lists those it has"
            )
        return found, jobs

    found, jobs = await service.ask(find)
    file = await _opened(service, jobs, found)
    # A locked database or a full disk must not prevent the download.
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
        limiter=service.artifact_limiter,
        on_damage=partial(_lose, service, jobs, found, damaged=True),
    )


async def _opened(service: JobService, jobs: Jobs, artifact: Artifact) -> OpenArtifact:
    """Open the file of an artifact.

    Raises:
        UnknownArtifactError: The file is missing or damaged. The jobs that list it expire, so that
            submitting them again computes it again.
        StoreUnavailableError: The file cannot be read.
    """
    try:
        return await to_thread.run_sync(
            jobs.artifacts.open, artifact.sha256, artifact.size, limiter=service.artifact_limiter
        )
    except DamagedFileError:
        reason = "the file of the artifact is damaged: submit the job again"
    except FileNotFoundError:
        reason = "the artifact was evicted: submit the job again"
    except StoreUnavailableError:
        raise
    except OSError as error:
        raise StoreUnavailableError(
            f"the file of an artifact cannot be read: {error.strerror}"
        ) from error
    await _lose(service, jobs, artifact, damaged=False)
    raise UnknownArtifactError(reason)


async def _lose(service: JobService, jobs: Jobs, artifact: Artifact, *, damaged: bool) -> None:
    """Record that the file of an artifact is missing or damaged, if the database answers."""
    lose = partial(jobs.artifact_cache.lose, artifact, damaged=damaged)
    with suppress(StoreUnavailableError):
        await to_thread.run_sync(lose, limiter=service.artifact_limiter)
