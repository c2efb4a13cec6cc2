"""What is installed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bench_client.models import BenchmarkInfo, BenchmarkList, fields_of
from benchmark_db.answers import Answer, benchmark_answer, benchmarks_answer
from benchmark_db.catalog import Catalog
from service.http.openapi import READ_PROBLEMS
from service.http.respond import answer_now, cache_headers

__all__ = ["router"]

router = APIRouter(prefix="/v1/benchmarks", tags=["benchmarks"])


@router.get("", operation_id="benchmarks", response_model=BenchmarkList, responses=READ_PROBLEMS)
async def benchmarks(request: Request) -> Response:
    """List the installed benchmarks: counts, budgets, fields with units, origin and digest."""
    catalog: Catalog = request.app.state.catalog
    digests = [benchmark.provenance.content_digest for benchmark in catalog.installed.values()]
    headers = cache_headers(request, *digests)
    answer = benchmarks_answer(catalog)
    return answer_now({"items": [_with_fields(info) for info in answer["items"]]}, headers)


@router.get(
    "/{name}", operation_id="benchmark", response_model=BenchmarkInfo, responses=READ_PROBLEMS
)
async def benchmark(request: Request, name: str) -> Response:
    """Describe one installed benchmark."""
    catalog: Catalog = request.app.state.catalog
    headers = cache_headers(request, catalog.entry(name).provenance.content_digest)
    return answer_now(_with_fields(benchmark_answer(catalog, name)), headers)


def _with_fields(info: Answer) -> Answer:
    return {**info, "fields": [field.model_dump() for field in fields_of(info["name"])]}
