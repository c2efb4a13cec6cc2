"""Base class of all installed data: an open database with its description and provenance.

Benchmarks (tables of runs) and cost tables both derive from it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from benchmark_db.aggregates import Aggregates, AggregateSums, Part
from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.digests import content_digest
from benchmark_db.errors import InvalidQuestionError, UnusableDatabaseError
from benchmark_db.items import Row
from benchmark_db.metrics import Metric
from benchmark_db.provenance import read_provenance
from benchmark_db.questions import Filter, choice, known_filters
from benchmark_db.run_source import RunSource
from benchmark_spec import BenchmarkSpec

__all__ = ["InstalledDataset"]


_DIGITS: Final = 12
"""Of a digest that tell versions of one table apart."""
_SEEDS: Final = "SELECT DISTINCT seed FROM run ORDER BY seed"


class InstalledDataset(ABC):
    """Published data in an open database, with its description and its provenance.

    Args:
        path: Its database.

    Raises:
        UnusableDatabaseError: The file is not a database of this data and schema.
    """

    spec: BenchmarkSpec
    schema_version: int
    source: RunSource
    """The tables of its rows."""
    key_columns: tuple[str, ...]
    """Columns that identify what an item of an answer is of, in the order of answers."""
    filters: Mapping[str, Filter]
    """By the name callers use; `arch` reads every spelling of an architecture into a column."""
    counted: str
    """What a row is, in the plural: `contents` of the provenance counts them under this name."""

    numbered_by: str
    """The key column that numbers the candidates of rankings (for NDS: what was trained)."""
    parts_by: tuple[str, ...]
    """The key columns that must be equal for numbers to be comparable."""
    compared: tuple[str, ...]
    """The columns whose means over runs are precomputed, for rankings."""

    is_declared: bool = False
    """Whether its file carries the description; otherwise that is part of the program."""
    joined_to: str | None = None
    """The benchmark whose architectures it measures: its columns are metrics of that one, too."""
    page_size: int = 16_384
    """Bytes a page of the file: five curve rows of 200 epochs fill one of 16 KiB, where each would
    waste a fifth of smaller ones."""
    cache_kib: int = 1024
    """Page cache of each connection, in KiB."""

    @classmethod
    def questions(cls, spec: BenchmarkSpec) -> tuple[str, ...]:
        """Return which questions are answered that not every benchmark answers, by name.

        Args:
            spec: The description: that of the class, or of a declared table.
        """
        del spec
        return ()

    def __init__(self, path: Path) -> None:
        self.database = ReadOnlyDatabase(path, self.schema_version, cache_kib=self.cache_kib)
        try:
            self.provenance = read_provenance(self.database, self.spec.name)
        except UnusableDatabaseError:
            self.database.close()
            raise
        self.aggregates = Aggregates(self.database, self.numbered_by)

    @property
    def num_architectures(self) -> int | None:
        """Size of the whole space; None where it is too large to count."""
        return getattr(self.spec.space, "size", None)

    @cached_property
    def version(self) -> str:
        """Name and content digest in short, as cursors carry them: `nasbench201@0123456789ab`."""
        _, _, digest = self.provenance.content_digest.partition(":")
        return f"{self.spec.name}@{digest[:_DIGITS]}"

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of `all_rows`, without the packed curves."""

    @abstractmethod
    def all_rows(self) -> Iterator[Row]:
        """Yield every row in key order, each ending with packed curves or None.

        This is what the data answers, whatever the archive it was made from: the content digest
        is taken over it.
        """

    def refuse_wrong_dataset(self, filters: Mapping[str, Any]) -> None:
        """Judge the data set where there is one alone: a wrong name stays wrong.

        Raises:
            InvalidQuestionError: It is none of the benchmark.
        """
        if "dataset" not in self.filters:
            only = dict.fromkeys(self.spec.datasets, 0)
            given = {"dataset": filters.get("dataset")}
            known_filters(given, {"dataset": Filter("dataset", choice("dataset", only))})

    def parts(self, filters: Mapping[str, Any]) -> list[Part]:
        """Return the parts within which the filters of a question compare figures.

        Raises:
            InvalidQuestionError: A filter is malformed, or one is missing by which figures differ.
        """
        asked = {name: filters.get(name) for name in self.parts_by}
        where = known_filters(asked, self.filters)
        for name in self.parts_by:
            if name not in where:
                known = {"dataset": self.spec.datasets, "num_epochs": self.spec.budgets}
                values = ", ".join(map(str, known.get(name, ())))
                raise InvalidQuestionError(
                    name,
                    f"say which {name}: the figures of {self.spec.title} differ by it"
                    + (f"; known are {values}" if values else ""),
                )
        return [tuple(where[name] for name in self.parts_by)]

    def part_named(self, part: Part) -> Mapping[str, Any]:
        """Return the values that identify a part, by the names that callers use."""
        return dict(zip(self.parts_by, part, strict=True))

    def recorded_seeds(self) -> list[int]:
        """Return the seeds that runs have, ascending; from the provenance if it lists them.

        Raises:
            UnusableDatabaseError: The file is damaged.
        """
        seeds = self.provenance.contents.get("seeds")
        if isinstance(seeds, list) and all(type(seed) is int for seed in seeds):
            return seeds
        return [seed for (seed,) in self.database.rows(_SEEDS)]

    def new_sums(self) -> AggregateSums:
        """Return new sums over rows such as `all_rows` yields."""
        return AggregateSums(
            self.columns,
            numbered_by=self.numbered_by,
            parts_by=self.parts_by,
            aggregates=self.compared,
            counted=self.counted_aggregates,
        )

    @property
    def counted_aggregates(self) -> Mapping[Row, Mapping[str, float]]:
        """Values to use in place of means where the runs disagree on what must be the same.

        They are counted from an architecture's structure. The keys are a candidate's number and
        part, the values its statistics by name.
        """
        return {}

    def check_derived(self) -> None:  # noqa: B027 - most keep nothing but figures
        """Check that tables derived from the rows, aggregates excepted, match them.

        Raises:
            UnusableDatabaseError: They do not.
        """

    def count_rows(self) -> int:
        """Return how many rows there are in all."""
        ((count,),) = self.database.rows(self.database.compile(self.source.count()))
        return int(count)

    def joined_metrics(self) -> Mapping[str, Metric]:
        """Return the metrics that it adds to the benchmark it is joined to."""
        return {}

    def digest_of(self, rows: Iterable[Row]) -> str:
        """Return the content digest of rows such as `all_rows` yields."""
        return content_digest(rows)

    def close(self) -> None:
        """Close the database."""
        self.database.close()
