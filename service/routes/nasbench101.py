"""The routes of NAS-Bench-101."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from bench_client.models import (
    BatchAnswer,
    Nb101Config,
    Nb101Curves,
    Nb101Hash,
    Nb101Hashes,
    Nb101Stats,
    Page,
)
from benchmark_db.answers import architecture_answer, architectures_answer
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench101.cell import MAX_EDGES, MAX_VERTICES
from benchmark_db.nasbench101.tables import BUDGETS
from benchmark_db.questions import MAX_BATCH
from benchmark_db.registry import METRICS
from service.http.body import BodyRoute
from service.http.openapi import problems
from service.http.questions import answer_now, answer_scan, installed
from service.routes.export import ExportRoute
from service.routes.oracle import OracleRoutes
from service.routes.parameters import BatchParameters, PageParameters, StatsParameters, epochs_of
from service.routes.spaces import SpaceRoutes
from service.routes.stats import StatsRoutes

__all__ = ["oracle", "router"]

_NAME: Final = "nasbench101"

router = APIRouter(prefix=f"/v1/{_NAME}", tags=[_NAME], route_class=BodyRoute)

_HASH: Final = "00005c142e6f48ac74fdcf73e3439874"
_SMALL_CELL: Final = {"op1": "conv3x3", "input1": [0], "input2": [0, 1]}
_SMALL_MODULE: Final = {
    "module_adjacency": [[0, 1, 1], [0, 0, 1], [0, 0, 0]],
    "module_operations": ["input", "conv3x3-bn-relu", "output"],
}
_ARCH: Final = (
    'A cell: {"op1": …, "input1": …} or {"module_adjacency": …, "module_operations": …}, in any '
    f"key order, of at most {MAX_VERTICES} vertices and {MAX_EDGES} edges; or its published hash "
    "of 32 hexadecimal digits."
)


_epochs: Any = (epochs_of(BUDGETS), None)
_Budget: Any = create_model("_Budget", num_epochs=_epochs)


class _Filters(_Budget):
    isomorphism: Annotated[
        bool,
        Field(
            description="Whether a cell answers for every cell isomorphic to it after pruning; "
            "false matches only the very cell that was trained."
        ),
    ] = True


class Nb101CurvesQuestion(_Filters, PageParameters):
    """Filters, reduction and page; an omitted filter is a wildcard."""

    arch: Annotated[
        str | None,
        Field(description=f"{_ARCH} Objects as JSON.", examples=[_HASH]),
    ] = None


class Nb101StatsQuestion(Nb101CurvesQuestion, StatsParameters):
    """As for curves, and whether to send them along."""


class Nb101BatchQuestion(_Filters, BatchParameters):
    """One question for many cells."""

    archs: Annotated[
        list[Any],
        Field(
            max_length=MAX_BATCH,
            description="Cells, each in any spelling.",
            examples=[[_HASH, _SMALL_CELL, _SMALL_MODULE]],
        ),
    ]


class Nb101HashQuestion(BaseModel):
    """One cell or many, each in any spelling."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={"oneOf": [{"required": ["arch"]}, {"required": ["archs"]}]},
    )

    arch: Annotated[Any, Field(description=_ARCH, examples=[_SMALL_CELL, _HASH])] = None
    archs: Annotated[
        list[Any],
        Field(
            max_length=MAX_BATCH,
            description="Many cells instead of one, each in any spelling.",
            examples=[[_SMALL_CELL, _SMALL_MODULE]],
        ),
    ] = []

    @property
    def asks_for_many(self) -> bool:
        """Whether the answer is to be a list."""
        return "archs" in self.model_fields_set

    @model_validator(mode="after")
    def _one_or_many(self) -> Self:
        if ("arch" in self.model_fields_set) == self.asks_for_many:
            raise ValueError("give either arch or archs")
        return self


class Nb101ArchitectureQuestion(BaseModel):
    """One cell in any spelling."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arch: Annotated[Any, Field(description=_ARCH, examples=[_SMALL_CELL, _SMALL_MODULE])]


class Nb101PartFilters(_Budget):
    """Within which part figures are compared."""

    dataset: Annotated[
        str | None,
        Field(description="cifar10, the only one, in any case.", examples=["cifar10"]),
    ] = None


StatsRoutes(
    name=_NAME,
    filters=("arch", "num_epochs", "isomorphism"),
    stats_question=Nb101StatsQuestion,
    curves_question=Nb101CurvesQuestion,
    batch_question=Nb101BatchQuestion,
    stats=Page[Nb101Stats],
    curves=Page[Nb101Curves],
    batch=BatchAnswer[Nb101Stats],
).add_to(router)


oracle = OracleRoutes(
    name=_NAME,
    metrics=METRICS[_NAME],
    parts_by=NasBench101.parts_by,
    filters=Nb101PartFilters,
    config=Nb101Config,
    arch=f"{_ARCH} Objects as JSON.",
    example=_HASH,
)
SpaceRoutes(name=_NAME, architecture=Nb101Hash, question=Nb101ArchitectureQuestion).add_to(router)
ExportRoute(name=_NAME, paged=Nb101CurvesQuestion).add_to(router)


@router.post(
    "/hash",
    operation_id="nasbench101_hash",
    response_model=Nb101Hash | Nb101Hashes,
    responses=problems(400, 404, 413, 422, 500, 503),
)
async def cell_hash(request: Request, question: Nb101HashQuestion) -> Response:
    """Return the hash of a cell, what remains of it after pruning, and whether it has runs.

    For `arch` the answer is that of the one cell, and a cell outside the space is refused with the
    reason; for `archs` it is aligned with them, with error entries for those.
    """
    benchmark = installed(request, _NAME)
    if not question.asks_for_many:
        return answer_now(architecture_answer(benchmark, question.arch))
    compute = partial(architectures_answer, benchmark, question.archs)
    return await answer_scan(request, benchmark, compute)
