"""Parameters that several routers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeAlias

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from benchmark_db.items import Reduction
from benchmark_db.nasbench201.architecture import arch_str, operations_at
from benchmark_db.questions import MAX_LIMIT

__all__ = [
    "FILTERS",
    "NB201_ARCH",
    "NB201_EXAMPLE",
    "BatchParameters",
    "Epochs",
    "JobId",
    "Nb201Arch",
    "PageParameters",
    "Paging",
    "PartFilters",
    "Reducing",
    "RunFilters",
    "Seed",
    "StatsParameters",
    "epochs_of",
]

_MAX_INTEGER: Final = 2**63 - 1

Epochs: TypeAlias = Annotated[
    int | None,
    Field(ge=1, le=_MAX_INTEGER, description="Training budget in epochs.", examples=[100]),
]
NB201_ARCH: Final = (
    "An architecture: its string, its index, or its dict or list of six operations (as JSON)."
)
NB201_EXAMPLE: Final = arch_str(operations_at(0))
Nb201Arch: TypeAlias = Annotated[
    str | None, Field(description=NB201_ARCH, examples=[NB201_EXAMPLE, "0"])
]
JobId: TypeAlias = Annotated[str, Path(description="Id of the job.", max_length=200)]
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


FILTERS: Final = ("arch", "num_epochs", "dataset", "seed")


class PartFilters(BaseModel):
    """Within which part figures are compared; the budgets are each space's own."""

    dataset: Annotated[
        str | None,
        Field(
            description="cifar10-valid, cifar10, cifar100 or imagenet16-120, in any case.",
            examples=["cifar100"],
        ),
    ] = None


class RunFilters(PartFilters):
    """Which runs of an architecture."""

    seed: Seed = None
