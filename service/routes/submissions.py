"""The routes by which jobs are submitted: one for each kind in `service.jobs.kinds`."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from bench_client.models import Job, JobKind, Submission
from benchmark_db.catalog import Catalog
from service.http.body import BodyRoute
from service.http.job_problems import job_problems
from service.http.job_service import job_service_of
from service.jobs import Jobs, records
from service.jobs.errors import UnknownDatasetError
from service.jobs.kinds import KINDS, Kind, new_job
from service.jobs.records import NewJob
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


async def _submit(
    request: Request,
    submission: Submission,
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


def _add_route(name: JobKind, kind: Kind) -> None:
    """Add the route of a kind of job."""

    async def submit(request: Request, submission: Submission, key: _GivenKey = None) -> Response:
        return await _submit(request, submission, key)

    # FastAPI reads the request model from here.
    submit.__annotations__["submission"] = kind.request
    router.add_api_route(
        kind.path,
        submit,
        methods=["POST"],
        name=f"submit_{name}",
        operation_id=f"submit_{name}",
        description=kind.sentence,
        **_SUBMITTED,
    )


for _name, _kind in KINDS.items():
    _add_route(_name, _kind)
