"""The tables of an NDS database."""

from __future__ import annotations

from typing import Final

import peewee

from benchmark_db.curves import Curve
from benchmark_db.provenance import ProvenanceRow
from benchmark_spec.published import NDS

__all__ = ["BUDGETS", "CELL_FAMILY", "CURVES", "DATASETS", "FAMILIES", "GENERATORS", "PROPOSERS"]
__all__ += ["RANGED", "SCHEMA_VERSION", "SPACE_COLUMNS", "STATS", "TABLES", "VIEWS"]
__all__ += ["Run", "SourceFile", "Space"]

SCHEMA_VERSION: Final = 3

CELL_FAMILY: Final = "nas_cell"
"""The model family of the cell networks; the others have no cells."""

FAMILIES: Final = NDS.names_on("model_family")
PROPOSERS: Final = NDS.names_on("proposer")
GENERATORS: Final = NDS.names_on("generator")
DATASETS: Final = NDS.datasets
BUDGETS: Final = NDS.budgets
"""Training budgets of the published data, in epochs."""


class SourceFile(peewee.Model):
    """A file of the archive, which distinguishes reruns of a network from its first run."""

    id = peewee.IntegerField(primary_key=True)
    name = peewee.TextField(unique=True)

    class Meta:
        table_name = "file"


class Space(peewee.Model):
    """A design space as sampled and trained."""

    id = peewee.IntegerField(primary_key=True)
    model_family = peewee.TextField()
    proposer = peewee.TextField()
    generator = peewee.TextField()
    dataset = peewee.TextField()
    num_epochs = peewee.IntegerField()

    class Meta:
        table_name = "space"
        indexes = ((("model_family", "proposer", "generator", "dataset", "num_epochs"), True),)


_KEYS: Final = ("arch", "model_key", "cell_key")

RANGED: Final = (
    *("base_lr", "weight_decay", "parameters", "flops"),
    *("final_train_acc", "best_train_acc", "final_test_acc", "best_test_acc"),
)
"""Columns by which runs can be sorted and bounded.

Each has an index that starts with the space and holds the whole order, so that the runs of a page
are known before any of them is read.
"""


class Run(peewee.Model):
    """One training run and its network: accuracies in percent, times in seconds.

    A run and its curves have the same `id`.

    `parameters` and `flops` are in millions, `num_parameters` and `num_flops` the exact numbers.
    `architecture` is an index of networks within their family; `configuration` is an index of
    trained configurations (space, architecture, learning rate, weight decay); `run` counts the runs
    of a configuration from 0 in the order of the archive, where a seed may occur again.

    `arch`, `model_key` and `cell_key` are the keys of the module `specification`; `model_spec` and
    `genotype` are JSON, the latter as recorded; columns about cells are null where there are none.
    The network is part of the row, because a page would otherwise read a second place per run, and
    only one run in six shares its network.
    """

    id = peewee.IntegerField(primary_key=True)
    space = peewee.IntegerField()
    configuration = peewee.IntegerField()
    run = peewee.IntegerField()
    architecture = peewee.IntegerField(index=True)
    file = peewee.IntegerField()
    seed = peewee.IntegerField()
    base_lr = peewee.DoubleField()
    weight_decay = peewee.DoubleField()
    final_train_acc = peewee.DoubleField()
    final_train_loss = peewee.DoubleField(null=True)
    final_test_acc = peewee.DoubleField()
    best_train_acc = peewee.DoubleField()
    best_train_loss = peewee.DoubleField(null=True)
    best_test_acc = peewee.DoubleField()
    parameters = peewee.DoubleField()
    flops = peewee.DoubleField()
    iter_time = peewee.DoubleField(null=True)
    prec_time = peewee.DoubleField(null=True)
    num_parameters = peewee.IntegerField()
    num_flops = peewee.IntegerField()
    arch = peewee.TextField()
    model_key = peewee.BlobField()
    cell_key = peewee.BlobField(null=True)
    model_spec = peewee.TextField()
    genotype = peewee.TextField(null=True)

    class Meta:
        table_name = "run"
        indexes = (
            (("space", "configuration", "run"), True),
            (("space", "architecture"), False),
            *(((name, "space", "configuration", "run"), False) for name in _KEYS),
            *((("space", name, "configuration", "run"), False) for name in RANGED),
        )


SPACE_COLUMNS: Final = tuple(axis.name for axis in NDS.axes)
STATS: Final = NDS.stat_names
CURVES: Final = NDS.curve_names

TABLES: Final[tuple[type[peewee.Model], ...]] = (*(ProvenanceRow, SourceFile, Space, Run, Curve),)

VIEWS: Final = {
    # All parts of the text are constants of this module.
    "computed_stats": f"""
        SELECT {", ".join(f"space.{name}" for name in SPACE_COLUMNS)},
               run.model_spec, run.genotype, run.base_lr, run.weight_decay,
               run.configuration, run.run, run.seed, {", ".join(f"run.{name}" for name in STATS)},
               run.num_parameters, run.num_flops, file.name AS file
        FROM run
        JOIN space ON space.id = run.space
        JOIN file ON file.id = run.file
    """,  # noqa: S608 - of constants
}
"""Views for other SQLite tools, with the names and units of the service."""
