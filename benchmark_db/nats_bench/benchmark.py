"""Base class of both NATS-Bench spaces: NAS-Bench-201's topologies and the size space."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from benchmark_db.aggregates import Part
from benchmark_db.benchmark import Benchmark
from benchmark_db.curves import Curve, Curves, every_epoch
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.items import Item, Row
from benchmark_db.nats_bench.network_size import Size
from benchmark_db.nats_bench.tables import CURVES, DATASETS, KEY, SeededRun
from benchmark_db.numbered_space import NumberedSpace
from benchmark_db.questions import Filter, choice, integer, one_of
from benchmark_db.run_source import RunSource

__all__ = [
    "NatsBenchmark",
    "dataset_code",
    "filters_by",
    "runs_in",
]

dataset_code: Final = choice("dataset", {name: code for code, name in enumerate(DATASETS)})
"""Reads a data set's name, in any case, and returns its code in the database."""


_COUNTED: Final = ("parameters", "flops")
"""Statistics that depend on architecture and data set alone."""

_DISAGREEING: Final = """
    SELECT arch_index, num_epochs, dataset{described}, other_parameters, other_flops
    FROM (SELECT DISTINCT arch_index, num_epochs, dataset{described} FROM run)
    JOIN (
        SELECT {network}, MIN(parameters) <> MAX(parameters) AS other_parameters,
               MIN(flops) <> MAX(flops) AS other_flops
        FROM run GROUP BY {network} HAVING other_parameters OR other_flops
    )
    USING ({network})
    ORDER BY arch_index, num_epochs, dataset
"""
_STORED_SIZES: Final = (
    "SELECT arch_index, num_epochs, dataset, parameters, flops FROM counted_size"
    " ORDER BY arch_index, num_epochs, dataset"
)


class NatsBenchmark(Benchmark):
    """Runs with seeds, on up to four image data sets, with one value per epoch."""

    key_columns = KEY
    numbered_by = "arch_index"
    parts_by = ("num_epochs", "dataset")
    config_columns: tuple[str, ...] = KEY
    may_be_counted = _COUNTED

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        seed = Filter("seed", one_of("seed", self.recorded_seeds()))
        self.filters = {**self.filters, "seed": seed}

    @classmethod
    @abstractmethod
    def numbered_space(cls) -> NumberedSpace:
        """Return the space of its architectures."""

    @classmethod
    @abstractmethod
    def network_size(cls, index: int, dataset: int, *described: Any) -> Size:
        """Return the size of an architecture's network, computed from its structure.

        Args:
            index: Index of the architecture.
            dataset: Code of the data set.
            described: Columns that describe a configuration in addition to its key.
        """

    @classmethod
    def counted_sizes(cls, rows: Callable[[str], Iterable[Row]]) -> list[Row]:
        """Return the rows of `CountedSize` for a table of runs, in key order.

        Args:
            rows: Returns the rows of a statement on the database of the runs.
        """
        described = cls.config_columns[len(KEY) :]
        network = ", ".join(("arch_index", "dataset", *described))
        found = rows(_DISAGREEING.format(network=network, described=", ".join(("", *described))))
        return [
            (
                index,
                num_epochs,
                dataset,
                *_where(differing, cls.network_size(index, dataset, *rest)),
            )
            for index, num_epochs, dataset, *rest, differing in (
                (*row[: -len(_COUNTED)], row[-len(_COUNTED) :]) for row in found
            )
        ]

    @property
    def counted_aggregates(self) -> Mapping[Row, Mapping[str, float]]:
        """Computed statistics where runs disagree, by index, epochs and data set."""
        return self._counted

    def counted_statistics(self, config: Row) -> Mapping[str, float]:
        """Return the statistics of a configuration that were computed because its runs disagree."""
        return self._counted.get(tuple(config[: len(KEY)]), {})

    def check_derived(self) -> None:
        """Check that the stored computed sizes are those that the runs require.

        Raises:
            UnusableDatabaseError: They differ.
        """
        if list(self.database.rows(_STORED_SIZES)) != self.counted_sizes(self.database.rows):
            raise UnusableDatabaseError(
                f"{self.database.path.name} has been changed: its computed sizes are not those of "
                "its runs"
            )

    @abstractmethod
    def describe(self, arch: Any) -> Item:
        """Return all spellings of an architecture, and properties derived from it alone.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
        """

    def part_named(self, part: Part) -> Item:
        """Return budget and data set of a part by name."""
        num_epochs, dataset = part
        return {"num_epochs": num_epochs, "dataset": DATASETS[dataset]}

    def unpack(self, row: Row) -> Curves:
        """Return the curves of a run, one value per epoch; none where the archive has none."""
        return every_epoch(row[-1], len(CURVES))

    def architectures(self, numbers: Sequence[int]) -> list[Item]:
        """Return `describe` of the architectures with these indices."""
        return list(map(self.describe, numbers))

    def neighbors(self, arch: Any) -> list[Item]:
        """Return the descriptions of all architectures that are one edit away, in a fixed order.

        An edit is another operation on an edge, or other channels of a layer.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
        """
        space = self.numbered_space()
        return self.architectures(space.neighbors(space.number(arch)) or ())

    @cached_property
    def _counted(self) -> dict[Row, dict[str, float]]:
        return {
            tuple(key): {
                name: value
                for name, value in zip(_COUNTED, values, strict=True)
                if value is not None
            }
            for *key, parameters, flops in self.database.rows(_STORED_SIZES)
            for values in [(parameters, flops)]
        }


def _where(differing: Sequence[Any], size: Size) -> tuple[float | None, ...]:
    """Return the parts of a size on which runs disagree, None for the others."""
    in_millions = size.in_millions()
    return tuple(
        value if differs else None for value, differs in zip(in_millions, differing, strict=True)
    )


def runs_in(table: type[SeededRun]) -> RunSource:
    """Return the source of the runs of a space."""
    return RunSource(
        table=table, packed_curves=Curve.data, curves_in=(Curve, table.curve == Curve.id)
    )


def filters_by(parse: Callable[[Any], int], budgets: Iterable[int]) -> Mapping[str, Filter]:
    """Return the filters of a space: its budgets and the parser of its architectures.

    Seeds are later restricted to those of a database.
    """
    return {
        "arch": Filter("arch_index", parse),
        "num_epochs": Filter("num_epochs", one_of("num_epochs", budgets)),
        "dataset": Filter("dataset", dataset_code),
        "seed": Filter("seed", integer("seed")),
    }
