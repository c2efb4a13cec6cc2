"""What an installed benchmark of either space does alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Final

from benchmark_db.benchmark import Benchmark
from benchmark_db.curves import Curve, Curves, every_epoch
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.items import Item, Row
from benchmark_db.nats_bench.tables import CURVES, DATASETS, KEY, STATS, SeededRun
from benchmark_db.questions import Filter, checked_batch, choice, integer
from benchmark_db.run_source import RunSource

__all__ = ["NOTES", "NatsBenchmark", "dataset_code", "filters_by", "runs_in"]

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

_RECORDED: Final = 'SELECT "index" FROM architecture ORDER BY "index"'

NOTES: Final = (_CIFAR10_SPLITS, _NO_VALIDATION_SPLIT, _DERIVED_TIME)
"""Peculiarities of the records of both spaces."""


class NatsBenchmark(Benchmark):
    """Runs told apart by seed, on four image data sets, with a value an epoch."""

    key_columns = KEY
    numbered_by = "arch_index"
    parts_by = ("num_epochs", "dataset")
    compared = STATS
    config_columns: ClassVar[tuple[str, ...]] = KEY
    label = "seed"
    stats = STATS
    curves = CURVES

    @abstractmethod
    def names(self, arch: Any) -> Item:
        """Return every name of an architecture, and what follows from it alone.

        Raises:
            InvalidArchitectureError: The spelling is malformed or outside the space.
        """

    def unpack(self, row: Row) -> Curves:
        """Return the curves of a run, one value an epoch; none where the archive has none."""
        return every_epoch(row[-1], len(CURVES))

    def describe_many(self, archs: Sequence[Any]) -> list[Item | InvalidArchitectureError]:
        """Return `names` of each architecture, or the error that says why not.

        Raises:
            InvalidQuestionError: They are too many.
        """
        return [self._names_or_error(arch) for arch in checked_batch(archs)]

    def recorded(self) -> Sequence[int]:
        """Return the indices of all architectures that have runs, ascending."""
        return self._recorded

    def architectures(self, numbers: Sequence[int]) -> list[Item]:
        """Return `names` of the architectures with these indices."""
        return list(map(self.names, numbers))

    @cached_property
    def _recorded(self) -> Sequence[int]:
        indices = [index for (index,) in self.database.rows(_RECORDED)]
        # All of them, as a rule: a range takes no memory.
        whole = range(len(indices))
        return whole if indices == list(whole) else indices

    def _names_or_error(self, arch: Any) -> Item | InvalidArchitectureError:
        try:
            return self.names(arch)
        except InvalidArchitectureError as error:
            return error


def runs_in(table: type[SeededRun]) -> RunSource:
    """Return where the runs of a space lie."""
    return RunSource(
        table=table, packed_curves=Curve.data, curves_in=(Curve, table.curve == Curve.id)
    )


def filters_by(parse: Callable[[Any], int]) -> Mapping[str, Filter]:
    """Return the filters of a space whose architectures `parse` reads."""
    return {
        "arch": Filter("arch_index", parse),
        "num_epochs": Filter("num_epochs", integer("num_epochs", least=1)),
        "dataset": Filter("dataset", dataset_code),
        "seed": Filter("seed", integer("seed")),
    }
