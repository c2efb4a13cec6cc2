"""The routes of NAS-Bench-201."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from bench_client.models import BatchAnswer, Nb201Architecture, Nb201Curves, Nb201Stats, Page
from benchmark_db.answers import (
    computed_stats_answer,
    intermediate_stats_answer,
    many_computed_stats_answer,
)
from benchmark_db.benchmark import Benchmark
from benchmark_db.nasbench201.architecture import (
    EDGES,
    NUM_ARCHITECTURES,
    OPERATIONS,
    arch_str,
    operations_at,
)
from benchmark_db.nasbench201.benchmark import describe_architecture
from benchmark_db.questions import MAX_BATCH
from service.api.openapi import READ_PROBLEMS, problems
from service.api.parameters import Epochs, PageParameters, Reducing, Seed, filters_of
from service.api.query import described, read_query
from service.api.respond import answer_now, answer_scan, cache_headers

__all__ = ["router"]

router = APIRouter(prefix="/v1/nasbench201", tags=["nasbench201"])

_EXAMPLE: Final = arch_str(operations_at(0))
_ARCH: Final = (
    "An architecture: its string, its index, or its dict or list of six operations (as JSON)."
)
_OPERATION: Final = {"enum": [*OPERATIONS, "conv_1x1", "conv_3x3"]}
_SPELLINGS: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "string", "description": "The published string, or an index in digits."},
        {"type": "integer", "minimum": 0, "maximum": NUM_ARCHITECTURES - 1},
        {
            "type": "object",
            "properties": dict.fromkeys(EDGES, _OPERATION),
            "required": list(EDGES),
            "additionalProperties": False,
        },
        {"type": "array", "items": _OPERATION, "minItems": len(EDGES), "maxItems": len(EDGES)},
    ]
}
_FILTERS: Final = ("arch", "num_epochs", "dataset", "seed")


class _Filters(BaseModel):
    num_epochs: Epochs = None
    dataset: Annotated[
        str | None,
        Field(
            description="cifar10-valid, cifar10, cifar100 or imagenet16-120, in any case.",
            examples=["cifar100"],
        ),
    ] = None
    seed: Seed = None


class CurvesQuestion(_Filters, PageParameters):
    """Filters, reduction and page; an omitted filter is a wildcard."""

    arch: Annotated[str | None, Field(description=_ARCH, examples=[_EXAMPLE, "0"])] = None


class StatsQuestion(CurvesQuestion):
    """As for curves, and whether to send them along."""

    include_intermediates: Annotated[
        bool, Field(description="Send each run's learning curves along, one object an epoch.")
    ] = False


class BatchQuestion(_Filters, Reducing):
    """One question for many architectures."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    archs: Annotated[
        list[Any],
        Field(
            max_length=MAX_BATCH,
            description="Architectures, each in any spelling.",
            examples=[[_EXAMPLE, 11, ["skip_connect"] * 6]],
        ),
    ]
    include_intermediates: bool = False


class ArchitectureQuestion(BaseModel):
    """One architecture in any spelling."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arch: Annotated[
        # Judged where all spellings are: a union would turn `true` into index 1.
        Any,
        Field(description=_ARCH, examples=[_EXAMPLE, 11], json_schema_extra=_SPELLINGS),
    ]


@router.get(
    "/computed-stats",
    operation_id="nasbench201_computed_stats",
    response_model=Page[Nb201Stats],
    responses=READ_PROBLEMS,
    openapi_extra=described(StatsQuestion),
)
async def computed_stats(request: Request) -> Response:
    """Return what the matching runs recorded: accuracies, losses, cost, times."""
    question = read_query(request, StatsQuestion)
    benchmark = _benchmark(request)
    compute = partial(
        computed_stats_answer,
        benchmark,
        filters_of(question, _FILTERS),
        reduction=question.reduction,
        include_intermediates=question.include_intermediates,
        limit=question.limit,
        cursor=question.cursor,
    )
    headers = cache_headers(request, benchmark.provenance.content_digest)
    if question.arch is not None:
        return answer_now(compute(), headers)
    return await answer_scan(request, benchmark, compute, headers)


@router.post(
    "/computed-stats/query",
    operation_id="nasbench201_computed_stats_query",
    response_model=BatchAnswer[Nb201Stats],
    responses=problems(400, 404, 413, 422, 500, 503),
)
async def computed_stats_query(request: Request, question: BatchQuestion) -> Response:
    """Answer one question for up to 10,000 architectures, aligned with them.

    An architecture without matching runs gives an empty list, a malformed one an error entry.
    """
    benchmark = _benchmark(request)
    compute = partial(
        many_computed_stats_answer,
        benchmark,
        question.archs,
        filters_of(question, _FILTERS[1:]),
        reduction=question.reduction,
        include_intermediates=question.include_intermediates,
    )
    return await answer_scan(request, benchmark, compute)


@router.get(
    "/intermediate-stats",
    operation_id="nasbench201_intermediate_stats",
    response_model=Page[Nb201Curves],
    responses=READ_PROBLEMS,
    openapi_extra=described(CurvesQuestion),
)
async def intermediate_stats(request: Request) -> Response:
    """Return the learning curves of the matching runs in columns: one list a statistic."""
    question = read_query(request, CurvesQuestion)
    benchmark = _benchmark(request)
    compute = partial(
        intermediate_stats_answer,
        benchmark,
        filters_of(question, _FILTERS),
        reduction=question.reduction,
        limit=question.limit,
        cursor=question.cursor,
    )
    headers = cache_headers(request, benchmark.provenance.content_digest)
    if question.arch is not None:
        return answer_now(compute(), headers)
    return await answer_scan(request, benchmark, compute, headers)


@router.post(
    "/architecture",
    operation_id="nasbench201_architecture",
    response_model=Nb201Architecture,
    responses=problems(400, 404, 413, 422),
)
async def architecture(request: Request, question: ArchitectureQuestion) -> Response:
    """Return every name of an architecture, and the indices of its isomorphism class."""
    _benchmark(request)
    return answer_now(describe_architecture(question.arch))


def _benchmark(request: Request) -> Benchmark:
    benchmark: Benchmark = request.app.state.catalog["nasbench201"]
    return benchmark
