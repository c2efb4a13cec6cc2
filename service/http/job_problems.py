"""Responses of the routes of jobs and plans: uncacheable JSON, and errors as problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.responses import Response

from service.http.openapi import described_problems
from service.http.problems import ErrorHandler, as_problem, problem
from service.jobs.errors import (
    ArtifactsUnavailableError,
    CheckpointInUseError,
    CheckpointsFullError,
    DamagedFileError,
    DiskFullError,
    ForeignWorkerError,
    IdempotencyConflictError,
    LostLeaseError,
    QueueFullError,
    RefusedResultError,
    StoreUnavailableError,
    UnknownArtifactError,
    UnknownCheckpointError,
    UnknownDatasetError,
    UnknownJobError,
    UnknownTrainerError,
    UnusableStoreError,
)
from service.plans.errors import PlanConflictError, UnknownPlanError

__all__ = ["install_job_problem_handlers", "job_problems", "job_response"]

_RETRY_AFTER: Final = "5"
"""Approximate seconds until a database has restarted."""

_MEANINGS: Final = {
    400: "The body is not valid UTF-8, or incomplete.",
    403: "The worker was not registered with this key.",
    404: "No such job, artifact, data set, trainer, checkpoint or plan; the detail says which.",
    409: "The idempotency key was used for another request, a job uses the checkpoint, the worker "
    "lost its lease, or the state of the plan or its name does not allow this.",
    413: "The body is too large.",
    416: "The range begins after the end of the file.",
    422: "The request is malformed, or an architecture lies outside its space.",
    429: "Too many jobs are queued: retry after `Retry-After`.",
    500: "The server failed; its log has the request id.",
    503: "The job database or the artifact store does not answer or is damaged, or too many event "
    "streams are open.",
    507: "The disk of the server is full, or the limit of uploaded checkpoints is reached.",
}


def job_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a job route for some error statuses."""
    return described_problems(_MEANINGS, statuses)


def install_job_problem_handlers(app: FastAPI) -> None:
    """Register the handlers that turn errors of jobs into problem documents."""
    handlers: dict[type[Exception], ErrorHandler] = {
        ArtifactsUnavailableError: _unavailable,
        CheckpointInUseError: as_problem(409, "checkpoint-in-use", "Checkpoint in use"),
        CheckpointsFullError: as_problem(507, "checkpoints-full", "No room for checkpoints"),
        DamagedFileError: _unknown("artifact"),
        DiskFullError: _disk_full,
        ForeignWorkerError: as_problem(403, "foreign-worker", "Not your worker"),
        IdempotencyConflictError: _conflict,
        LostLeaseError: as_problem(409, "lease-lost", "Lease lost"),
        QueueFullError: _queue_full,
        RefusedResultError: _refused,
        StoreUnavailableError: _unavailable,
        UnusableStoreError: _unusable,
        UnknownArtifactError: _unknown("artifact"),
        UnknownCheckpointError: _unknown("checkpoint"),
        UnknownJobError: _unknown("job"),
        UnknownDatasetError: _not_offered("dataset", "data set"),
        UnknownTrainerError: _not_offered("trainer", "trainer"),
        PlanConflictError: as_problem(409, "plan-conflict", "Plan in another state"),
        UnknownPlanError: _unknown("plan"),
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, handler)


def _unknown(thing: str) -> ErrorHandler:
    return as_problem(404, f"unknown-{thing}", f"Unknown {thing}")


def _not_offered(member: str, thing: str) -> ErrorHandler:
    """Return the handler of requests that name something no worker has."""

    async def unknown(
        request: Request, error: UnknownDatasetError | UnknownTrainerError
    ) -> Response:
        return problem(
            request,
            404,
            kind=f"unknown-{member}",
            title=f"Unknown {thing}",
            detail=str(error),
            errors=[{"loc": ["body", member], "msg": str(error)}],
            extensions={"known": list(error.known)},
        )

    return unknown


async def _conflict(request: Request, error: IdempotencyConflictError) -> Response:
    return problem(
        request,
        409,
        kind="idempotency-conflict",
        title="Idempotency key used before",
        detail=str(error),
        extensions={"job_id": error.job_id},
    )


async def _refused(request: Request, error: RefusedResultError) -> Response:
    return problem(
        request,
        422,
        kind="refused-result",
        title="Refused result",
        detail=str(error),
        errors=[{"loc": ["body", error.place], "msg": error.reason}],
    )


async def _queue_full(request: Request, error: QueueFullError) -> Response:
    return problem(
        request,
        429,
        kind="queue-full",
        title="Too many jobs queued",
        detail=str(error),
        headers={"Retry-After": str(error.retry_after)},
    )


async def _disk_full(request: Request, error: DiskFullError) -> Response:
    _log(request).warning("no room for jobs", reason=str(error))
    return problem(
        request, 507, kind="disk-full", title="Disk full", detail="the disk of the server is full"
    )


async def _unavailable(
    request: Request, error: StoreUnavailableError | ArtifactsUnavailableError
) -> Response:
    artifacts = isinstance(error, ArtifactsUnavailableError)
    what = "store of the artifacts" if artifacts else "database of the jobs"
    told = f"the {what} does not answer"
    _log(request).warning(told, reason=str(error))
    return problem(
        request,
        503,
        kind="artifacts-unavailable" if artifacts else "jobs-unavailable",
        title="Artifacts unavailable" if artifacts else "Jobs unavailable",
        detail=f"{told}; the request may be retried",
        headers={"Retry-After": _RETRY_AFTER},
    )


async def _unusable(request: Request, error: UnusableStoreError) -> Response:
    _log(request).error("the database of the jobs cannot be used", reason=str(error))
    return problem(
        request,
        503,
        kind="jobs-unusable",
        title="Jobs cannot be used",
        detail="the database of the jobs has another version or is not one of jobs; see the log of "
        "the server",
        headers={"Retry-After": _RETRY_AFTER},
    )


def _log(request: Request) -> Any:
    return structlog.get_logger().bind(request_id=request.scope.get("request_id"))


def job_response(
    answer: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an uncacheable JSON response.

    Raises:
        StoreUnavailableError: The answer cannot be encoded as JSON. As all submissions were JSON,
            the database of the jobs is damaged.
    """
    try:
        content = orjson.dumps(answer)
    except orjson.JSONEncodeError as error:
        raise StoreUnavailableError("the database of the jobs is damaged: not JSON") from error
    return Response(
        content,
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )
