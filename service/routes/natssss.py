"""The routes of the size space of NATS-Bench."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from bench_client.models import (
    BatchAnswer,
    NatsSssArchitecture,
    NatsSssConfig,
    NatsSssCurves,
    NatsSssStats,
    Page,
)
from benchmark_db.answers import architecture_answer
from benchmark_db.natssss.architecture import arch_str, channels_at
from benchmark_db.natssss.benchmark import NatsSss
from benchmark_db.questions import MAX_BATCH
from benchmark_db.registry import METRICS
from service.http.body import BodyRoute
from service.http.openapi import problems
from service.http.questions import answer_now, installed
from service.routes.export import ExportRoute
from service.routes.oracle import OracleRoutes
from service.routes.parameters import (
    FILTERS,
    BatchParameters,
    PageParameters,
    PartFilters,
    RunFilters,
    StatsParameters,
    epochs_of,
)
from service.routes.spaces import SpaceRoutes
from service.routes.stats import StatsRoutes

__all__ = ["oracle", "router"]

_NAME: Final = "natssss"

_epochs: Any = (epochs_of(NatsSss.spec.budgets), None)
_Budget: Any = create_model("_Budget", num_epochs=_epochs)

router = APIRouter(prefix=f"/v1/{_NAME}", tags=[_NAME], route_class=BodyRoute)

_EXAMPLE: Final = arch_str(channels_at(11))
_ARCH: Final = "An architecture: its string, its index, or the list of five channels (as JSON)."


class NatsSssCurvesQuestion(_Budget, RunFilters, PageParameters):
    """Filters, reduction and page; an omitted filter is a wildcard."""

    arch: Annotated[
        str | None,
        Field(description=_ARCH, examples=[_EXAMPLE, "11"]),
    ] = None


class NatsSssStatsQuestion(NatsSssCurvesQuestion, StatsParameters):
    """As for curves, and whether to send them along."""


class _PartFilters(_Budget, PartFilters):
    """Within which part figures are compared."""


class NatsSssBatchQuestion(_Budget, RunFilters, BatchParameters):
    """One question for many architectures."""

    archs: Annotated[
        list[Any],
        Field(
            max_length=MAX_BATCH,
            description="Architectures, each in any spelling.",
            examples=[[_EXAMPLE, 11, list(channels_at(11))]],
        ),
    ]


class NatsSssArchitectureQuestion(BaseModel):
    """One architecture in any spelling."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arch: Annotated[
        # Judged where all spellings are: a union would turn `true` into index 1.
        Any,
        Field(description=_ARCH, examples=[_EXAMPLE, 11, list(channels_at(11))]),
    ]


StatsRoutes(
    name=_NAME,
    filters=FILTERS,
    stats_question=NatsSssStatsQuestion,
    curves_question=NatsSssCurvesQuestion,
    batch_question=NatsSssBatchQuestion,
    stats=Page[NatsSssStats],
    curves=Page[NatsSssCurves],
    batch=BatchAnswer[NatsSssStats],
).add_to(router)


oracle = OracleRoutes(
    name=_NAME,
    metrics=METRICS[_NAME],
    parts_by=NatsSss.parts_by,
    filters=_PartFilters,
    config=NatsSssConfig,
    arch=_ARCH,
    example=_EXAMPLE,
)
SpaceRoutes(
    name=_NAME, architecture=NatsSssArchitecture, question=NatsSssArchitectureQuestion
).add_to(router)
ExportRoute(name=_NAME, paged=NatsSssCurvesQuestion).add_to(router)


@router.post(
    "/architecture",
    operation_id="natssss_architecture",
    response_model=NatsSssArchitecture,
    responses=problems(400, 404, 413, 422),
)
async def architecture(request: Request, question: NatsSssArchitectureQuestion) -> Response:
    """Return every name of an architecture."""
    return answer_now(architecture_answer(installed(request, _NAME), question.arch))
