"""The routes of workers and of the data sets that they have."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bench_client.models import DatasetList, WorkerList
from service.http.job_problems import job_problems
from service.http.job_service import job_service_of
from service.http.respond import answer_now
from service.jobs.records import to_json

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["jobs"])

_NOT_KEPT = {"Cache-Control": "no-store"}


@router.get(
    "/workers",
    operation_id="workers",
    response_model=WorkerList,
    responses=job_problems(500, 503),
)
async def workers(request: Request) -> Response:
    """Return the workers that were heard of within a day; those that fell silent are not alive."""
    found = await job_service_of(request).ask(lambda jobs: jobs.workers.all())
    return answer_now({"items": to_json(tuple(found))}, _NOT_KEPT)


@router.get(
    "/datasets",
    operation_id="datasets",
    response_model=DatasetList,
    responses=job_problems(500, 503),
)
async def datasets(request: Request) -> Response:
    """Return the data sets that living workers have, by name."""
    found = await job_service_of(request).ask(lambda jobs: jobs.workers.datasets())
    items = [{"name": name, "workers": workers} for name, workers in found.items()]
    return answer_now({"items": items}, _NOT_KEPT)
