"""The zoo on the wire: searched models as they were published."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bench_client.models.answers import Listed, WireModel
from bench_client.models.quantities import UNIT

__all__ = ["PublishedAccuracy", "ZooList", "ZooModel"]

_Percent = Annotated[float, Field(json_schema_extra={UNIT: "percent"})]


class PublishedAccuracy(WireModel):
    """An accuracy as it was published."""

    top1: _Percent = Field(description="Share of images whose label is the first guess.")
    top5: _Percent | None = Field(
        description="Share of those whose label is among the first five; null: not published."
    )
    source: str = Field(description="Where it was published.")


class ZooModel(WireModel):
    """A searched model."""

    name: str = Field(description="What jobs call it.", examples=["proxyless-mobile"])
    space: str = Field(description="The space it was found in.", examples=["ProxylessNAS"])
    dataset: str = Field(description="What its accuracy is measured on.")
    input_size: int = Field(description="Rows and columns of its images.")
    parameters: int | None = Field(description="How many; null: not counted.")
    macs: int | None = Field(description="Multiply-adds of an image; null: not counted.")
    figures: Listed[PublishedAccuracy] = Field(
        description="Its accuracies, the re-evaluated first; empty: none was published."
    )
    weights: Listed[str] = Field(description="Names of the files in which weights were published.")
    licence: str = Field(description="Licence of the weights.")
    origin: str = Field(description="Whose they are and where from.")
    note: str | None = Field(description="What else is to be known; null: nothing.")


class ZooList(WireModel):
    """The searched models that jobs may ask for by name."""

    items: Listed[ZooModel] = Field(description="The models, by name.")
