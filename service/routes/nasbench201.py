"""The routes of NAS-Bench-201."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from bench_client.models import (
    BatchAnswer,
    Nb201Architecture,
    Nb201Config,
    Nb201Curves,
    Nb201Stats,
    Page,
)
from benchmark_db.answers import architecture_answer
from benchmark_db.nasbench201.architecture import (
    arch_dict,
    operations_at,
)
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.questions import MAX_BATCH
from benchmark_db.registry import METRICS
from service.http.body import BodyRoute
from service.http.openapi import problems
from service.http.questions import answer_now, installed
from service.routes.export import ExportRoute
from service.routes.oracle import OracleRoutes
from service.routes.parameters import (
    FILTERS,
    NB201_ARCH,
    NB201_EXAMPLE,
    BatchParameters,
    Nb201Arch,
    PageParameters,
    PartFilters,
    RunFilters,
    StatsParameters,
    epochs_of,
)
from service.routes.spaces import SpaceRoutes
from service.routes.stats import StatsRoutes

__all__ = ["oracle", "router"]

_NAME: Final = "nasbench201"

_epochs: Any = (epochs_of(NasBench201.spec.budgets), None)
_Budget: Any = create_model("_Budget", num_epochs=_epochs)

router = APIRouter(prefix=f"/v1/{_NAME}", tags=[_NAME], route_class=BodyRoute)

_DICT: Final = arch_dict(operations_at(11))


class CurvesQuestion(_Budget, RunFilters, PageParameters):
    """Filters, reduction and page; an omitted filter is a wildcard."""

    arch: Nb201Arch = None


class StatsQuestion(CurvesQuestion, StatsParameters):
    """As for curves, and whether to send them along."""


class _PartFilters(_Budget, PartFilters):
    """Within which part figures are compared."""


class BatchQuestion(_Budget, RunFilters, BatchParameters):
    """One question for many architectures."""

    archs: Annotated[
        list[Any],
        Field(
            max_length=MAX_BATCH,
            description="Architectures, each in any spelling.",
            examples=[[NB201_EXAMPLE, 11, ["skip_connect"] * 6]],
        ),
    ]


class ArchitectureQuestion(BaseModel):
    """One architecture in any spelling."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arch: Annotated[
        # Judged where all spellings are: a union would turn `true` into index 1.
        Any,
        Field(description=NB201_ARCH, examples=[NB201_EXAMPLE, 11, _DICT, list(_DICT.values())]),
    ]


StatsRoutes(
    name=_NAME,
    filters=FILTERS,
    stats_question=StatsQuestion,
    curves_question=CurvesQuestion,
    batch_question=BatchQuestion,
    stats=Page[Nb201Stats],
    curves=Page[Nb201Curves],
    batch=BatchAnswer[Nb201Stats],
).add_to(router)


oracle = OracleRoutes(
    name=_NAME,
    metrics=METRICS[_NAME],
    parts_by=NasBench201.parts_by,
    filters=_PartFilters,
    config=Nb201Config,
    arch=NB201_ARCH,
    example=NB201_EXAMPLE,
)
SpaceRoutes(name=_NAME, architecture=Nb201Architecture, question=ArchitectureQuestion).add_to(
    router
)
ExportRoute(name=_NAME, paged=CurvesQuestion).add_to(router)


@router.post(
    "/architecture",
    operation_id="nasbench201_architecture",
    response_model=Nb201Architecture,
    responses=problems(400, 404, 413, 422),
)
async def architecture(request: Request, question: ArchitectureQuestion) -> Response:
    """Return every name of an architecture, and the indices of its isomorphism class."""
    return answer_now(architecture_answer(installed(request, _NAME), question.arch))
