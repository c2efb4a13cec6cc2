"""Precomputed means over the runs of each architecture, kept as compressed columns in the database.

Finding the best architecture would take a scan of all runs. A database therefore also stores the
mean of every statistic over the runs of every candidate: one compressed column per part of the
benchmark. A part is a group of comparable figures (a budget and a data set; for NDS a design
space). A candidate is what is compared within a part.

A column stores the exact sum over a candidate's runs and the number of runs, not their quotient,
because a sum of short decimals has few digits and compresses to half the size. The quotient is the
mean that `reduction=mean` returns, to the last digit. `AggregateSums` computes the columns during a
build; `Aggregates` reads them.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice, repeat
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

import numpy as np
import orjson
import peewee
from numpy.typing import NDArray

from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.forks import watch_forks
from benchmark_db.items import Row, reduce_values

__all__ = [
    "AGGREGATE_TABLES",
    "Aggregate",
    "AggregateColumn",
    "AggregateSums",
    "Aggregates",
    "Column",
    "NamedColumn",
    "Part",
    "aligned",
    "pack_column",
    "part_key",
]

Part: TypeAlias = tuple[Any, ...]
"""Values of the columns that identify a part of a benchmark."""

Column: TypeAlias = tuple[NDArray[np.float64], NDArray[np.uint8]]
"""Sums over the runs of each candidate, and numbers of these runs: 0 where nothing is recorded."""

NamedColumn: TypeAlias = tuple[str, str, NDArray[np.float64], NDArray[np.uint8]]
"""Key of the part in the database, name of the column, its sums, its counts."""

_LEVEL: Final = 6
_DOUBLE_BYTES: Final = 8
_CACHED_BYTES: Final = 8 * 2**20
"""Size of the cache of unpacked columns: two or three of NAS-Bench-101, all used of the others."""

_COLUMN: Final = (
    "SELECT sums, counts FROM figure JOIN figure_data ON figure_data.id = figure.data"
    " WHERE part = :part AND name = :name"
)
_EVERY_COLUMN: Final = (
    "SELECT part, name, sums, counts FROM figure"
    " JOIN figure_data ON figure_data.id = figure.data ORDER BY part, name"
)
_PARTS: Final = "SELECT DISTINCT part FROM figure"


class AggregateColumn(peewee.Model):
    """A packed column. Several statistics may share one."""

    id = peewee.IntegerField(primary_key=True)
    sums = peewee.BlobField()
    counts = peewee.BlobField()

    class Meta:
        table_name = "figure_data"


class Aggregate(peewee.Model):
    """Maps a part and a statistic (or the candidates' indices) to its packed column."""

    part = peewee.TextField()
    name = peewee.TextField()
    data = peewee.IntegerField()

    class Meta:
        table_name = "figure"
        primary_key = peewee.CompositeKey("part", "name")
        without_rowid = True


AGGREGATE_TABLES: Final[tuple[type[peewee.Model], ...]] = (AggregateColumn, Aggregate)


def part_key(part: Part) -> str:
    """Return the key of a part in the database."""
    return orjson.dumps(part).decode()


def pack_column(sums: NDArray[np.float64], counts: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """Return a column in its stored form.

    The first bytes of all doubles come first, then all second bytes, so that similar bytes adjoin.
    """
    planes = np.ascontiguousarray(sums).view(np.uint8).reshape(-1, sums.itemsize).T
    return zlib.compress(planes.tobytes(), _LEVEL), zlib.compress(counts.tobytes(), _LEVEL)


class Aggregates:
    """Reads the columns of an open database and caches the most recently used ones.

    Args:
        database: The database.
        numbered_by: Name of the column of the candidates' indices.
    """

    def __init__(self, database: ReadOnlyDatabase, numbered_by: str) -> None:
        self._database = database
        self._numbered_by = numbered_by
        self._kept: OrderedDict[tuple[str, str], NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        watch_forks(self)

    def fork_locks(self) -> list[threading.Lock]:
        """Return the lock of the cache."""
        return [self._lock]

    def reset_after_fork(self) -> object:
        """Replace the lock in a forked child; the cache stays."""
        left, self._lock = self._lock, threading.Lock()
        return left

    def parts(self) -> list[Part]:
        """Return the parts that have any columns."""
        return sorted(tuple(orjson.loads(text)) for (text,) in self._database.rows(_PARTS))

    def numbers(self, part: Part) -> NDArray[np.int64]:
        """Return the indices of the candidates in a part, ascending; empty if it has none."""
        return cast("NDArray[np.int64]", self._column(part, self._numbered_by, np.int64))

    def means(self, part: Part, name: str) -> NDArray[np.float64]:
        """Return the mean of a statistic over each candidate's runs, NaN where nothing is recorded.

        Returns:
            float64, aligned with `numbers`.
        """
        return cast("NDArray[np.float64]", self._column(part, name, np.float64))

    def columns(self) -> Generator[NamedColumn, None, None]:
        """Yield every column with the key of its part and its name, in order."""
        for part, name, *packed in self._database.rows(_EVERY_COLUMN):
            yield (part, name, *_unpacked(*packed))

    def _column(self, part: Part, name: str, kind: Any) -> NDArray[Any]:
        key = (part_key(part), name)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = list(self._database.rows(_COLUMN, {"part": key[0], "name": name}))
        column = _quotients(_unpacked(*found[0])) if found else np.empty(0)
        column = column.astype(kind, copy=False)
        column.flags.writeable = False
        self._keep(key, column)
        return column

    def _keep(self, key: tuple[str, str], column: NDArray[Any]) -> None:
        with self._lock:
            self._kept[key] = column
            while len(self._kept) > 1 and _size(self._kept.values()) > _CACHED_BYTES:
                self._kept.popitem(last=False)


def _unpacked(sums: bytes, counts: bytes) -> Column:
    try:
        planes = np.frombuffer(zlib.decompress(sums), np.uint8).reshape(_DOUBLE_BYTES, -1)
        totals = np.ascontiguousarray(planes.T).view(np.float64).ravel()
        runs = np.frombuffer(zlib.decompress(counts), np.uint8)
    except (zlib.error, ValueError, TypeError) as error:
        raise UnusableDatabaseError(f"a column of figures is damaged: {error}") from error
    if len(totals) != len(runs):
        raise UnusableDatabaseError(
            f"a column of figures is damaged: {len(totals)} sums of {len(runs)} candidates"
        )
    return totals, runs


def _quotients(column: Column) -> NDArray[np.float64]:
    sums, counts = column
    with np.errstate(invalid="ignore"):  # nothing recorded: 0 of 0 runs
        return sums / counts


def _size(columns: Any) -> int:
    return sum(column.nbytes for column in columns)


def aligned(
    wanted: NDArray[np.int64], numbers: Sequence[int] | NDArray[np.int64], values: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the values for the wanted indices, NaN where there is no value.

    Args:
        wanted: Shape (n,).
        numbers: Indices that have values, ascending, shape (m,).
        values: Shape (m,), aligned with `numbers`.
    """
    found = np.full(len(wanted), np.nan)
    if len(numbers):
        places = np.searchsorted(numbers, wanted).clip(max=len(numbers) - 1)
        known = np.asarray(numbers)[places] == wanted
        found[known] = values[places[known]]
    return found


_ROWS_AT_A_TIME: Final = 4096
_MOST_RUNS: Final = 255
"""Most runs of a candidate that a byte can count; the mean of more is stored as a single run."""


class AggregateSums:
    """Computes the sums of the statistics of each candidate while the rows are being written.

    Args:
        columns: Names of the columns of a row.
        numbered_by: Column of the candidates' indices; the rows of a candidate are contiguous.
        parts_by: Columns that identify a part.
        aggregates: Columns to sum.
        counted: Values to store instead of the means, by index and part of a candidate.
    """

    def __init__(
        self,
        columns: Sequence[str],
        *,
        numbered_by: str,
        parts_by: Sequence[str],
        aggregates: Sequence[str],
        counted: Mapping[Row, Mapping[str, float]] = MappingProxyType({}),
    ) -> None:
        self._number = columns.index(numbered_by)
        self._parts_by = [columns.index(name) for name in parts_by]
        self._key = itemgetter(self._number, *self._parts_by)
        self._aggregates = {name: columns.index(name) for name in aggregates}
        self._numbered_by = numbered_by
        self._counted = counted
        self._found: dict[Part, dict[str, list[Column]]] = {}

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows unchanged and sum them; the caller must consume all of them."""
        source = iter(rows)
        rest: list[Row] = []
        while chunk := list(islice(source, _ROWS_AT_A_TIME)):
            yield from chunk
            rest += chunk
            start = self._start_of_last(rest)
            self._add(rest[:start])
            rest = rest[start:]
        self._add(rest)

    def columns(self) -> Iterator[NamedColumn]:
        """Yield every column with the key of its part and its name, in order."""
        for key, part in sorted((part_key(part), part) for part in self._found):
            for name, pieces in sorted(self._found[part].items()):
                sums, counts = zip(*pieces, strict=True)
                yield key, name, np.concatenate(sums), np.concatenate(counts)

    def _start_of_last(self, rows: Sequence[Row]) -> int:
        """Return the start of the last candidate's rows, which may continue in the next chunk."""
        last = self._key(rows[-1])
        start = len(rows) - 1
        while start and self._key(rows[start - 1]) == last:
            start -= 1
        return start

    def _add(self, rows: Sequence[Row]) -> None:
        """Add rows that end with the last row of a candidate."""
        if not rows:
            return
        of = list(zip(*rows, strict=True))
        keys = np.array([of[place] for place in (self._number, *self._parts_by)])
        starts = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
        sizes = np.diff(starts, append=len(rows))
        candidate = np.repeat(np.arange(len(starts)), sizes)
        run = np.arange(len(rows)) - np.repeat(starts, sizes)
        numbers, *parts = keys[:, starts]
        columns = {self._numbered_by: (numbers.astype(np.float64), np.ones(len(starts), np.uint8))}
        for name, column in self._aggregates.items():
            table = np.full((int(sizes.max()), len(starts)), np.nan)
            table[run, candidate] = np.array(of[column], dtype=np.float64)
            columns[name] = _summed(table)
        self._put_counted(columns, keys[:, starts])
        of_part: dict[Part, list[int]] = {}
        named = zip(*(column.tolist() for column in parts), strict=True) if parts else repeat(())
        for place, part in zip(range(len(starts)), named, strict=False):
            of_part.setdefault(part, []).append(place)
        for part, places in of_part.items():
            pieces = self._found.setdefault(part, {name: [] for name in columns})
            for name, (sums, counts) in columns.items():
                pieces[name].append((sums[places], counts[places]))

    def _put_counted(self, columns: Mapping[str, Column], keys: NDArray[Any]) -> None:
        """Replace means by counted values, for the candidates with these indices and parts."""
        if not self._counted:
            return
        for place, key in enumerate(zip(*keys.tolist(), strict=True)):
            for name, value in self._counted.get(key, {}).items():
                sums, counts = columns[name]
                sums[place], counts[place] = value, 1


def _summed(table: NDArray[np.float64]) -> Column:
    """Return the exact sum and the number of runs of each candidate.

    Args:
        table: Shape (runs, candidates), NaN where a run is missing or recorded nothing.
    """
    recorded = ~np.isnan(table)
    counts = recorded.sum(axis=0)
    filled = np.where(recorded, table, 0.0)
    with np.errstate(all="ignore"):
        sums, exact = _added(filled)
        largest = np.where(recorded, table, -np.inf).max(axis=0)
        equal = largest == np.where(recorded, table, np.inf).min(axis=0)
        # Equal values must be returned unchanged; the rounded quotient does not guarantee that.
        single = equal & ((sums / counts != largest) | (counts > _MOST_RUNS))
    sums[single], counts[single] = largest[single], 1
    sums[counts == 0] = 0.0
    rounded = np.flatnonzero(~single & (~exact | (counts > _MOST_RUNS)))
    for place, values in zip(rounded.tolist(), table.T[rounded].tolist(), strict=True):
        sums[place] = reduce_values([value for value in values if value == value], "mean")  # noqa: PLR0124 - NaN differs from itself
    counts[rounded] = 1
    return sums, counts.astype(np.uint8)


def _added(
    filled: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the sums over columns, and whether every addition was exact (Knuth's TwoSum)."""
    total = filled[0].copy()
    exact = np.isfinite(total)
    for term in filled[1:]:
        larger = total + term
        share = larger - total
        exact &= (total - (larger - share)) + (term - share) == 0
        total = larger
    return total, exact
