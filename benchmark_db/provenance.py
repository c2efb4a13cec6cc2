"""Provenance of a database: its source and identity, written into the file by the generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Final, TypeAlias

import orjson
import peewee

from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.errors import UnusableDatabaseError, shown

__all__ = [
    "COMPLETENESS",
    "Contents",
    "Provenance",
    "ProvenanceRow",
    "read_provenance",
]


Contents: TypeAlias = Mapping[str, Any]
"""Counts of the database's content: rows by table, budgets, data sets, missing data."""

COMPLETENESS: Final = ("version", "complete", "cells")
"""Contents of a table built from a plan that tell how complete it is."""

_KINDS: Final = {"str": str, "int": int, "bool": bool, "Contents": dict}
"""Python types of the decoded JSON values, by the annotation of the field."""

_LONGEST: Final = 1_000
"""Most characters of a text field, because response headers contain several of them."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The origin and the identity of a database.

    Attributes:
        benchmark: Name of the benchmark, as in `/v1/{benchmark}`.
        source_name: File or folder name of the raw archive.
        source_size: Its size in bytes.
        source_sha256: Its SHA-256; for a folder, that of the lines "digest  name" of its files.
        synthetic: Whether the figures are made up.
        generator_version: Version of this distribution that wrote the database.
        schema_version: Version of the tables.
        created: When it was written, UTC, ISO 8601.
        content_digest: SHA-256 of the content, independent of the source archive.
        contents: Counts, and what is missing.
    """

    benchmark: str
    source_name: str
    source_size: int
    source_sha256: str
    synthetic: bool
    generator_version: str
    schema_version: int
    created: str
    content_digest: str
    contents: Contents

    @cached_property
    def is_of_a_plan(self) -> bool:
        """Whether the table was built from a plan, so that its contents tell its completeness.

        The mark is `plan`, the digest of the plan; `cells` is no mark: NAS-Bench-101 has it, too.
        """
        plan, *told = (self.contents.get(name) for name in ("plan", *COMPLETENESS))
        return isinstance(plan, str) and list(map(type, told)) == [int, bool, dict]

    @cached_property
    def identity(self) -> str:
        """Identity on which answers depend: the content digest, and for a plan's table its version.

        Two versions may have equal rows: the last one marks the table as complete.
        """
        if not self.is_of_a_plan:
            return self.content_digest
        return f"{self.content_digest}@{self.contents['version']}"

    def rows(self) -> list[dict[str, str]]:
        """Return the rows of the provenance table: one per field, its value as JSON."""
        return [
            {"key": key, "value": orjson.dumps(value).decode()}
            for key, value in asdict(self).items()
        ]


class ProvenanceRow(peewee.Model):
    """One field of the provenance."""

    key = peewee.TextField(primary_key=True)
    value = peewee.TextField()

    class Meta:
        table_name = "provenance"
        without_rowid = True


def read_provenance(database: ReadOnlyDatabase, benchmark: str) -> Provenance:
    """Return the provenance of an open database.

    Raises:
        UnusableDatabaseError: The provenance is missing, incomplete or of another benchmark.
    """
    name = database.path.name
    rows = dict(database.rows("SELECT key, value FROM provenance"))
    missing = [field.name for field in fields(Provenance) if field.name not in rows]
    if missing:
        raise UnusableDatabaseError(f"{name} does not record its {', '.join(missing)}")
    values = {}
    for field in fields(Provenance):
        try:
            values[field.name] = orjson.loads(rows[field.name])
        except orjson.JSONDecodeError as error:
            raise UnusableDatabaseError(f"{name} is damaged: its {field.name}: {error}") from error
        text = values[field.name] if isinstance(values[field.name], str) else ""
        if type(values[field.name]) is not _KINDS[str(field.type)] or len(text) > _LONGEST:
            value = shown(values[field.name])
            raise UnusableDatabaseError(f"{name} is damaged: {value} is not a valid {field.name}")
    if values["benchmark"] != benchmark:
        raise UnusableDatabaseError(f"{name} holds {values['benchmark']!r}, not {benchmark!r}")
    return Provenance(**values)
