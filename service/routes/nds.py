"""Queries of NDS alone: its design spaces, bounds on runs, and their order."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ConfigDict, Field, create_model

from bench_client.models import NdsDistributions, NdsFamilies
from benchmark_db.answers import distribution_answer, families_answer
from benchmark_db.distribution import MAX_POINTS
from benchmark_db.nds.distribution import DISTRIBUTION_FILTERS, METRICS
from benchmark_db.nds.streams import BOUNDS
from benchmark_db.nds.tables import RANGED
from benchmark_spec.published import NDS
from service.http.openapi import READ_PROBLEMS
from service.http.questions import answer_cached, catalog_of, described, installed, read_query
from service.routes.parameters import Epochs, OwnQuestions, filter_of

__all__ = ["OWN"]

_NAME: Final = NDS.name

router = APIRouter(prefix=f"/v1/{_NAME}", tags=[_NAME])

_Specification: TypeAlias = Annotated[str | None, Field(max_length=16_384)]
_Network: TypeAlias = Annotated[
    _Specification,
    Field(
        description="The complete network as JSON, with keys in any order.",
        examples=['{"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]}'],
    ),
]
_Cells: TypeAlias = Annotated[
    _Specification,
    Field(description="Its complete cells, likewise; {} if it has no cells.", examples=["{}"]),
]
_Sort: TypeAlias = Annotated[
    str | None,
    Field(
        description=f"Sort key, with a leading minus for descending order: {', '.join(RANGED)}. "
        "Reduced answers: base_lr, weight_decay.",
        examples=["-base_lr"],
        json_schema_extra={"enum": [*RANGED, *(f"-{name}" for name in RANGED)]},
    ),
]
_UNITS: Final = {"parameters": ", in millions", "flops": ", in millions"}


def _bound(name: str) -> tuple[Any, Any]:
    column, comparison = BOUNDS[name]
    side = "Minimum of" if comparison == ">=" else "Maximum of"
    unit = ", in percent" if column.endswith("_acc") else _UNITS.get(column, "")
    described = Field(
        default=None, allow_inf_nan=False, description=f"{side} {column}{unit}, inclusive."
    )
    return (float | None, described)


_bounds: Final[dict[str, Any]] = {name: _bound(name) for name in BOUNDS}
"""A minimum and a maximum parameter for every indexed column."""
_parts: Final[dict[str, Any]] = {
    **{axis.name: (filter_of(axis), None) for axis in NDS.axes},
    # A database may have other budgets than the archive.
    "num_epochs": (Epochs, None),
}

OWN: Final = OwnQuestions(
    parts=_parts,
    pages={
        **_bounds,
        "model_spec": (_Network, None),
        "cell_spec": (_Cells, None),
        "sort": (_Sort, None),
    },
    router=router,
)

_Selection: Any = create_model("_Selection", **_bounds, **_parts)


class NdsDistributionQuestion(_Selection):
    """Query for the distribution of a metric over selected runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Annotated[
        str, Field(description="The metric.", json_schema_extra={"enum": list(METRICS)})
    ] = "best_test_error"
    points: Annotated[
        int,
        Field(ge=1, le=MAX_POINTS, description="Maximum number of points of each function."),
    ] = 100


@router.get(
    "/families",
    operation_id="nds_families",
    summary="List the design spaces",
    response_model=NdsFamilies,
    responses=READ_PROBLEMS,
)
async def families(request: Request) -> Response:
    """List the design spaces by sampling and training, with their numbers of runs and networks."""
    benchmark = installed(request, _NAME)
    catalog = catalog_of(request)
    return await answer_cached(request, benchmark, partial(families_answer, catalog))


@router.get(
    "/distribution",
    operation_id="nds_distribution",
    summary="Get the distribution of a metric in each design space",
    response_model=NdsDistributions,
    responses=READ_PROBLEMS,
    openapi_extra=described(NdsDistributionQuestion),
)
async def distribution(request: Request) -> Response:
    """Return the distribution of a metric over the configurations of each design space.

    `value` and `fraction` are points of the empirical distribution function. Each configuration
    counts once, with the mean over its runs.
    """
    question = read_query(request, NdsDistributionQuestion)
    benchmark = installed(request, _NAME)
    compute = partial(
        distribution_answer,
        catalog_of(request),
        _NAME,
        question.model_dump(include=set(DISTRIBUTION_FILTERS)),
        metric=question.metric,
        points=question.points,
    )
    return await answer_cached(request, benchmark, compute)
