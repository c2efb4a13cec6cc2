"""Wire models of the zoo: published searched models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bench_client.models.answers import Listed, WireModel
from bench_client.models.quantities import UNIT

__all__ = ["PublishedAccuracy", "ZooList", "ZooModel"]

_Percent = Annotated[float, Field(json_schema_extra={UNIT: "percent"})]


class PublishedAccuracy(WireModel):
    """A published accuracy."""

    top1: _Percent = Field(description="Top-1 accuracy, in percent.")
    top5: _Percent | None = Field(description="Top-5 accuracy, in percent; null: not published.")
    source: str = Field(description="Where the accuracy was published.")


class ZooModel(WireModel):
    """A searched model."""

    name: str = Field(description="Name in requests of jobs.", examples=["proxyless-mobile"])
    space: str = Field(description="Model space of the model.", examples=["ProxylessNAS"])
    dataset: str = Field(description="Data set of its accuracies.")
    input_size: int = Field(description="Height and width of its images, in pixels.")
    parameters: int | None = Field(description="Number of parameters; null: not counted.")
    macs: int | None = Field(description="Multiply-adds per image; null: not counted.")
    figures: Listed[PublishedAccuracy] = Field(
        description="Accuracies, re-evaluated ones first; empty: none was published."
    )
    weights: Listed[str] = Field(description="Names of the published files of weights.")
    licence: str = Field(description="Licence of the weights.")
    origin: str = Field(description="Authors and source of the weights.")
    note: str | None = Field(description="Remark; null: none.")


class ZooList(WireModel):
    """The searched models that jobs may name."""

    items: Listed[ZooModel] = Field(description="The models, by name.")
