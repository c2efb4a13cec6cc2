"""Wire models of benchmarks: description, origin, and fields with units."""

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
    """A field of the items of a benchmark."""

    name: str = Field(description="Name, the same in databases, JSON, client and exports.")
    kind: FieldKind = Field(
        description="config: part of the configuration; computed: recorded once per run; "
        "intermediate: recorded every epoch."
    )
    unit: str | None = Field(description="Unit of the value; null for names and counts.")
    description: str = Field(description="Meaning of the value.")
    derived: bool = Field(description="Whether the value was computed from other records.")


class ProvenanceInfo(WireModel):
    """Provenance of a database."""

    benchmark: str = Field(description="Name of the benchmark.")
    source_name: str = Field(description="File or folder name of the raw archive.")
    source_size: int = Field(
        description="Size of the archive, in bytes.", json_schema_extra={UNIT: "bytes"}
    )
    source_sha256: str = Field(
        description="SHA-256 of the raw archive; for a folder, that of the lines "
        '"digest  name" of its files.'
    )
    synthetic: bool = Field(description="Whether the numbers are made up.")
    generator_version: str = Field(description="Version of the program that wrote the database.")
    schema_version: int = Field(description="Version of the database schema.")
    created: str = Field(description="Time the database was written: UTC, ISO 8601.")
    content_digest: str = Field(
        description="SHA-256 of the database's content, whatever archive it was made from."
    )
    contents: dict[str, Any] = Field(description="Counts of the content, and known gaps.")


class BenchmarkInfo(WireModel):
    """An installed benchmark, or a table of costs that is joined to one."""

    name: str = Field(description="Name in URLs and calls.", examples=["nasbench201"])
    title: str = Field(description="Title for people.")
    citation: str = Field(description="The paper to cite.")
    licence: str = Field(description="Licence of the published data.")
    datasets: Listed[str] = Field(description="Names of the data sets.")
    budgets: Listed[int] = Field(
        description="Training budgets, in epochs; empty if nothing was trained.",
        json_schema_extra={UNIT: "epochs"},
    )
    num_architectures: int | None = Field(
        description="Size of the whole space; null for samples of larger spaces."
    )
    notes: Listed[str] = Field(description="Peculiarities that affect how results must be read.")
    joined_to: str | None = Field(
        description="Benchmark whose architectures this table measures; its columns are metrics of"
        " that benchmark, too. Null for most."
    )
    questions: Listed[str] = Field(
        description="Optional queries that this benchmark supports: `architecture` (spellings and"
        " isomorphic architectures), `curves`, `neighbors`, `network` (building it), `picture`,"
        " `rank`.",
        examples=[["architecture", "curves", "neighbors", "network", "picture", "rank"]],
    )
    provenance: ProvenanceInfo = Field(description="Provenance of the database.")
    fields: Listed[FieldDescription] = Field(description="Fields of the items, with units.")
    spec: dict[str, Any] | None = Field(
        None,
        description="Complete description of a declared table, as in its database; left out for "
        "built-in benchmarks.",
    )


class BenchmarkList(WireModel):
    """The installed benchmarks."""

    items: Listed[BenchmarkInfo] = Field(description="One entry per benchmark.")


_NESTED: Final = frozenset({"config", "intermediates"})
"""Fields of an item that hold the fields of the kinds `config` and `intermediate`."""


def fields_of(spec: BenchmarkSpec) -> list[FieldDescription]:
    """Return the fields of a benchmark's items, from their models.

    Fields of the configuration come first, then those recorded once per run, then those recorded
    every epoch.

    Args:
        spec: Description of the benchmark.
    """
    return list(_fields(spec.text))


@lru_cache(maxsize=256)
def _fields(description: str) -> tuple[FieldDescription, ...]:
    """Return the fields of a benchmark's items; the argument is text because it is hashable."""
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
