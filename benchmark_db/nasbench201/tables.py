"""The tables of a NAS-Bench-201 database."""

from __future__ import annotations

from typing import Final

import peewee

from benchmark_db.curves import Curve, CurvedRun
from benchmark_db.provenance import ProvenanceRow

__all__ = ["CURVES", "DATASETS", "SCHEMA_VERSION", "STATS", "TABLES", "VIEWS"]
__all__ += ["Architecture", "Dataset", "Run"]

SCHEMA_VERSION: Final = 1

DATASETS: Final = ("cifar10-valid", "cifar10", "cifar100", "imagenet16-120")
"""Data sets as served; the position is the code in the database."""


class Dataset(peewee.Model):
    """A data set and its code."""

    id = peewee.IntegerField(primary_key=True)
    name = peewee.TextField(unique=True)

    class Meta:
        table_name = "dataset"


class Architecture(peewee.Model):
    """An architecture of the archive.

    `isomorphism_class` is the smallest index of its class.
    """

    arch_index = peewee.IntegerField(primary_key=True, column_name="index")
    arch_str = peewee.TextField(unique=True)
    isomorphism_class = peewee.IntegerField(index=True)

    class Meta:
        table_name = "architecture"


class Run(CurvedRun):
    """One training run: accuracies in percent, times and latency in seconds.

    `parameters` and `flops` (multiply-adds) are in millions. Rows lie in key order, so that all
    runs of an architecture are neighbours on disk.
    """

    arch_index = peewee.IntegerField()
    num_epochs = peewee.IntegerField()
    dataset = peewee.IntegerField()
    seed = peewee.IntegerField()
    num_channels = peewee.IntegerField()
    num_cells = peewee.IntegerField()
    train_acc = peewee.DoubleField(null=True)
    valid_acc = peewee.DoubleField(null=True)
    test_acc = peewee.DoubleField(null=True)
    ori_test_acc = peewee.DoubleField(null=True)
    train_loss = peewee.DoubleField(null=True)
    valid_loss = peewee.DoubleField(null=True)
    test_loss = peewee.DoubleField(null=True)
    ori_test_loss = peewee.DoubleField(null=True)
    parameters = peewee.DoubleField(null=True)
    flops = peewee.DoubleField(null=True)
    latency = peewee.DoubleField(null=True)
    training_time = peewee.DoubleField(null=True)
    valid_evaluation_time = peewee.DoubleField(null=True)
    test_evaluation_time = peewee.DoubleField(null=True)
    ori_test_evaluation_time = peewee.DoubleField(null=True)

    class Meta:
        table_name = "run"
        primary_key = peewee.CompositeKey("arch_index", "num_epochs", "dataset", "seed")
        without_rowid = True


STATS: Final = (
    *("train_acc", "valid_acc", "test_acc", "ori_test_acc"),
    *("train_loss", "valid_loss", "test_loss", "ori_test_loss"),
    *("parameters", "flops", "latency", "training_time"),
    *("valid_evaluation_time", "test_evaluation_time", "ori_test_evaluation_time"),
)
"""What a run records once, in the order of the columns."""

CURVES: Final = STATS[:8]
"""What a run records every epoch: the four accuracies and the four losses."""

TABLES: Final[tuple[type[peewee.Model], ...]] = (
    *(ProvenanceRow, Dataset),
    *(Architecture, Run, Curve),
)

VIEWS: Final = {
    # Every part of the text is a constant of this module.
    "computed_stats": f"""
        SELECT architecture.arch_str, run.arch_index AS "index", run.num_epochs,
               dataset.name AS dataset, run.num_channels, run.num_cells, run.seed,
               {", ".join(f"run.{name}" for name in STATS)}
        FROM run
        JOIN architecture ON architecture."index" = run.arch_index
        JOIN dataset ON dataset.id = run.dataset
    """,  # noqa: S608
}
"""For people who open the file with other tools: the names and units of the service."""
