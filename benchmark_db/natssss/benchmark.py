"""The size space of NATS-Bench as an installed benchmark."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, Final

import peewee

from benchmark_db.curves import Curve
from benchmark_db.features import MARK, Feature, product_features
from benchmark_db.items import Item
from benchmark_db.nats_bench.benchmark import NatsBenchmark, filters_by, runs_in
from benchmark_db.nats_bench.network_size import Size, size_of_widths
from benchmark_db.nats_bench.tables import (
    DATASETS,
    KEY,
    CountedSize,
    Dataset,
    NamedArchitecture,
    SeededRun,
    computed_stats_view,
)
from benchmark_db.natssss import architecture as space
from benchmark_db.numbered_space import NumberedSpace
from benchmark_db.provenance import ProvenanceRow
from benchmark_spec import Product
from benchmark_spec.published import NATSSSS

__all__ = [
    "SCHEMA_VERSION",
    "TABLES",
    "VIEWS",
    "Architecture",
    "NatsSss",
    "Run",
]

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


class NatsSss(NatsBenchmark):
    """Runs of 32,768 architectures on three image data sets at 1, 12 and 90 epochs."""

    spec = NATSSSS
    schema_version = SCHEMA_VERSION
    source = runs_in(Run)
    filters = filters_by(space.parse, spec.budgets)

    @classmethod
    def numbered_space(cls) -> NumberedSpace:
        """Return the space of its architectures."""
        return NumberedSpace(
            size=space.NUM_ARCHITECTURES,
            number=space.parse,
            text=lambda index: space.arch_str(space.channels_at(index)),
            neighbors=space.neighbor_indices,
            equals=lambda index: index,
            features=_features,
            drawn=_drawn,
        )

    def config(self, *columns: Any) -> Item:
        """Return the configuration's `config` object."""
        index, num_epochs, dataset = columns
        return {**_spellings(index), "num_epochs": num_epochs, "dataset": DATASETS[dataset]}

    @classmethod
    def network_size(cls, index: int, dataset: int, *described: Any) -> Size:
        """Return the size of an architecture's network, which depends on its widths alone."""
        del described
        return size_of_widths(space.channels_at(index), dataset)

    def describe(self, arch: space.Spelling) -> Item:
        """Return all spellings of an architecture.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
        """
        return _spellings(space.parse(arch))


@cache
def _features() -> tuple[Feature, ...]:
    """Return the channels of each layer, counted from 1."""
    counts = [str(channels) for channels in space.CHANNELS]
    return tuple(
        replace(
            feature,
            name=f"{MARK}op.{layer}",
            description=f"The channels of layer {layer}.",
        )
        for layer, feature in enumerate(
            product_features(Product(length=space.NUM_LAYERS, choices=tuple(counts))), 1
        )
    )


def _drawn(index: int) -> Item:
    channels = space.channels_at(index)
    bars = [(f"layer {layer}", width) for layer, width in enumerate(channels, 1)]
    return {"title": space.arch_str(channels), "bars": bars}


def _spellings(index: int) -> Item:
    channels = space.channels_at(index)
    return {"arch": list(channels), "arch_str": space.arch_str(channels), "index": index}
