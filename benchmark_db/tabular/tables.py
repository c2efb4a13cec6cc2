"""The tables of a declared table's database, derived from its description."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import peewee
from peewee import SQL

from benchmark_db.provenance import ProvenanceRow
from benchmark_db.run_source import RunSource
from benchmark_spec import Axis, BenchmarkSpec, Like

__all__ = ["NUMBER", "ONLY_RUN", "SCHEMA_VERSION", "Architecture", "AxisName", "Tables"]
__all__ += ["codes_of", "joined_benchmark"]

SCHEMA_VERSION: Final = 1

NUMBER: Final = "arch_index"
"""The column of the architectures' indices."""

ONLY_RUN: Final = "run_id"
"""The label of a table without repeated runs: a column of zeros that no answer shows."""

_NO_CURVES: Final = SQL("NULL")


class Architecture(peewee.Model):
    """An architecture of the raw file."""

    arch_index = peewee.IntegerField(primary_key=True, column_name="index")
    arch_str = peewee.TextField(unique=True)

    class Meta:
        table_name = "architecture"


class AxisName(peewee.Model):
    """A value of an axis of texts, and its code."""

    axis = peewee.TextField()
    code = peewee.IntegerField()
    name = peewee.TextField()

    class Meta:
        table_name = "axis_name"
        primary_key = peewee.CompositeKey("axis", "code")
        without_rowid = True


class Tables:
    """The database tables, columns and views of a declared table.

    Args:
        spec: Its description.

    Attributes:
        spec: Its description.
        key: The columns that identify a configuration.
        label: The column that distinguishes runs of a configuration.
        stats: The columns of the statistics.
    """

    schema_version = SCHEMA_VERSION
    page_size = 16_384

    def __init__(self, spec: BenchmarkSpec) -> None:
        self.spec = spec
        self.key = (NUMBER, *(axis.name for axis in spec.axes))
        self.label = ONLY_RUN if spec.label is None else spec.label.name
        self.stats = tuple(stat.name for stat in spec.stats)

    @cached_property
    def run(self) -> type[peewee.Model]:
        """The table of runs: key, label, statistics."""
        whole = (*self.key, self.label)
        # Named by number, because a name in the description may be that of a method of peewee.
        fields: dict[str, Any] = {
            **{f"key_{n}": peewee.IntegerField(column_name=name) for n, name in enumerate(whole)},
            **{
                f"stat_{n}": peewee.DoubleField(column_name=name, null=True)
                for n, name in enumerate(self.stats)
            },
        }
        options = {
            "table_name": "run",
            "primary_key": peewee.CompositeKey(*(f"key_{n}" for n in range(len(whole)))),
            "without_rowid": True,
        }
        meta = type("Meta", (), options)
        return type("Run", (peewee.Model,), {"Meta": meta, **fields})

    @cached_property
    def source(self) -> RunSource:
        """The source of the runs."""
        names = [f"key_{n}" for n in range(len(self.key) + 1)]
        names += [f"stat_{n}" for n in range(len(self.stats))]
        fields = (getattr(self.run, name) for name in names)
        columns = dict(zip(self.columns, fields, strict=True))
        return RunSource(table=self.run, packed_curves=_NO_CURVES, columns=columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a run, in order."""
        return (*self.key, self.label, *self.stats)

    @property
    def tables(self) -> tuple[type[peewee.Model], ...]:
        """All tables to create."""
        return (ProvenanceRow, Architecture, AxisName, self.run)

    @property
    def views(self) -> dict[str, str]:
        """The views for other SQLite tools."""
        chosen = ["architecture.arch_str", 'run.arch_index AS "index"']
        joins = ['JOIN architecture ON architecture."index" = run.arch_index']
        for number, axis in enumerate(self.spec.axes):
            if axis.kind == "integer":
                chosen.append(f'run."{axis.name}"')
                continue
            chosen.append(f'axis_{number}.name AS "{axis.name}"')
            # Names in a description consist of letters, digits and underscores.
            joins.append(
                f"JOIN axis_name AS axis_{number} ON axis_{number}.axis = '{axis.name}' "
                f'AND axis_{number}.code = run."{axis.name}"'
            )
        label = () if self.spec.label is None else (self.label,)
        chosen += [f'run."{name}"' for name in (*label, *self.stats)]
        statement = f"SELECT {', '.join(chosen)} FROM run {' '.join(joins)}"  # noqa: S608 - checked names
        return {"computed_stats": statement}

    def axis_rows(self) -> list[tuple[str, int, str]]:
        """Return the rows of the table of names of axes."""
        return [
            (axis.name, code, str(value))
            for axis in self.spec.axes
            if axis.kind == "text"
            for code, value in enumerate(axis.values)
        ]


def codes_of(axis: Axis) -> dict[Any, int]:
    """Return the database values for the values of an axis."""
    if axis.kind == "integer":
        return {value: int(value) for value in axis.values}
    return {value: code for code, value in enumerate(axis.values)}


def joined_benchmark(spec: BenchmarkSpec) -> str | None:
    """Return the benchmark whose architectures a table measures, if it has none of its own."""
    return spec.space.benchmark if isinstance(spec.space, Like) else None
