"""What all benchmarks have in common: configurations, the runs of each, the curves of a run.

A benchmark says which columns make up a configuration, what a run records, how its callers may
filter, and how an architecture is spelled. Everything else is here, once: pages, reductions,
batches, learning curves in rows and in columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, Final

import orjson
import peewee
from peewee import SQL

from benchmark_db.curves import Curve, CurvedRun
from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.errors import (
    InvalidArchitectureError,
    InvalidQuestionError,
    UnusableDatabaseError,
)
from benchmark_db.items import CurveShape, Item, ItemMaker, Row
from benchmark_db.provenance import read_provenance
from benchmark_db.questions import (
    MAX_BATCH,
    MAX_CURVES,
    Filter,
    Page,
    checked_limit,
    decode_cursor,
    encode_cursor,
    fingerprint,
    known_filters,
)
from benchmark_db.reduction import checked_reduction

__all__ = ["Benchmark", "Description"]

_CONFIG_CACHE: Final = 16_384
_BATCH_PARAMETER: Final = "archs"


@dataclass(frozen=True, kw_only=True)
class Description:
    """What people need to know of a benchmark before they ask it.

    Attributes:
        name: Name in addresses and file names.
        title: Name in prose.
        citation: The paper.
        licence: Licence of the published data.
        datasets: Names of the data sets, as served.
        budgets: The training budgets of the benchmark, in epochs.
        num_architectures: Size of the whole space.
        notes: Peculiarities of the data that change how an answer must be read.
    """

    name: str
    title: str
    citation: str
    licence: str
    datasets: tuple[str, ...]
    budgets: tuple[int, ...]
    num_architectures: int
    notes: tuple[str, ...] = ()


class Benchmark(ABC):
    """An installed benchmark and the questions it answers.

    Args:
        path: Its database.

    Raises:
        UnusableDatabaseError: The file is not a database of this benchmark and schema.
    """

    description: ClassVar[Description]
    schema_version: ClassVar[int]
    run_table: ClassVar[type[CurvedRun]]
    """One row a run: configuration, label, statistics."""
    key_columns: ClassVar[tuple[str, ...]]
    """Columns that tell configurations apart, the architecture first; with the label, the key."""
    config_columns: ClassVar[tuple[str, ...]]
    """The key columns and those that merely describe a configuration."""
    label: ClassVar[str]
    """What tells the runs of one configuration apart: `seed` or `repeat`."""
    stats: ClassVar[tuple[str, ...]]
    curves: ClassVar[tuple[str, ...]]
    filters: ClassVar[Mapping[str, Filter]]
    """By the name callers use; `arch` reads every spelling of an architecture."""

    def __init__(self, path: Path) -> None:
        self.database = ReadOnlyDatabase(path, self.schema_version)
        try:
            self.provenance = read_provenance(self.database, self.description.name)
        except UnusableDatabaseError:
            self.database.close()
            raise
        self._statement = lru_cache(maxsize=256)(self._compiled)
        self._maker = ItemMaker(
            config=lru_cache(maxsize=_CONFIG_CACHE)(self.config),
            config_width=len(self.config_columns),
            key_width=len(self.key_columns),
            label=self.label,
            stats=self.stats,
            curves=self.curves,
        )

    @abstractmethod
    def config(self, *columns: Any) -> Item:
        """Return the `config` object of the configuration with these column values."""

    def computed_stats(
        self,
        filters: Mapping[str, Any],
        *,
        reduction: str | None = None,
        include_intermediates: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return the runs that match, or one item a configuration when reduced.

        Args:
            filters: Values by filter name; None and absent names are wildcards.
            reduction: None, `mean`, `std`, `min` or `max` over the runs of a configuration.
            include_intermediates: Whether each item carries its learning curves, one object an
                epoch.
            limit: Items in the page.
            cursor: `next_cursor` of the page before.

        Raises:
            InvalidQuestionError: A filter, the limit or the cursor is malformed.
            TimeBudgetExceededError: The time budget of the database is spent.
        """
        shape: CurveShape | None = "epochs" if include_intermediates else None
        return self._page(filters, reduction, shape, limit, cursor)

    def intermediate_stats(
        self,
        filters: Mapping[str, Any],
        *,
        reduction: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return the learning curves that match, in columns: one list a statistic.

        Arguments and errors are those of `computed_stats`.
        """
        return self._page(filters, reduction, "columns", limit, cursor)

    def computed_stats_many(
        self,
        archs: Sequence[Any],
        filters: Mapping[str, Any],
        *,
        reduction: str | None = None,
        include_intermediates: bool = False,
    ) -> list[list[Item] | InvalidArchitectureError]:
        """Answer one question for many architectures, aligned with them.

        An architecture without matching runs gives an empty list, a malformed one the error that
        says why.

        Raises:
            InvalidQuestionError: Too many architectures, too many curves, or a malformed filter.
            TimeBudgetExceededError: The time budget of the database is spent.
        """
        if len(archs) > MAX_BATCH:
            raise InvalidQuestionError(
                "archs", f"{len(archs)} architectures in one batch; at most {MAX_BATCH}"
            )
        how = checked_reduction(reduction)
        shape: CurveShape | None = "epochs" if include_intermediates else None
        keys = [self._read_or_error(arch) for arch in archs]
        where = known_filters(filters, self.filters)
        wanted = {key for key in keys if not isinstance(key, InvalidArchitectureError)}
        where[_BATCH_PARAMETER] = orjson.dumps(list(wanted)).decode()
        found: dict[Any, list[Item]] = {}
        rows = self._rows(where, with_curves=include_intermediates)
        if include_intermediates:
            rows = _bounded(rows)
        for arch, runs in groupby(rows, key=itemgetter(0)):
            found[arch] = [item for _, item in self._maker.items(runs, how, shape)]
        return [
            key if isinstance(key, InvalidArchitectureError) else found.get(key, []) for key in keys
        ]

    def all_runs(self) -> Iterator[Row]:
        """Yield every run in key order: configuration, label, statistics, packed curves.

        This is what the benchmark answers, whatever the archive it was made from: the content
        digest is taken over it.
        """
        return self._rows({}, with_curves=True)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def _page(
        self,
        filters: Mapping[str, Any],
        reduction: str | None,
        shape: CurveShape | None,
        limit: int,
        cursor: str | None,
    ) -> Page:
        how = checked_reduction(reduction)
        limit = checked_limit(limit)
        where = known_filters(filters, self.filters)
        position: list[int | str] = []
        if cursor is not None:
            question = fingerprint(self.provenance.content_digest, where, how)
            width = len(self.key_columns) + (how is None)
            position = decode_cursor(cursor, question, width)
        rows = self._rows(where, position, with_curves=shape is not None)
        # One more than asked for tells whether there is a next page.
        items = list(islice(self._maker.items(rows, how, shape), limit + 1))
        if len(items) <= limit:
            return Page([item for _, item in items], None)
        question = fingerprint(self.provenance.content_digest, where, how)
        last, _ = items[limit - 1]
        return Page([item for _, item in items[:limit]], encode_cursor(last, question))

    def _rows(
        self,
        where: Mapping[str, Any],
        position: Sequence[int | str] = (),
        *,
        with_curves: bool,
    ) -> Iterator[Row]:
        """Yield the matching runs after a position, in key order."""
        sql = self._statement(frozenset(where), len(position), with_curves)
        after = {f"after_{rank}": value for rank, value in enumerate(position)}
        return self.database.rows(sql, {**where, **after})

    def _compiled(self, where: frozenset[str], after: int, with_curves: bool) -> str:  # noqa: FBT001 - cached by position
        run = self.run_table
        columns = [getattr(run, name) for name in (*self.config_columns, self.label, *self.stats)]
        key = [getattr(run, name) for name in (*self.key_columns, self.label)]
        query = run.select(*columns, *([Curve.data] if with_curves else []))
        if with_curves:
            query = query.join(Curve, peewee.JOIN.LEFT_OUTER, on=(run.curve == Curve.id))
        for name in sorted(where):
            if name == _BATCH_PARAMETER:
                query = query.where(key[0].in_(SQL("(SELECT value FROM json_each(:archs))")))
            else:
                query = query.where(getattr(run, name) == SQL(f":{name}"))
        if after:
            position = SQL(f"({', '.join(f':after_{rank}' for rank in range(after))})")
            query = query.where(peewee.Tuple(*key[:after]) > position)
        return self.database.compile(query.order_by(*key))

    def _read_or_error(self, arch: Any) -> Any:
        try:
            return self.filters["arch"].read(arch)
        except InvalidArchitectureError as error:
            return error


def _bounded(rows: Iterator[Row]) -> Iterator[Row]:
    """Yield rows with curves as long as one answer can hold them."""
    for count, row in enumerate(rows):
        if count == MAX_CURVES:
            raise InvalidQuestionError(
                "archs",
                f"the learning curves of more than {MAX_CURVES} runs in one answer; "
                "ask for fewer architectures at a time",
            )
        yield row
