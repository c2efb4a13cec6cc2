"""Exports: all runs that match a question, as a table that is read in slices.

A row is a flattened item of an answer: the fields of a configuration become columns of the same
name. Objects within it become their JSON text with sorted keys, which is also an accepted spelling
of the architecture. Architectures that have a string are given by the string alone.

A slice is some thousand rows, column by column. Each slice is a query of its own that starts where
the previous one ended, so that no statement or connection is held between slices, even if the
reader is slow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import groupby, islice, takewhile
from operator import itemgetter
from typing import Any, Final, Protocol, TypeAlias

from benchmark_db.benchmark import Benchmark
from benchmark_db.catalog import Catalog
from benchmark_db.config_columns import Column
from benchmark_db.errors import InvalidQuestionError
from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.hw_nas_bench.tables import DEVICES, METRICS
from benchmark_db.installed_dataset import InstalledDataset
from benchmark_db.items import (
    COUNTED,
    RECORDED,
    SIZE_SOURCE,
    Reduction,
    Row,
    reduce_constant,
    reduce_values,
)
from benchmark_db.questions import MAX_LIMIT, checked_reduction, known_filters

__all__ = [
    "SLICE_ROWS",
    "ExportTable",
    "Fields",
    "Sink",
    "Slice",
    "export_table",
]

Fields: TypeAlias = Mapping[str, Mapping[str, str]]
"""Metadata of columns, by column name: `unit`, `description`."""

Slice: TypeAlias = Sequence[Sequence[Any]]
"""Some rows of a table: the values of each column, in the order of `ExportTable.columns`."""

SLICE_ROWS: Final = 4096
"""Runs in a slice, before the remaining runs of its last configuration are added: they fit a
processor's cache, which is a third faster than four times as many, and take about 10 ms."""


class Sink(Protocol):
    """A binary file, or any other object that bytes are written to from start to end."""

    def write(self, data: bytes, /) -> object:
        """Write some bytes."""


_NUM_RUNS: Final = Column("num_runs", "integer")
_SYNTHETIC: Final = Column("synthetic", "boolean")
"""Last column of every table, because rows are often copied without headers and metadata."""


class ExportTable(ABC):
    """All rows that match a question.

    Args:
        installed: The data set of the rows.
        columns: The columns, without the last, which tells whether the numbers are synthetic.
        fields: Metadata of the columns.
        time_budget: Seconds that each slice may take; None for no limit.

    Attributes:
        columns: All columns, in order.
    """

    def __init__(
        self,
        installed: InstalledDataset,
        columns: Sequence[Column],
        fields: Fields,
        time_budget: float | None,
    ) -> None:
        self.installed = installed
        self.columns = (*columns, _SYNTHETIC)
        self.fields = fields
        self._time_budget = time_budget

    def slices(self) -> Iterator[Slice]:
        """Yield the rows in stable order, in slices of some thousand.

        Raises:
            TimeBudgetExceededError: A slice exceeded the time budget.
            UnusableDatabaseError: The file is damaged, was changed meanwhile, or failed a check.
        """
        position: Any = None
        while True:
            with self._bounded():
                found, position = self._after(position)
            self.installed.database.check_unchanged()
            count = len(found[0])
            if count:
                yield [*found, (self.installed.provenance.synthetic,) * count]
            if position is None:
                return

    @abstractmethod
    def _after(self, position: Any) -> tuple[Slice, Any]:
        """Return the slice after a position (None: the start), and its end (None: no more rows).

        The last column is left out.
        """

    def _bounded(self) -> AbstractContextManager[None]:
        if self._time_budget is None:
            return nullcontext()
        return self.installed.database.time_budget(self._time_budget)


