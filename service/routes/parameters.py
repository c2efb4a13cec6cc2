"""Parameters that the routes of several benchmarks share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from benchmark_db.questions import MAX_LIMIT
from benchmark_db.reduction import Reduction

__all__ = [
    "BatchParameters",
    "Epochs",
    "PageParameters",
    "Paging",
    "Reducing",
    "Seed",
    "StatsParameters",
    "epochs_of",
    "filters_of",
]

_MAX_INTEGER: Final = 2**63 - 1

Epochs: TypeAlias = Annotated[
    int | None,
    Field(ge=1, le=_MAX_INTEGER, description="Training budget in epochs.", examples=[100]),
]
Seed: TypeAlias = Annotated[
    int | None, Field(ge=0, le=_MAX_INTEGER, description="Random seed of the run.", examples=[777])
]


def epochs_of(budgets: Sequence[int]) -> Any:
    """Return the annotation of a training budget, which is one of these."""
    said: dict[str, Any] = {"enum": list(budgets)}
    number = Annotated[int, Field(ge=1, le=_MAX_INTEGER, json_schema_extra=said)]
    told = f"Training budget in epochs: {', '.join(map(str, budgets))}."
    return Annotated[number | None, Field(description=told, examples=[budgets[-1]])]


class Reducing(BaseModel):
    """How the runs of one configuration become one item."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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


class Paging(BaseModel):
    """Which part of a long answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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


class BatchParameters(_CurvesAlong, Reducing):
    """How the runs of many architectures are answered for."""

    # JSON has types of its own: a text is no number there.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def filters_of(question: BaseModel, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the filters of a question by name."""
    return {name: getattr(question, name) for name in names}
