"""Base class of all installed data sets: an open database, its description and its provenance.

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
"""Digits of a content digest in `InstalledDataset.version`."""
_SEEDS: Final = "SELECT DISTINCT seed FROM run ORDER BY seed"


class InstalledDataset(ABC):
    """A published data set in an open database, with its description and provenance.

    Args:
        path: Its database.

    Raises:
        UnusableDatabaseError: The file is not a database of this data and schema.
    """

    spec: BenchmarkSpec
    schema_version: int
    source: RunSource
    """The tables of the rows."""
    key_columns: tuple[str, ...]
    """Columns that identify an item of an answer, in the order of answers."""
    filters: Mapping[str, Filter]
    """Filters by the name that callers use; `arch` reads every spelling of an architecture."""
    counted: str
    """Plural noun for the rows: `contents` of the provenance counts them under this name."""

    numbered_by: str
    """Key column with the index of the candidates of rankings (for NDS: of the configuration)."""
    parts_by: tuple[str, ...]
    """Key columns that must be equal for figures to be comparable."""
    compared: tuple[str, ...]
    """Columns whose means over runs are precomputed, for rankings."""

    is_declared: bool = False
    """Whether the file carries its description, which is otherwise part of the program."""
    joined_to: str | None = None
    """Benchmark whose architectures this data set measures; its columns are metrics there, too."""
    page_size: int = 16_384
    """Page size of the file in bytes: five curve rows of 200 epochs fill a page of 16 KiB; each
    would waste a fifth of a smaller one."""
    cache_kib: int = 1024
    """Page cache per connection, in KiB."""

    @classmethod
    def questions(cls, spec: BenchmarkSpec) -> tuple[str, ...]:
        """Return the names of the answered questions that not every benchmark answers.

        Args:
            spec: The description: that of the class, or that of a declared table.
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
        """Size of the whole space; None if it is too large to count."""
        return getattr(self.spec.space, "size", None)

    @cached_property
    def version(self) -> str:
        """Name and shortened content digest, as in cursors: `nasbench201@0123456789ab`."""
        _, _, digest = self.provenance.content_digest.partition(":")
        return f"{self.spec.name}@{digest[:_DIGITS]}"

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of `all_rows`, without the packed curves."""

    @abstractmethod
    def all_rows(self) -> Iterator[Row]:
        """Yield every row in key order, each ending with packed curves or None.

        These rows are the data set's content, independent of the source archive: the content
        digest is computed over them.
        """

    def check_dataset(self, filters: Mapping[str, Any]) -> None:
        """Check the data set's name where there is only one data set, hence no filter for it.

        Raises:
            InvalidQuestionError: The benchmark has no such data set.
        """
        if "dataset" not in self.filters:
            only = dict.fromkeys(self.spec.datasets, 0)
            given = {"dataset": filters.get("dataset")}
            known_filters(given, {"dataset": Filter("dataset", choice("dataset", only))})

    def parts(self, filters: Mapping[str, Any]) -> list[Part]:
        """Return the parts within which a question compares figures, given its filters.

        Raises:
            InvalidQuestionError: A filter is malformed, or a required one is missing.
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
        """Return the seeds of all runs, ascending; from the provenance if it lists them.

        Raises:
            UnusableDatabaseError: The file is damaged.
        """
        seeds = self.provenance.contents.get("seeds")
        if isinstance(seeds, list) and all(type(seed) is int for seed in seeds):
            return seeds
        return [seed for (seed,) in self.database.rows(_SEEDS)]

    def new_sums(self) -> AggregateSums:
        """Return empty aggregate sums for rows as yielded by `all_rows`."""
        return AggregateSums(
            self.columns,
            numbered_by=self.numbered_by,
            parts_by=self.parts_by,
            aggregates=self.compared,
            counted=self.counted_aggregates,
        )

    @property
    def counted_aggregates(self) -> Mapping[Row, Mapping[str, float]]:
        """Values that replace means where runs disagree on a property of the architecture.

        They are computed from the architecture's structure. The keys are a candidate's index and
        part, the values its statistics by name.
        """
        return {}

    def check_derived(self) -> None:  # noqa: B027 - most keep nothing but figures
        """Check that tables derived from the rows, aggregates excepted, match them.

        Raises:
            UnusableDatabaseError: They do not match.
        """

    def count_rows(self) -> int:
        """Return the total number of rows."""
        ((count,),) = self.database.rows(self.database.compile(self.source.count()))
        return int(count)

    def joined_metrics(self) -> Mapping[str, Metric]:
        """Return the metrics that it adds to the benchmark it is joined to."""
        return {}

    def digest_of(self, rows: Iterable[Row]) -> str:
        """Return the content digest of rows as yielded by `all_rows`."""
        return content_digest(rows)

    def close(self) -> None:
        """Close the database."""
        self.database.close()
