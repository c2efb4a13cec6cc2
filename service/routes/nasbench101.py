"""Queries of NAS-Bench-101 alone: cell hashes, and runs without regard to isomorphism."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench_client.models import Nb101Hash, Nb101Hashes
from benchmark_db.answers import architecture_answer, architectures_answer
from benchmark_db.questions import MAX_BATCH
from benchmark_spec.published import NASBENCH101
from service.http.body import BodyRoute
from service.http.openapi import problems
from service.http.questions import answer_now, answer_scan, installed
from service.routes.parameters import OwnQuestions

__all__ = ["OWN", "Nb101HashQuestion"]

_NAME: Final = NASBENCH101.name
_SPACE: Final = NASBENCH101.space

router = APIRouter(prefix=f"/v1/{_NAME}", tags=[_NAME], route_class=BodyRoute)

_Isomorphism = Annotated[
    bool,
    Field(
        description="Whether to include the runs of cells that are isomorphic after pruning; false "
        "matches only the exact cell that was trained."
    ),
]

OWN: Final = OwnQuestions(runs={"isomorphism": (_Isomorphism, True)}, router=router)


class Nb101HashQuestion(BaseModel):
    """Query for the hash of one cell or of many, each in any spelling."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={"oneOf": [{"required": ["arch"]}, {"required": ["archs"]}]},
    )

    arch: Annotated[Any, Field(description=_SPACE.arch, examples=list(_SPACE.examples))] = None
    archs: Annotated[
        list[Any],
        Field(
            max_length=MAX_BATCH,
            description="Many cells instead of one, each in any spelling.",
            examples=[list(_SPACE.examples)],
        ),
    ] = []

    @property
    def asks_for_many(self) -> bool:
        """Whether the query is about many cells, so that the answer is a list."""
        return "archs" in self.model_fields_set

    @model_validator(mode="after")
    def _one_or_many(self) -> Self:
        if ("arch" in self.model_fields_set) == self.asks_for_many:
            raise ValueError("give either arch or archs")
        return self


@router.post(
    "/hash",
    operation_id="nasbench101_hash",
    summary="Look up the hashes of cells",
    response_model=Nb101Hash | Nb101Hashes,
    responses=problems(400, 404, 413, 422, 500, 503),
)
async def cell_hash(request: Request, question: Nb101HashQuestion) -> Response:
    """Return the hash of a cell, its pruned form, and whether it has runs.

    For `arch`, the answer is about this cell, and a cell outside the space gives an error. For
    `archs`, the answer is a list in the same order, with an error entry for each invalid cell.
    """
    benchmark = installed(request, _NAME)
    if not question.asks_for_many:
        return answer_now(architecture_answer(benchmark, question.arch))
    compute = partial(architectures_answer, benchmark, question.archs)
    return await answer_scan(request, benchmark, compute)
