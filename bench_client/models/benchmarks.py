"""What there is to know of a benchmark: description, origin, fields with units."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

from pydantic import Field
from pydantic.fields import FieldInfo

from bench_client.models.answers import Listed, WireModel
from bench_client.models.described import models_of
from bench_client.models.quantities import UNIT
from bench_client.written import written
from benchmark_spec import BenchmarkSpec

__all__ = [
    "BenchmarkInfo",
    "BenchmarkList",
    "FieldDescription",
    "FieldKind",
    "ProvenanceInfo",
    "fields_of",
]

FieldKind: TypeAlias = Literal["config", "computed", "intermediate"]


class FieldDescription(WireModel):
    """One field of the items of a benchmark."""

    name: str = Field(description="Name, the same in databases, JSON, client and exports.")
    kind: FieldKind = Field(
        description="Part of the configuration, recorded once a run, or recorded every epoch."
    )
    unit: str | None = Field(description="Unit of the value; null for names and plain counts.")
    description: str = Field(description="What the value is.")
    derived: bool = Field(description="Whether it was computed from other records.")


class ProvenanceInfo(WireModel):
    """Where a database comes from."""

    benchmark: str = Field(description="Name of the benchmark.")
    source_name: str = Field(description="File or folder name of the raw archive.")
    source_size: int = Field(description="Its size, in bytes.", json_schema_extra={UNIT: "bytes"})
    source_sha256: str = Field(
        description='Its SHA-256; for a folder, that of the lines "digest  name" of its files.'
    )
    synthetic: bool = Field(description="Whether the numbers are made up.")
    generator_version: str = Field(description="Version that wrote the database.")
    schema_version: int = Field(description="Version of the tables.")
    created: str = Field(description="When it was written: UTC, ISO 8601.")
    content_digest: str = Field(
        description="SHA-256 of what the database answers, whatever archive it was made from."
    )
    contents: dict[str, Any] = Field(description="Counts of what is inside, and known gaps.")


class BenchmarkInfo(WireModel):
    """An installed benchmark, or a table of costs that is joined to one."""

    name: str = Field(description="Name in addresses and calls.", examples=["nasbench201"])
    title: str = Field(description="Name in prose.")
    citation: str = Field(description="The paper to cite.")
    licence: str = Field(description="Licence of the published data.")
    datasets: Listed[str] = Field(description="Names of the data sets.")
    budgets: Listed[int] = Field(
        description="Training budgets, in epochs; none where nothing was trained.",
        json_schema_extra={UNIT: "epochs"},
    )
    num_architectures: int | None = Field(
        description="Size of the whole space; null for samples of spaces too large to list."
    )
    notes: Listed[str] = Field(
        description="Peculiarities of the data that change how an answer must be read."
    )
    joined_to: str | None = Field(
        description="The benchmark whose architectures it measures: its columns are metrics of that"
        " one, too; null for most."
    )
    questions: Listed[str] = Field(
        description="What is answered that not every benchmark answers: `architecture` (its names"
        " and equals), `curves`, `neighbors`, `network` (building it), `picture`, `rank`.",
        examples=[["architecture", "curves", "neighbors", "network", "picture", "rank"]],
    )
    provenance: ProvenanceInfo = Field(description="Where the database comes from.")
    fields: Listed[FieldDescription] = Field(description="The fields of its items, with units.")
    spec: dict[str, Any] | None = Field(
        None,
        description="The whole description of a declared table, as its file carries it; left out "
        "for benchmarks that this program knows.",
    )


class BenchmarkList(WireModel):
    """What is installed."""

    items: Listed[BenchmarkInfo] = Field(description="One entry a benchmark.")


_NESTED: Final = frozenset({"config", "intermediates"})
"""Fields of an item that hold the fields of the other two kinds."""


def fields_of(spec: BenchmarkSpec) -> list[FieldDescription]:
    """Return the fields of a benchmark's items, read off the models that carry them.

    Configuration first, then what is recorded once a run, then what is recorded every epoch.

    Args:
        spec: The description of the benchmark.
    """
    return list(_fields(spec.text))


@lru_cache(maxsize=256)
def _fields(description: str) -> tuple[FieldDescription, ...]:
    """Return the fields of a benchmark's items, by its description as text."""
    spec = BenchmarkSpec.of_text(description)
    known = written(spec.name)
    models = models_of(spec) if known is None else known.models
    kinds: tuple[tuple[FieldKind, type[WireModel] | None], ...] = (
        ("config", models.config),
        ("computed", models.stats),
        ("intermediate", models.epoch),
    )
    return tuple(
        _described(name, kind, field)
        for kind, model in kinds
        if model is not None
        for name, field in model.model_fields.items()
        if name not in _NESTED
    )


def _described(name: str, kind: FieldKind, field: FieldInfo) -> FieldDescription:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit = extra.get(UNIT)
    return FieldDescription(
        name=name,
        kind=kind,
        unit=None if unit is None else str(unit),
        description=field.description or "",
        derived=bool(extra.get("derived", False)),
    )
