"""Routes of the server's state: installed benchmarks, health checks, metrics."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import Annotated, Any, Final, Literal

import anyio.to_thread
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from bench_client.models import BenchmarkInfo, BenchmarkList, fields_of
from benchmark_db.answers import Answer, benchmark_answer, benchmarks_answer
from benchmark_db.catalog import Catalog
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.installed_dataset import InstalledDataset
from service.http.admission import Shares
from service.http.openapi import READ_PROBLEMS, described_problems
from service.http.problems import problem
from service.http.questions import answer_now, cache_headers, catalog_of
from service.http.response_cache import ResponseCache
from service.observability.metrics import Metrics

__all__ = ["note_regularly", "router"]

router = APIRouter()

_BENCHMARKS: Final[list[str | Enum]] = ["benchmarks"]
_HEALTH: Final[list[str | Enum]] = ["health"]
_BenchmarkName = Annotated[
    str, Path(description="Name of the benchmark.", examples=["nasbench201"])
]
_SECONDS_BETWEEN_NOTES: Final = 1.0


@router.get(
    "/v1/benchmarks",
    tags=_BENCHMARKS,
    operation_id="benchmarks",
    summary="List the installed benchmarks",
    response_model=BenchmarkList,
    responses=READ_PROBLEMS,
)
async def benchmarks(request: Request) -> Response:
    """List the installed benchmarks with counts, budgets, fields, units, origin and digest."""
    catalog = catalog_of(request)
    headers = cache_headers(request, *map(_file_digest, catalog.installed.values()))
    answer = benchmarks_answer(catalog)
    return answer_now({"items": [_with_fields(catalog, info) for info in answer["items"]]}, headers)


@router.get(
    "/v1/benchmarks/{name}",
    tags=_BENCHMARKS,
    operation_id="benchmark",
    summary="Describe one benchmark",
    response_model=BenchmarkInfo,
    responses=READ_PROBLEMS,
)
async def benchmark(request: Request, name: _BenchmarkName) -> Response:
    """Describe one installed benchmark."""
    catalog = catalog_of(request)
    headers = cache_headers(request, _file_digest(catalog.entry(name)))
    return answer_now(_with_fields(catalog, benchmark_answer(catalog, name)), headers)


def _file_digest(installed: InstalledDataset) -> str:
    """Return the checksum of the database file: equal rows may have different descriptions."""
    return installed.database.checksum


def _with_fields(catalog: Catalog, info: Answer) -> Answer:
    spec = catalog.entry(info["name"]).spec
    return {**info, "fields": [field.model_dump() for field in fields_of(spec)]}


class Liveness(BaseModel):
    """Answer of `/livez`."""

    status: Literal["alive"]


class DatabaseState(BaseModel):
    """Whether one database can be queried."""

    status: Literal["ready", "unusable"]
    content_digest: str | None = None
    reason: str | None = None
    verified_at: datetime | None = Field(
        default=None, description="Time of the last successful check of all bytes of its file."
    )
    verifying: bool = Field(default=False, description="Whether such a check is running.")
    replacement: str | None = Field(
        default=None,
        description="Why the new file is not served, and the previous one still is.",
    )


class Readiness(BaseModel):
    """Whether the server can answer queries; `degraded` if some databases cannot be served."""

    status: Literal["ready", "degraded"]
    benchmarks: dict[str, DatabaseState]


@router.get(
    "/livez",
    tags=_HEALTH,
    operation_id="livez",
    summary="Check that the server is alive",
    response_model=Liveness,
)
async def livez() -> Response:
    """Report that the process answers."""
    return answer_now({"status": "alive"})


@router.get(
    "/readyz",
    tags=_HEALTH,
    operation_id="readyz",
    summary="Check which databases can be queried",
    response_model=Readiness,
    responses=described_problems({503: "The server should get no requests now."}, [503]),
)
async def readyz(request: Request) -> Response:
    """Report which databases can be queried, and why the others cannot.

    200 if at least one can. `status` is `degraded` if another one cannot, for example because its
    file was modified or failed its checksum, or if a replacement file cannot be served. 503 if
    none can, while the server has no capacity for a query, and after it was told to shut down.
    """
    not_ready = partial(problem, request, 503, kind="not-ready", title="Not ready")
    if request.app.state.shutdown.begun:
        return not_ready(detail="the server is about to stop: send further requests elsewhere")
    places: Shares = request.app.state.requests
    if places.taken >= places.most:
        told = "too many requests are in progress: send further ones elsewhere"
        return not_ready(detail=told)
    catalog: Catalog = request.app.state.catalog
    states = {name: _state(installed) for name, installed in catalog.installed.items()}
    # Read afterwards: it includes files that were just found to have changed.
    for name, reason in catalog.unusable.items():
        states[name] = {"status": "unusable", "reason": reason}
    for name, reason in catalog.refused_replacements.items():
        states[name]["replacement"] = reason
    ready = [state["status"] == "ready" for state in states.values()]
    if not any(ready):
        return not_ready(
            detail="no benchmark can be served: make a database with `nbs generate`",
            extensions={"benchmarks": states},
        )
    whole = all(ready) and not catalog.refused_replacements
    return answer_now({"status": "ready" if whole else "degraded", "benchmarks": states})


def _state(installed: InstalledDataset) -> dict[str, Any]:
    try:
        installed.database.check()
    except UnusableDatabaseError as error:
        return {"status": "unusable", "reason": str(error)}
    verified = installed.database.verified_at
    return {
        "status": "ready",
        "content_digest": installed.provenance.content_digest,
        "verified_at": None if verified is None else datetime.fromtimestamp(verified, UTC),
        "verifying": installed.database.verifying,
    }


@router.get(
    "/metrics",
    tags=_HEALTH,
    operation_id="metrics",
    summary="Get the metrics for Prometheus",
    response_class=Response,
    responses={200: {"description": "All metrics.", "content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus's text format; docs/metrics.md lists them."""
    found: Metrics = request.app.state.metrics
    _note(request.app.state)
    text = await anyio.to_thread.run_sync(found.text)
    return Response(text, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_LATEST)


async def note_regularly(state: Any) -> None:
    """Publish the counts of this server process for the other processes, until cancelled."""
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_NOTES)
        _note(state)


def _note(state: Any) -> None:
    kept: ResponseCache = state.response_cache
    state.metrics.note(
        exports=state.exports.open.taken,
        cache_hits=kept.hits,
        cache_misses=kept.misses,
    )
