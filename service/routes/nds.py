"""The routes of NDS."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from bench_client.models import (
    BatchAnswer,
    NdsArchitecture,
    NdsConfig,
    NdsCurves,
    NdsDistributions,
    NdsFamilies,
    NdsStats,
    Page,
)
from benchmark_db.answers import distribution_answer, families_answer
from benchmark_db.distribution import MAX_POINTS
from benchmark_db.nds.benchmark import Nds
from benchmark_db.nds.distribution import DISTRIBUTION_FILTERS, METRICS
from benchmark_db.nds.streams import BOUNDS
from benchmark_db.nds.tables import DATASETS, FAMILIES, GENERATORS, PROPOSERS, RANGED, SPACE_COLUMNS
from benchmark_db.questions import MAX_BATCH
from benchmark_db.registry import METRICS as RANKED_BY
from service.http.body import BodyRoute
from service.http.openapi import READ_PROBLEMS
from service.http.questions import answer_cached, described, installed, read_query
from service.routes.export import ExportRoute
from service.routes.oracle import OracleRoutes
from service.routes.parameters import (
    BatchParameters,
    Epochs,
    PageParameters,
    Seed,
    StatsParameters,
)
from service.routes.spaces import SpaceRoutes
from service.routes.stats import StatsRoutes

__all__ = ["oracle", "router"]

_NAME: Final = "nds"

router = APIRouter(prefix=f"/v1/{_NAME}", tags=[_NAME], route_class=BodyRoute)

_MODEL_SPEC: Final = {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]}
_UNITS: Final = {"parameters": ", in millions", "flops": ", in millions"}


def _named(names: Sequence[str], example: str) -> Any:
    """Return the annotation of one of some names."""
    described = f"{', '.join(names)}; in any case."
    return Annotated[str | None, Field(description=described, examples=[example])]


_space: dict[str, Any] = {
    "model_family": (_named(FAMILIES, "residual_basic"), None),
    "proposer": (_named(PROPOSERS, "resnet"), None),
    "generator": (_named(GENERATORS, "random"), None),
    "dataset": (_named(DATASETS, "cifar10"), None),
    "num_epochs": (Epochs, None),
}
_Space: Any = create_model("_Space", **_space)
"""Which design space, as sampled and trained."""


def _bound(name: str) -> tuple[Any, Any]:
    column, comparison = BOUNDS[name]
    side = "Least" if comparison == ">=" else "Greatest"
    unit = ", in percent" if column.endswith("_acc") else _UNITS.get(column, "")
    described = Field(
        default=None, allow_inf_nan=False, description=f"{side} {column}{unit}; included."
    )
    return (float | None, described)


_fields: dict[str, Any] = {name: _bound(name) for name in BOUNDS}
_Bounds: Any = create_model("_Bounds", **_fields)
"""A parameter for either side of everything that has an index."""

_Specification: TypeAlias = Annotated[str | None, Field(max_length=16_384)]


class NdsCurvesQuestion(_Bounds, _Space, PageParameters):
    """Filters, reduction, order and page; an omitted filter is a wildcard."""

    model_spec: Annotated[
        _Specification,
        Field(
            description="The network as JSON, matched whole, its keys in any order.",
            examples=['{"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]}'],
        ),
    ] = None
    cell_spec: Annotated[
        _Specification,
        Field(description="Its cells, likewise; {} for networks without cells.", examples=["{}"]),
    ] = None
    seed: Annotated[Seed, Field(examples=[1])] = None
    sort: Annotated[
        str | None,
        Field(
            description=f"What to sort by, the largest first with a leading minus: "
            f"{', '.join(RANGED)}. Reduced answers: base_lr, weight_decay.",
            examples=["-base_lr"],
            json_schema_extra={"enum": [*RANGED, *(f"-{name}" for name in RANGED)]},
        ),
    ] = None


class _ExportQuestion(NdsCurvesQuestion):
    arch: Annotated[
        str | None,
        Field(
            description="A network, as JSON: model_spec and cell_spec in one object; without "
            "cell_spec, one that has no cells.",
        ),
    ] = None


class NdsStatsQuestion(NdsCurvesQuestion, StatsParameters):
    """As for curves, and whether to send them along."""


class NdsBatchQuestion(_Space, BatchParameters):
    """One question for many networks."""

    archs: Annotated[
        list[Any],
        Field(
            max_length=MAX_BATCH,
            description='Networks: {"model_spec": {…}, "cell_spec": {…}}; without cell_spec, those '
            "that have no cells.",
            examples=[[{"model_spec": _MODEL_SPEC}]],
        ),
    ]


class NdsArchitectureQuestion(BaseModel):
    """One network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arch: Annotated[Any, Field(description="Both its specifications.")]


class NdsDistributionQuestion(_Bounds, _Space):
    """What is distributed, and among which runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Annotated[
        str, Field(description="What is distributed.", json_schema_extra={"enum": list(METRICS)})
    ] = "best_test_error"
    points: Annotated[
        int,
        Field(ge=1, le=MAX_POINTS, description="Points of each distribution function, at most."),
    ] = 100


StatsRoutes(
    name=_NAME,
    filters=(*SPACE_COLUMNS, "model_spec", "cell_spec", "seed", *BOUNDS),
    stats_question=NdsStatsQuestion,
    curves_question=NdsCurvesQuestion,
    batch_question=NdsBatchQuestion,
    stats=Page[NdsStats],
    curves=Page[NdsCurves],
    batch=BatchAnswer[NdsStats],
).add_to(router)
oracle = OracleRoutes(
    name=_NAME,
    metrics=RANKED_BY[_NAME],
    parts_by=Nds.parts_by,
    filters=_Space,
    config=NdsConfig,
    distributions=False,
)
SpaceRoutes(
    name=_NAME, architecture=NdsArchitecture, question=NdsArchitectureQuestion, neighboring=False
).add_to(router)
ExportRoute(name=_NAME, paged=_ExportQuestion).add_to(router)


@router.get(
    "/families", operation_id="nds_families", response_model=NdsFamilies, responses=READ_PROBLEMS
)
async def families(request: Request) -> Response:
    """List the design spaces as sampled and trained, with how many runs and networks each has."""
    benchmark = installed(request, _NAME)
    catalog = request.app.state.catalog
    return await answer_cached(request, benchmark, partial(families_answer, catalog))


@router.get(
    "/distribution",
    operation_id="nds_distribution",
    response_model=NdsDistributions,
    responses=READ_PROBLEMS,
    openapi_extra=described(NdsDistributionQuestion),
)
async def distribution(request: Request) -> Response:
    """Return how a metric is distributed over the configurations of each design space.

    `value` and `fraction` are points of the empirical distribution function; a configuration counts
    once, with the mean over its runs.
    """
    question = read_query(request, NdsDistributionQuestion)
    benchmark = installed(request, _NAME)
    compute = partial(
        distribution_answer,
        request.app.state.catalog,
        _NAME,
        question.model_dump(include=set(DISTRIBUTION_FILTERS)),
        metric=question.metric,
        points=question.points,
    )
    return await answer_cached(request, benchmark, compute)
