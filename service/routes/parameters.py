"""Request parameters shared by several routers."""

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
"""Values of an axis that its description lists at most."""

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
    """Parameters and routes of one benchmark that do not follow from its description.

    Attributes:
        parts: Fields that select a slice, in place of those of its axes.
        runs: Further fields of queries about the runs of one or many architectures.
        pages: Further fields of pages and exports.
        router: Routes of this benchmark alone, which may replace common ones.
    """

    parts: Mapping[str, Any] = field(default_factory=dict)
    runs: Mapping[str, Any] = field(default_factory=dict)
    pages: Mapping[str, Any] = field(default_factory=dict)
    router: APIRouter = field(default_factory=APIRouter)


class QuestionModel(BaseModel):
    """Base of query models: rejects unknown fields; its validator is built on first use."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Reducing(QuestionModel):
    """How the runs of one configuration are reduced to one item."""

    reduction: Annotated[
        Reduction | None,
        Field(
            description=(
                "Return one item per configuration instead of one per run: the mean, population "
                "standard deviation, minimum or maximum of each statistic."
            ),
            examples=["mean"],
        ),
    ] = None


class Paging(QuestionModel):
    """Which page of a long answer."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Items per page.")] = 100
    cursor: Annotated[
        str | None,
        Field(max_length=1000, description="`next_cursor` of the previous page; opaque."),
    ] = None


class PageParameters(Paging, Reducing):
    """Which page of a long answer, and how the runs of a configuration are reduced."""


class _CurvesAlong(BaseModel):
    include_intermediates: Annotated[
        bool,
        Field(description="Include the intermediate statistics of each run, one object per epoch."),
    ] = False


class StatsParameters(_CurvesAlong, PageParameters):
    """Which page of a long answer, how runs are reduced, and whether curves are included."""


class ReducedBatch(Reducing):
    """One query for many architectures."""

    # Strict, because JSON has its own types. Not deferred, because FastAPI builds bodies at once.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=False)


class BatchParameters(_CurvesAlong, ReducedBatch):
    """One query for many architectures."""


def filter_of(axis: Axis) -> Any:
    """Return the annotation of a filter parameter that takes one of the values of an axis."""
    values = list(map(str, axis.values[:_MOST_LISTED]))
    told = axis.description
    if not all(value in told for value in values):
        told += f" One of {', '.join(values)}."
    # The enumeration is for the document only. The benchmark checks values, ignoring the case of
    # names, and its error lists the valid ones.
    extra: dict[str, Any] = {"enum": list(axis.values)}
    if axis.kind == "text":
        name = Annotated[str, Field(json_schema_extra=extra)]
        said = f"{told} Case-insensitive."
        return Annotated[name | None, Field(description=said, examples=[axis.values[0]])]
    least = min(1, *map(int, axis.values))
    number = Annotated[int, Field(ge=least, le=_MAX_INTEGER, json_schema_extra=extra)]
    return Annotated[number | None, Field(description=told, examples=[axis.values[-1]])]
