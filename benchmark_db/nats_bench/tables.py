"""Base tables of the databases of both NATS-Bench spaces, which add columns of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import peewee

from benchmark_db.curves import CurvedRun
from benchmark_spec.published import NASBENCH201

__all__ = ["CURVES", "DATASETS", "KEY", "STATS"]
__all__ += ["CountedSize", "Dataset", "NamedArchitecture", "SeededRun", "computed_stats_view"]

DATASETS: Final = NASBENCH201.datasets
"""Data sets as named in answers; the position is the code in the database."""


class Dataset(peewee.Model):
    """A data set and its code."""

    id = peewee.IntegerField(primary_key=True)
    name = peewee.TextField(unique=True)

    class Meta:
        table_name = "dataset"


class NamedArchitecture(peewee.Model):
    """Base class of the architecture tables: an architecture of the archive."""

    arch_index = peewee.IntegerField(primary_key=True, column_name="index")
    arch_str = peewee.TextField(unique=True)


class SeededRun(CurvedRun):
    """Base class of the run tables: one training run.

    Accuracies are in percent, times and latency in seconds, `parameters` and `flops`
    (multiply-adds) in millions. Rows lie in key order, so that all runs of an architecture are
    contiguous on disk.
    """

    arch_index = peewee.IntegerField()
    num_epochs = peewee.IntegerField()
    dataset = peewee.IntegerField()
    seed = peewee.IntegerField()
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


KEY: Final = ("arch_index", "num_epochs", "dataset")
"""Columns that identify a configuration; with `seed`, the primary key of a run table."""


class CountedSize(peewee.Model):
    """Computed size of a configuration, where runs of its architecture and data set disagree.

    Sizes are in millions, computed from the structure; null for a value on which the runs agree.
    """

    arch_index = peewee.IntegerField()
    num_epochs = peewee.IntegerField()
    dataset = peewee.IntegerField()
    parameters = peewee.DoubleField(null=True)
    flops = peewee.DoubleField(null=True)

    class Meta:
        table_name = "counted_size"
        primary_key = peewee.CompositeKey(*KEY)
        without_rowid = True


STATS: Final = NASBENCH201.stat_names
"""Statistics that a run of either space records once, in the order of the columns."""

CURVES: Final = NASBENCH201.curve_names
"""Statistics that a run records every epoch: the four accuracies and the four losses."""


def computed_stats_view(described_by: Sequence[str] = ()) -> str:
    """Return the query of a view with the names and units of the service, for other tools.

    Args:
        described_by: Columns of the run table that describe a configuration in addition to its key.
    """
    described = "".join(f"run.{name}, " for name in described_by)
    # All parts of the text are constants of the program.
    return f"""
        SELECT architecture.arch_str, run.arch_index AS "index", run.num_epochs,
               dataset.name AS dataset, {described}run.seed,
               {", ".join(f"run.{name}" for name in STATS)}
        FROM run
        JOIN architecture ON architecture."index" = run.arch_index
        JOIN dataset ON dataset.id = run.dataset
    """  # noqa: S608 - of constants
