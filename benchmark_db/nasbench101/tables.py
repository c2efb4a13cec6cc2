"""The tables of a NAS-Bench-101 database."""

from __future__ import annotations

import struct
from typing import Final

import peewee

from benchmark_db.nasbench101.cell import EDGE_BITS, OPERATION_NAMES, VERTEX_COUNT_SHIFT
from benchmark_db.provenance import ProvenanceRow
from benchmark_spec.published import NASBENCH101

__all__ = ["BUDGETS", "CURVES", "HALFWAY", "MILLION", "REPEATS", "SCHEMA_VERSION", "STATS"]
__all__ += ["TABLES", "VIEWS", "CellRow", "Run"]

SCHEMA_VERSION: Final = 3

BUDGETS: Final = NASBENCH101.budgets
"""Training budgets of the benchmark, in epochs."""

REPEATS: Final = 3
"""Runs of each cell at each budget."""

MILLION: Final = 1_000_000

HALFWAY: Final = struct.Struct("<4f")
"""Encoding of a run's half-way evaluation: training, validation and test accuracy as recorded, from
0 to 1, and seconds. The recorded values are float32, so that no digit is lost."""


class CellRow(peewee.Model):
    """A cell of the archive.

    `id` is its rank by hash, from 0; `code` holds the recorded matrix and operations as defined in
    the module `cell`.
    """

    id = peewee.IntegerField(primary_key=True)
    hash = peewee.TextField(unique=True)
    code = peewee.IntegerField(unique=True)
    trainable_parameters = peewee.IntegerField()

    class Meta:
        table_name = "cell"


class Run(peewee.Model):
    """One training run: accuracies in percent, time in seconds.

    Rows lie in key order, so that all runs of a cell are contiguous on disk.
    """

    cell = peewee.IntegerField()
    num_epochs = peewee.IntegerField()
    repeat = peewee.IntegerField()
    train_acc = peewee.DoubleField()
    valid_acc = peewee.DoubleField()
    test_acc = peewee.DoubleField()
    training_time = peewee.DoubleField()
    halfway = peewee.BlobField()

    class Meta:
        table_name = "run"
        primary_key = peewee.CompositeKey("cell", "num_epochs", "repeat")
        without_rowid = True


STATS: Final = NASBENCH101.stat_names
"""Statistics of a run, in order; `parameters` are those of its cell, in millions."""

CURVES: Final = NASBENCH101.curve_names
"""Statistics that a run recorded half-way and at its end."""

TABLES: Final[tuple[type[peewee.Model], ...]] = (ProvenanceRow, CellRow, Run)

_OPERATIONS: Final = " ".join(
    f"WHEN {label} THEN '{name}'" for label, name in enumerate(OPERATION_NAMES)
)

VIEWS: Final = {
    # All parts of the texts are constants of this module.
    "computed_stats": f"""
        SELECT cell.hash, cell.code >> {VERTEX_COUNT_SHIFT} AS num_vertices, run.num_epochs,
               run.repeat, run.train_acc, run.valid_acc, run.test_acc,
               cell.trainable_parameters / 1e6 AS parameters, cell.trainable_parameters,
               run.training_time
        FROM run
        JOIN cell ON cell.id = run.cell
    """,  # noqa: S608 - of constants
    "cell_operation": f"""
        WITH vertex(number) AS (VALUES (1), (2), (3), (4), (5))
        SELECT cell.hash, vertex.number AS vertex,
               CASE cell.code >> ({EDGE_BITS} + 2 * (vertex.number - 1)) & 3 {_OPERATIONS} END
               AS operation
        FROM cell
        JOIN vertex ON vertex.number <= (cell.code >> {VERTEX_COUNT_SHIFT}) - 2
    """,  # noqa: S608 - of constants
    "cell_edge": f"""
        WITH vertex(number) AS (VALUES (0), (1), (2), (3), (4), (5), (6))
        SELECT cell.hash, source.number AS source, target.number AS target
        FROM cell
        JOIN vertex AS target ON target.number < cell.code >> {VERTEX_COUNT_SHIFT}
        JOIN vertex AS source ON source.number < target.number
        WHERE cell.code >> (target.number * (target.number - 1) / 2 + source.number) & 1
    """,  # noqa: S608 - of constants
}
"""Views for other SQLite tools, with the names and units of the service, and with decoded cells."""
