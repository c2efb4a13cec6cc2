"""What the routes of both spaces of NATS-Bench ask for alike."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field

from service.routes.parameters import Seed

__all__ = ["FILTERS", "PartFilters", "RunFilters"]

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
