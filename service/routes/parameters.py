"""Parameters that several routers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from benchmark_db.items import Reduction
from benchmark_db.questions import MAX_LIMIT
from benchmark_spec import Axis
from benchmark_spec.published import NASBENCH201

__all__ = [
    "BatchParameters",
    "Epochs",
    "JobId",
    "Nb201Arch",
    "OwnQuestions",
    "PageParameters",
    "Paging",
    "QuestionModel",
    "ReducedBatch",
    "StatsParameters",
    "filter_of",
]

_MAX_INTEGER: Final = 2**63 - 1
_MOST_LISTED: Final = 20
"""Values of an axis that a description names."""

Epochs: TypeAlias = Annotated[
    int | None,
    Field(ge=1, le=_MAX_INTEGER, description="Training budget in epochs.", examples=[100]),
]
Nb201Arch: TypeAlias = Annotated[
    str | None,
    Field(description=NASBENCH201.space.arch, examples=[NASBENCH201.space.examples[0], "11"]),
]
JobId: TypeAlias = Annotated[str, Path(description="Id of the job.", max_length=200)]


@dataclass(frozen=True, kw_only=True)
class OwnQuestions:
    """What one benchmark is asked beside what its description says.

    Attributes:
        parts: Fields that say which part is meant, in place of those of its axes.
        runs: Further fields of questions about runs, of one architecture or many.
        pages: Further fields of pages and exports.
        router: Routes that it alone has, or that stand in place of what all have.
    """

    parts: Mapping[str, Any] = field(default_factory=dict)
    runs: Mapping[str, Any] = field(default_factory=dict)
    pages: Mapping[str, Any] = field(default_factory=dict)
    router: APIRouter = field(default_factory=APIRouter)


class QuestionModel(BaseModel):
    """What is asked, and nothing beside it; built when it is first read or described."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Reducing(QuestionModel):
    """How the runs of one configuration become one item."""

    reduction: Annotated[
        Reduction | None,
        Field(
            description=(
                "One item a configuration instead of one a run: the mean, the population standard "
                "deviation, the minimum or the maximum of each statistic."
            ),
            examples=["mean"],
        ),
    ] = None


class Paging(QuestionModel):
    """Which part of a long answer."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Items in the page.")] = 100
    cursor: Annotated[
        str | None,
        Field(max_length=1000, description="`next_cursor` of the page before; opaque."),
    ] = None


class PageParameters(Paging, Reducing):
    """Which part of a long answer, and how the runs of a configuration become one item."""


class _CurvesAlong(BaseModel):
    include_intermediates: Annotated[
        bool,
        Field(description="Send each run's intermediate statistics along, one object an epoch."),
    ] = False


class StatsParameters(_CurvesAlong, PageParameters):
    """Which part of a long answer, and whether curves come with it."""


class ReducedBatch(Reducing):
    """One question for many architectures."""

    # JSON has types of its own: a text is no number there. FastAPI builds bodies at once.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=False)


class BatchParameters(_CurvesAlong, ReducedBatch):
    """One question for many architectures."""


def filter_of(axis: Axis) -> Any:
    """Return the annotation of a filter: one of the values of an axis."""
    values = list(map(str, axis.values[:_MOST_LISTED]))
    told = axis.description
    if not all(value in told for value in values):
        told += f" One of {', '.join(values)}."
    # Choices for the document; the benchmark judges values, reads names in any case, and says which
    # there are.
    extra: dict[str, Any] = {"enum": list(axis.values)}
    if axis.kind == "text":
        name = Annotated[str, Field(json_schema_extra=extra)]
        said = f"{told} In any case."
        return Annotated[name | None, Field(description=said, examples=[axis.values[0]])]
    least = min(1, *map(int, axis.values))
    number = Annotated[int, Field(ge=least, le=_MAX_INTEGER, json_schema_extra=extra)]
    return Annotated[number | None, Field(description=told, examples=[axis.values[-1]])]
