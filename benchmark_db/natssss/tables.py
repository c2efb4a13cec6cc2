"""The tables of a database of the size space."""

from __future__ import annotations

from typing import Final

import peewee

from benchmark_db.curves import Curve
from benchmark_db.nats_bench.tables import (
    KEY,
    CountedSize,
    Dataset,
    NamedArchitecture,
    SeededRun,
    computed_stats_view,
)
from benchmark_db.provenance import ProvenanceRow

__all__ = ["SCHEMA_VERSION", "TABLES", "VIEWS", "Architecture", "Run"]

SCHEMA_VERSION: Final = 3


class Architecture(NamedArchitecture):
    """An architecture of the archive."""

    class Meta:
        table_name = "architecture"


class Run(SeededRun):
    """One training run."""

    class Meta:
        table_name = "run"
        primary_key = peewee.CompositeKey(*KEY, "seed")
        without_rowid = True


TABLES: Final[tuple[type[peewee.Model], ...]] = (
    *(ProvenanceRow, Dataset),
    *(Architecture, Run, Curve, CountedSize),
)

VIEWS: Final = {"computed_stats": computed_stats_view()}
