"""The routes by which jobs are submitted."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from bench_client.models import EvaluationRequest, Job, LatencyRequest, ModelRequest
from benchmark_db.catalog import Catalog
from service.http.body import BodyRoute
from service.http.job_problems import job_problems
from service.http.job_service import job_service_of
from service.jobs import Jobs, records
from service.jobs.errors import UnknownDatasetError
from service.jobs.records import NewJob
from service.jobs.requests import new_job
from service.routes.jobs import job_response

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=BodyRoute)

_GivenKey: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern="^[ -~]+$",
        description="Stands for this one request: repeated, it gives the same job, whatever became "
        "of it.",
    ),
]

_SUBMITTED: Final[dict[str, Any]] = {
    "status_code": 202,
    "response_model": Job,
    "responses": {
        200: {"model": Job, "description": "The job of an earlier request for the same."},
        202: {"description": "The job that was made; `Location` is its address."},
        **job_problems(400, 404, 409, 413, 422, 429, 500, 503, 507),
    },
}


@router.post("/models", operation_id="submit_model", **_SUBMITTED)
async def submit_model(
    request: Request, submission: ModelRequest, key: _GivenKey = None
) -> Response:
    """Submit the job that builds a network and writes it in the formats that are asked for."""
    return await _submit(request, submission, key)


@router.post("/evaluations", operation_id="submit_evaluation", **_SUBMITTED)
async def submit_evaluation(
    request: Request, submission: EvaluationRequest, key: _GivenKey = None
) -> Response:
    """Submit the job that measures the accuracy of a network on a data set of a worker."""
    return await _submit(request, submission, key)


@router.post("/latency", operation_id="submit_latency", **_SUBMITTED)
async def submit_latency(
    request: Request, submission: LatencyRequest, key: _GivenKey = None
) -> Response:
    """Submit the job that measures how long a pass through a network takes."""
    return await _submit(request, submission, key)


async def _submit(
    request: Request,
    submission: ModelRequest | EvaluationRequest | LatencyRequest,
    given_key: str | None,
) -> Response:
    service = job_service_of(request)
    catalog: Catalog = request.app.state.catalog

    def submit(jobs: Jobs) -> tuple[records.Job, bool]:
        new = new_job(
            submission,
            catalog=catalog,
            job_seconds=jobs.settings.job_seconds,
            request_id=request.scope.get("request_id"),
        )
        _refuse_unknown(new, jobs)
        job, made = jobs.store.submit(new, given_key=given_key)
        if made:
            jobs.notifier.ring(job.id)
        return job, made

    job, made = await service.change(submit)
    headers = {"Location": f"/v1/jobs/{job.id}"}
    return job_response(job, service.settings, status=202 if made else 200, **headers)


def _refuse_unknown(new: NewJob, jobs: Jobs) -> None:
    """Refuse what names a data set or weights that nobody has.

    Raises:
        UnknownDatasetError: No worker has the data set, and no job has done this before.
        UnknownCheckpointError: The weights were never uploaded.
    """
    checkpoint = new.spec["network"]["checkpoint"]
    if checkpoint is not None:
        jobs.checkpoints.get(checkpoint)
    if new.needs_dataset is None:
        return
    known = jobs.workers.datasets()
    if new.needs_dataset not in known and jobs.store.answering(new.key) is None:
        raise UnknownDatasetError(new.needs_dataset, known)