class _RunTable(ExportTable):
    """The runs of a benchmark, one per row, or one row per configuration when reduced."""

    def __init__(
        self,
        benchmark: Benchmark,
        filters: Mapping[str, Any],
        reduction: str | None,
        **reading: Any,
    ) -> None:
        self._config = benchmark.exported()
        labels = (Column(benchmark.label, "integer"), _NUM_RUNS) if benchmark.labelled else ()
        recorded = (*labels, *(Column(name, "number") for name in benchmark.stats))
        self._how = checked_reduction(reduction)
        if self._how is not None and benchmark.may_be_counted:
            recorded = (*recorded, Column(SIZE_SOURCE, "text"))
        super().__init__(benchmark, (*self._config, *recorded), **reading)
        self._recorded = [column.name for column in recorded]
        self._counted = benchmark.counted_statistics
        self._stats = benchmark.stats
        known, selecting = benchmark.understood(filters)
        where = known_filters(selecting, known)
        # The public alternative, pages of items, takes six times as long.
        self._rows = partial(benchmark._rows, where, with_curves=False)  # noqa: SLF001
        self._width = len(benchmark.config_columns)
        self._names = (*benchmark.config_columns, benchmark.label, *benchmark.stats)
        self._key = itemgetter(*map(self._names.index, benchmark.key_columns))

    def _after(self, position: Any) -> tuple[Slice, Any]:
        rest = self._rows(position or ())
        rows: list[Row] = list(islice(rest, SLICE_ROWS))
        if len(rows) < SLICE_ROWS:
            return self._columns_of(rows), None
        last = self._key(rows[-1])
        rows += takewhile(lambda row: self._key(row) == last, rest)
        return self._columns_of(rows), last

    def _columns_of(self, rows: Sequence[Row]) -> Slice:
        counts: Sequence[int] = (1,) * len(rows)
        sources: Sequence[str] = ()
        if self._how is not None:
            rows, counts, sources = self._reduced(rows, self._how)
        columns = zip(*rows, strict=True) if rows else ((),) * len(self._names)
        # The rows of some benchmarks end with a column that counts runs.
        values: dict[str, Sequence[Any]] = dict(zip(self._names, columns, strict=False))
        values |= {_NUM_RUNS.name: counts, SIZE_SOURCE: sources}
        config = [column.values(values) for column in self._config]
        return [*config, *(values[name] for name in self._recorded)]

    def _reduced(
        self, rows: Iterable[Row], how: Reduction
    ) -> tuple[list[Row], list[int], list[str]]:
        """Return for each configuration a row without label, its number of runs and size source."""
        reduced: list[Row] = []
        counts, sources = [], []
        for config, runs in groupby(rows, key=itemgetter(slice(self._width))):
            columns = list(zip(*runs, strict=True))
            stats = columns[self._width + 1 : len(self._names)]
            counted = self._counted(config)
            of_runs = [
                reduce_constant(counted[name], how)
                if name in counted
                else reduce_values(values, how)
                for name, values in zip(self._stats, stats, strict=True)
            ]
            reduced.append((*config, None, *of_runs))
            counts.append(len(columns[0]))
            sources.append(COUNTED if counted else RECORDED)
        return reduced, counts, sources


class _CostTable(ExportTable):
    """The costs of architectures on devices."""

    def __init__(self, costs: HwNasBench, filters: Mapping[str, Any], **reading: Any) -> None:
        self._page = partial(costs.costs, filters)
        self._page(limit=1)  # raises the errors of a malformed question now
        device = filters.get("device")
        metrics = METRICS if device is None else DEVICES[device.lower()]
        config = (Column("index", "integer"), Column("arch_str", "text"), Column("dataset", "text"))
        columns = (*config, *(Column(name, "number") for name in metrics))
        super().__init__(costs, columns, **reading)

    def _after(self, position: Any) -> tuple[Slice, Any]:
        page = self._page(limit=MAX_LIMIT, cursor=position)
        rows = [{**item["config"], **item} for item in page.items]
        columns = self.columns[:-1]
        return [[row[column.name] for row in rows] for column in columns], page.next_cursor


def export_table(
    catalog: Catalog,
    name: str,
    filters: Mapping[str, Any],
    *,
    reduction: str | None = None,
    fields: Fields | None = None,
    time_budget: float | None = None,
) -> ExportTable:
    """Return all rows that match a question, to be read in slices.

    Args:
        catalog: Where the benchmark is installed.
        name: Name of the benchmark; `hw-nas-bench` has a table of costs.
        filters: Values by filter name; None and absent names are wildcards.
        reduction: None, `mean`, `std`, `min` or `max` over the runs of a configuration.
        fields: Metadata of columns, for formats that have a place for it.
        time_budget: Seconds that each slice of the table may take; None for no limit.

    Raises:
        UnknownBenchmarkError: There is no such benchmark, or it is not installed.
        InvalidQuestionError: A filter or the reduction is malformed.
    """
    installed = catalog.entry(name)
    reading = {"fields": fields or {}, "time_budget": time_budget}
    if isinstance(installed, Benchmark):
        return _RunTable(installed, filters, reduction, **reading)
    if reduction is not None:
        raise InvalidQuestionError("reduction", f"{name} has no runs to reduce")
    return _CostTable(catalog.hardware(), filters, **reading)
