"""Base class of installed benchmarks: filters, pages, batches, reductions and learning curves.

A subclass declares the columns of a configuration, the statistics of a run, the filters and the
accepted spellings of an architecture. The queries that all benchmarks share are implemented here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

from benchmark_db.aggregates import Part
from benchmark_db.architectures import Architectures
from benchmark_db.curves import Curves
from benchmark_db.errors import (
    InvalidArchitectureError,
)
from benchmark_db.items import CurveShape, Item, ItemMaker, Row
from benchmark_db.metrics import Metric, metrics_of_spec
from benchmark_db.questions import (
    MAX_LIMIT,
    Filter,
    Page,
    Paging,
    checked_batch,
    checked_count,
    checked_reduction,
    known_filters,
    limited_curves,
)
from benchmark_db.run_source import KEYS_PARAMETER, Order, Selection, sorted_by
from benchmark_spec import BenchmarkSpec, Listed

__all__ = ["Benchmark"]


class Benchmark(Architectures):
    """An installed benchmark and the queries it answers.

    Args:
        path: Its database.

    Raises:
        UnusableDatabaseError: The file is not a database of this benchmark and schema.
    """

    counted = "runs"
    key_columns: tuple[str, ...]
    """Columns that identify a configuration; with the label they are the key of a run."""
    config_columns: tuple[str, ...]
    """The key columns, and columns that only describe a configuration."""
    label: str
    """Column that tells the runs of one configuration apart: `seed` or `repeat`."""
    run_column: str | None = None
    """Column that counts the runs of a configuration, which replaces the label in the key where two
    runs of a configuration may share their label."""
    labelled: bool = True
    """Whether items show the label: not where every configuration has one run."""
    stats: tuple[str, ...]
    curves: tuple[str, ...]
    filters: Mapping[str, Filter]
    """Filters by the name that callers use. `arch` reads every spelling of an architecture into a
    value of one of `config_columns`."""
    sortable: tuple[str, ...] = ()
    """Columns, of the configuration or of a run, by which answers can be sorted."""
    own_distribution: Callable[..., list[Item]] | None = None
    """Computes the distribution of a metric where not all architectures are treated alike."""
    may_be_counted: tuple[str, ...] = ()
    """Statistics that follow from the configuration; they are computed where its runs disagree."""
    kept_configs: int = 4_096
    """How many `config` objects are cached."""

    def __init_subclass__(cls) -> None:
        """Set the attributes that follow from the description of the class."""
        super().__init_subclass__()
        spec = vars(cls).get("spec")
        if isinstance(spec, BenchmarkSpec) and spec.label is not None:
            cls.stats = cls.compared = spec.stat_names
            cls.curves = spec.curve_names
            cls.label = spec.label.name

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._statement = lru_cache(maxsize=256)(self._compiled)
        counted = () if self.run_column is None else (self.run_column,)
        self._columns = (*self.config_columns, self.label, *self.stats, *counted)
        self._order = Order((*self.key_columns, self.run_column or self.label))
        self.maker = ItemMaker(
            config=lru_cache(maxsize=self.kept_configs)(self.config),
            config_width=len(self.config_columns),
            label=self.label if self.labelled else None,
            stats=self.stats,
            curves=self.curves,
            unpack=self.unpack,
            may_be_counted=bool(self.may_be_counted),
            counted=self.counted_statistics,
        )

    @classmethod
    def questions(cls, spec: BenchmarkSpec) -> tuple[str, ...]:
        """Return the names of the answered questions that not every benchmark answers."""
        listed = isinstance(spec.space, Listed)  # names without structure
        answered = {
            "architecture": cls.is_declared or cls.numbered_space() is not None,
            "curves": bool(spec.curves),
            "neighbors": "neighbors" not in spec.not_answered and not listed,
            "network": not cls.is_declared,
            "picture": not listed,
            "rank": "rank" not in spec.not_answered,
        }
        return tuple(name for name, answers in answered.items() if answers)

    def metrics(self) -> Mapping[str, Metric]:
        """Return the metrics of its runs, without those of joined tables, by name."""
        return metrics_of_spec(self.spec)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of `all_rows`, without the packed curves."""
        return self._columns

    @abstractmethod
    def config(self, *columns: Any) -> Item:
        """Return the `config` object of the configuration with these column values."""

    def counted_statistics(self, config: Row) -> Mapping[str, float]:  # noqa: ARG002 - of few
        """Return the statistics of a configuration that were computed because its runs disagree."""
        return {}

    @abstractmethod
    def unpack(self, row: Row) -> Curves:
        """Return the curves of a run from its row, whose last column holds them packed.

        Raises:
            MalformedCurvesError: The packed curves are damaged.
        """

    def configs_of(self, part: Part, numbers: Sequence[int]) -> dict[int, Item]:
        """Return the `config` objects of candidates of a part, by index.

        Raises:
            TimeBudgetExceededError: The time budget of the database is spent.
        """
        where = dict(zip(self.parts_by, part, strict=True))
        where[KEYS_PARAMETER] = orjson.dumps(list(numbers)).decode()
        rows = self._rows(where, among=self.numbered_by, with_curves=False)
        number = self._columns.index(self.numbered_by)
        width = len(self.config_columns)
        firsts = {row[number]: row[:width] for row in rows}
        return {number: self.config(*columns) for number, columns in firsts.items()}

    def understood(
        self, filters: Mapping[str, Any]
    ) -> tuple[Mapping[str, Filter], Mapping[str, Any]]:
        """Return how the filters of a question are read, and those filters that select runs.

        A benchmark overrides it when one filter determines how another is read.

        Raises:
            InvalidQuestionError: A filter of that kind is malformed.
        """
        return self.filters, filters

    def computed_stats(
        self,
        filters: Mapping[str, Any],
        *,
        reduction: str | None = None,
        include_intermediates: bool = False,
        sort: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return the runs that match, or one item per configuration when reduced.

        Args:
            filters: Values by filter name; None and absent names are wildcards.
            reduction: None, `mean`, `std`, `min` or `max` over the runs of a configuration.
            include_intermediates: Whether each item carries its learning curves, one object per
                epoch.
            sort: Field to sort by, `-field` for descending order; in key order by default.
                Reduced answers can be sorted by fields that all runs of a configuration share.
            limit: Items in the page.
            cursor: `next_cursor` of the previous page.

        Raises:
            InvalidQuestionError: A filter, the order, the limit or the cursor is malformed.
            TimeBudgetExceededError: The time budget of the database is spent.
        """
        shape: CurveShape | None = "epochs" if include_intermediates else None
        return self._page(filters, reduction, shape, sort, limit, cursor)

    def intermediate_stats(
        self,
        filters: Mapping[str, Any],
        *,
        reduction: str | None = None,
        sort: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return the learning curves that match, as columns: one list per statistic.

        Arguments and errors are those of `computed_stats`.
        """
        return self._page(filters, reduction, "columns", sort, limit, cursor)

    def computed_stats_many(
        self,
        archs: Sequence[Any],
        filters: Mapping[str, Any],
        *,
        reduction: str | None = None,
        include_intermediates: bool = False,
        convert_item: Callable[[Item], Any] = lambda item: item,
    ) -> list[list[Any] | InvalidArchitectureError]:
        """Answer one question for many architectures, aligned with them.

        An architecture without matching runs gives an empty list; an invalid one gives its error.

        Args:
            archs: The architectures.
            filters: Values by filter name; None and absent names are wildcards.
            reduction: As for `computed_stats`.
            include_intermediates: As for `computed_stats`.
            convert_item: Converts each item at once into the value returned for it, because ten
                thousand items take much more memory than their text.

        Raises:
            InvalidQuestionError: Too many architectures, too many curves, or a malformed filter.
            TimeBudgetExceededError: The time budget of the database is spent.
        """
        how = checked_reduction(reduction)
        shape: CurveShape | None = "epochs" if include_intermediates else None
        keys, groups = self.runs_of_many(archs, filters, with_curves=include_intermediates)
        found: dict[Any, list[Any]] = {}
        for key, runs in groups:
            found.setdefault(key, []).extend(
                convert_item(item) for _, item in self.maker.items(runs, how, shape)
            )
        return [
            key if isinstance(key, InvalidArchitectureError) else found.get(key, []) for key in keys
        ]

    def runs_of_many(
        self, archs: Sequence[Any], filters: Mapping[str, Any], *, with_curves: bool = False
    ) -> tuple[list[Any], Iterator[tuple[Any, Iterator[Row]]]]:
        """Return a key (or the error) for each architecture, and the matching runs by key.

        A key comes more than once where the order of runs does not begin with the architecture.
        Arguments and errors are those of `computed_stats_many`.
        """
        known, selecting = self.understood(filters)
        arch = known["arch"]
        keys = arch.read_each(checked_batch(archs))
        where = known_filters(selecting, known)
        times = Counter(key for key in keys if not isinstance(key, InvalidArchitectureError))
        where[KEYS_PARAMETER] = orjson.dumps(list(times)).decode()
        rows = self._rows(where, among=arch.column, with_curves=with_curves)
        key_of = itemgetter(self.config_columns.index(arch.column))
        if with_curves:
            rows = limited_curves(rows, lambda row: times[key_of(row)])
        return keys, groupby(rows, key=key_of)

    def all_rows(self) -> Iterator[Row]:
        """Yield every run in key order: configuration, label, statistics, packed curves.

        These rows are the benchmark's content, independent of the source archive: the content
        digest is computed over them.
        """
        return self._rows({}, with_curves=True)

    def _page(
        self,
        filters: Mapping[str, Any],
        reduction: str | None,
        shape: CurveShape | None,
        sort: str | None,
        limit: int,
        cursor: str | None,
    ) -> Page:
        known, selecting = self.understood(filters)
        how = checked_reduction(reduction)
        limit = checked_count("limit", limit, MAX_LIMIT)
        where = known_filters(selecting, known)
        order = None if sort is None else self._sorted(sort, reduced=how is not None)
        place = (order or self._order).columns
        paging = Paging(
            table=self.version,
            question=(where, how, sort),
            columns=self._columns,
            # A reduced item has no place among the runs of its configuration.
            place=place if how is None else place[:-1],
            by_number=order is not None,
            limit=limit,
        )
        position = () if cursor is None else paging.position(cursor)
        rows = self._rows(where, position, with_curves=shape is not None, order=order)
        return paging.page(self.maker.items(rows, how, shape))

    def _sorted(self, sort: str, *, reduced: bool) -> Order:
        """Return the sort order that a caller requests."""
        shared = [name for name in self.sortable if name in self.config_columns]
        return sorted_by(sort, shared if reduced else self.sortable, self._order.columns)

    def _rows(
        self,
        where: Mapping[str, Any],
        position: Sequence[float | str] = (),
        *,
        with_curves: bool,
        among: str | None = None,
        order: Order | None = None,
    ) -> Iterator[Row]:
        """Yield the matching runs after a position, in key order unless another is given."""
        given = frozenset(where) - {KEYS_PARAMETER}
        sql = self._statement(given, among, len(position), with_curves, order)
        after = {f"after_{rank}": value for rank, value in enumerate(position)}
        return self.database.rows(sql, {**where, **after})

    def _compiled(
        self,
        given: frozenset[str],
        among: str | None,
        after: int,
        with_curves: bool,  # noqa: FBT001 - cached by position
        order: Order | None,
    ) -> str:
        selection = Selection(given, among, after, with_curves)
        query = self.source.query(self._columns, order or self._order, selection)
        return self.database.compile(query)
