"""NAS-Bench-201 as an installed benchmark."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import peewee

from benchmark_db.curves import Curve
from benchmark_db.items import Item
from benchmark_db.nasbench201 import architecture as space
from benchmark_db.nasbench201.features import architecture_features
from benchmark_db.nats_bench.benchmark import NatsBenchmark, filters_by, runs_in
from benchmark_db.nats_bench.network_size import Size, size_of_topology
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
from benchmark_db.numbered_space import NumberedSpace
from benchmark_db.provenance import ProvenanceRow
from benchmark_spec.published import NASBENCH201

__all__ = [
    "CURVES",
    "DATASETS",
    "SCHEMA_VERSION",
    "SIZES",
    "STATS",
    "TABLES",
    "VIEWS",
    "Architecture",
    "Dataset",
    "NasBench201",
    "Run",
    "describe_architecture",
]

SCHEMA_VERSION: Final = 3


class Architecture(NamedArchitecture):
    """An architecture of the archive.

    `isomorphism_class` is the smallest index of its class.
    """

    isomorphism_class = peewee.IntegerField(index=True)

    class Meta:
        table_name = "architecture"


class Run(SeededRun):
    """One training run, and the size of the network built from the architecture."""

    num_channels = peewee.IntegerField()
    num_cells = peewee.IntegerField()

    class Meta:
        table_name = "run"
        primary_key = peewee.CompositeKey(*KEY, "seed")
        without_rowid = True


SIZES: Final = ("num_channels", "num_cells")
"""Columns that describe a configuration in addition to its key."""

TABLES: Final[tuple[type[peewee.Model], ...]] = (
    *(ProvenanceRow, Dataset),
    *(Architecture, Run, Curve, CountedSize),
)

VIEWS: Final = {"computed_stats": computed_stats_view(SIZES)}
"""Views for other SQLite tools, with the names and units of the service."""


class NasBench201(NatsBenchmark):
    """Runs of 15,625 architectures on three image data sets at 12 and 200 epochs."""

    spec = NASBENCH201
    schema_version = SCHEMA_VERSION
    source = runs_in(Run)
    config_columns = (*KEY, *SIZES)
    filters = filters_by(space.parse, spec.budgets)

    @classmethod
    def numbered_space(cls) -> NumberedSpace:
        """Return the space of its architectures."""
        return NumberedSpace(
            size=space.NUM_ARCHITECTURES,
            number=space.parse,
            text=lambda index: space.arch_str(space.operations_at(index)),
            neighbors=space.neighbor_indices,
            equals=lambda index: space.isomorphism_classes()[index],
            features=architecture_features,
            drawn=_drawn,
        )

    def config(self, *columns: Any) -> Item:
        """Return the configuration's `config` object."""
        arch_index, num_epochs, dataset, num_channels, num_cells = columns
        operations = space.operations_at(arch_index)
        return {
            "arch": space.arch_dict(operations),
            "arch_str": space.arch_str(operations),
            "index": arch_index,
            "num_epochs": num_epochs,
            "dataset": DATASETS[dataset],
            "num_channels": num_channels,
            "num_cells": num_cells,
        }

    @classmethod
    def network_size(cls, index: int, dataset: int, *described: Any) -> Size:
        """Return the size of an architecture's network with these channels and cells."""
        num_channels, num_cells = described
        operations = space.operations_at(index)
        return size_of_topology(operations, dataset, num_channels=num_channels, num_cells=num_cells)

    def describe(self, arch: space.Spelling) -> Item:
        """Return all spellings of an architecture, and those that compute the same function.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
        """
        return describe_architecture(arch)


def _drawn(index: int) -> Item:
    text = space.arch_str(space.operations_at(index))
    return {
        "title": text,
        "row": {"benchmark": NASBENCH201.name, "arch_str": text, "dataset": DATASETS[0]},
    }


def describe_architecture(arch: space.Spelling) -> Item:
    """Return all spellings of an architecture, and those that compute the same function.

    Raises:
        InvalidArchitectureError: The architecture is malformed or outside the space.
    """
    index = space.parse(arch)
    operations = space.operations_at(index)
    return {
        "index": index,
        "arch_str": space.arch_str(operations),
        "arch": space.arch_dict(operations),
        "unique_str": space.unique_str(operations),
        "isomorphic_indices": list(_members()[space.isomorphism_classes()[index]]),
    }


@cache
def _members() -> dict[int, list[int]]:
    """Return the indices of every isomorphism class, by its smallest index."""
    members: dict[int, list[int]] = {}
    classes: Iterable[tuple[int, int]] = enumerate(space.isomorphism_classes())
    for index, smallest in classes:
        members.setdefault(smallest, []).append(index)
    return members
