"""NAS-Bench-201 as an installed benchmark."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from benchmark_db.benchmark import Benchmark, Description
from benchmark_db.items import Item
from benchmark_db.nasbench201 import architecture as space
from benchmark_db.nasbench201.tables import CURVES, DATASETS, SCHEMA_VERSION, STATS, Run
from benchmark_db.questions import Filter, choice, integer

__all__ = ["NasBench201", "dataset_code", "describe_architecture"]

dataset_code: Final = choice("dataset", {name: code for code, name in enumerate(DATASETS)})
"""Reads a data set's name, in any case, and gives its code in the database."""

_CIFAR10_SPLITS: Final = (
    "cifar10-valid is trained on half of CIFAR-10's training images and validated on the other "
    "half; cifar10 is trained on all of them."
)
_NO_VALIDATION_SPLIT: Final = (
    "valid_acc, valid_loss and valid_evaluation_time of cifar10 are null: trained on all images, "
    "it has no validation split, and its test accuracy is no substitute."
)
_DERIVED_TIME: Final = (
    "training_time is derived: the time of the last epoch times the number of epochs, the same "
    "for every seed."
)
_DISAGREEING_COUNTS: Final = (
    "parameters and flops are what each run recorded; for about 200 architectures the archive's "
    "runs disagree."
)


class NasBench201(Benchmark):
    """Runs of 15,625 architectures on three image data sets at 12 and 200 epochs."""

    description = Description(
        name="nasbench201",
        title="NAS-Bench-201",
        citation=(
            "X. Dong and Y. Yang. NAS-Bench-201: Extending the Scope of Reproducible Neural "
            "Architecture Search. ICLR 2020."
        ),
        licence="MIT",
        datasets=DATASETS,
        budgets=(12, 200),
        num_architectures=space.NUM_ARCHITECTURES,
        notes=(
            _CIFAR10_SPLITS,
            _NO_VALIDATION_SPLIT,
            _DERIVED_TIME,
            "At 200 epochs some splits are recorded at the last epoch only: the others are null.",
            _DISAGREEING_COUNTS,
        ),
    )
    schema_version = SCHEMA_VERSION
    run_table = Run
    key_columns = ("arch_index", "num_epochs", "dataset")
    config_columns = (*key_columns, "num_channels", "num_cells")
    label = "seed"
    stats = STATS
    curves = CURVES
    filters = {  # noqa: RUF012 - read only; declared a Mapping by the base class
        "arch": Filter("arch_index", space.parse),
        "num_epochs": Filter("num_epochs", integer("num_epochs", least=1)),
        "dataset": Filter("dataset", dataset_code),
        "seed": Filter("seed", integer("seed")),
    }

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


def describe_architecture(arch: space.Spelling) -> Item:
    """Return every name of an architecture, and its equals.

    Raises:
        InvalidArchitectureError: The spelling is malformed or outside the space.
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
    """Return the indices of every isomorphism class, by its smallest."""
    members: dict[int, list[int]] = {}
    classes: Iterable[tuple[int, int]] = enumerate(space.isomorphism_classes())
    for index, smallest in classes:
        members.setdefault(smallest, []).append(index)
    return members
