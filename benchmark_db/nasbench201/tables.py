"""The tables of a NAS-Bench-201 database."""

from __future__ import annotations

from typing import Final

import peewee

from benchmark_db.curves import Curve
from benchmark_db.nats_bench.tables import (
    CURVES,
    DATASETS,
    KEY,
    STATS,
    CountedSize,
    Dataset,
    NamedArchitecture,
    SeededRun,
    computed_stats_view,
)
from benchmark_db.provenance import ProvenanceRow

__all__ = ["CURVES", "DATASETS", "SCHEMA_VERSION", "SIZES", "STATS", "TABLES", "VIEWS"]
__all__ += ["Architecture", "Dataset", "Run"]

SCHEMA_VERSION: Final = 3


class Architecture(NamedArchitecture):
    """An architecture of the archive.

    `isomorphism_class` is the smallest index of its class.
    """

    isomorphism_class = peewee.IntegerField(index=True)

    class Meta:
        table_name = "architecture"


class Run(SeededRun):
    """One training run, and the size of the network that the architecture made up."""

    num_channels = peewee.IntegerField()
    num_cells = peewee.IntegerField()

    class Meta:
        table_name = "run"
        primary_key = peewee.CompositeKey(*KEY, "seed")
        without_rowid = True


SIZES: Final = ("num_channels", "num_cells")
"""Columns that describe a configuration beside its key."""

TABLES: Final[tuple[type[peewee.Model], ...]] = (
    *(ProvenanceRow, Dataset),
    *(Architecture, Run, Curve, CountedSize),
)

VIEWS: Final = {"computed_stats": computed_stats_view(SIZES)}
"""For people who open the file with other tools: the names and units of the service."""
