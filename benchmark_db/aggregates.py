"""The means that questions about all architectures rest on, as columns.

Which architecture is best is a question about every run. Its answer would take a scan of the whole
table, so a database keeps, beside the runs, the mean of every figure over the runs of every
candidate: one compressed column for each part of the benchmark. A part is what makes figures
comparable (a budget and a data set; for NDS a design space); a candidate is what competes in it.

A column holds the exact sum of a candidate's runs and their number, not the quotient: a sum of
short decimals has few digits and packs to half the size. The quotient is the mean that
`reduction=mean` gives, to the last digit.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Generator, Sequence
from typing import Any, Final, TypeAlias, cast

import numpy as np
import orjson
import peewee
from numpy.typing import NDArray

from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.forks import watch_forks

__all__ = [
    "AGGREGATE_TABLES",
    "Aggregate",
    "AggregateColumn",
    "Aggregates",
    "Column",
    "NamedColumn",
    "Part",
    "aligned",
    "pack_column",
    "part_key",
]

Part: TypeAlias = tuple[Any, ...]
"""Values of the columns that tell the parts of a benchmark apart."""

Column: TypeAlias = tuple[NDArray[np.float64], NDArray[np.uint8]]
"""Sums over the runs of each candidate, and of how many runs: 0 where nothing is recorded."""

NamedColumn: TypeAlias = tuple[str, str, NDArray[np.float64], NDArray[np.uint8]]
"""A column behind its part, as the database names it, and its name."""

_LEVEL: Final = 6
_DOUBLE_BYTES: Final = 8
_CACHED_BYTES: Final = 8 * 2**20
"""Columns kept unpacked: two or three of NAS-Bench-101, all that is asked for of the others."""

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
    """A column, which several figures may share."""

    id = peewee.IntegerField(primary_key=True)
    sums = peewee.BlobField()
    counts = peewee.BlobField()

    class Meta:
        table_name = "figure_data"


class Aggregate(peewee.Model):
    """Where the column of a figure is; that of the candidates' numbers has their column's name."""

    part = peewee.TextField()
    name = peewee.TextField()
    data = peewee.IntegerField()

    class Meta:
        table_name = "figure"
        primary_key = peewee.CompositeKey("part", "name")
        without_rowid = True


AGGREGATE_TABLES: Final[tuple[type[peewee.Model], ...]] = (AggregateColumn, Aggregate)


def part_key(part: Part) -> str:
    """Return how a part is written in the database."""
    return orjson.dumps(part).decode()


def pack_column(sums: NDArray[np.float64], counts: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """Return a column as the database holds it.

    The first bytes of all doubles lie together, then the second ones: what is alike is neighbours.
    """
    planes = np.ascontiguousarray(sums).view(np.uint8).reshape(-1, sums.itemsize).T
    return zlib.compress(planes.tobytes(), _LEVEL), zlib.compress(counts.tobytes(), _LEVEL)


class Aggregates:
    """The columns of an open database, unpacked when asked for.

    Args:
        database: The database.
        numbered_by: Name of the column that numbers its candidates.
    """

    def __init__(self, database: ReadOnlyDatabase, numbered_by: str) -> None:
        self._database = database
        self._numbered_by = numbered_by
        self._kept: OrderedDict[tuple[str, str], NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        watch_forks(self)

    def fork_locks(self) -> list[threading.Lock]:
        """Return the lock."""
        return [self._lock]

    def begin_anew(self) -> object:
        """Replace the lock; what is kept stays."""
        left, self._lock = self._lock, threading.Lock()
        return left

    def parts(self) -> list[Part]:
        """Return the parts that have any figures."""
        return sorted(tuple(orjson.loads(text)) for (text,) in self._database.rows(_PARTS))

    def numbers(self, part: Part) -> NDArray[np.int64]:
        """Return the numbers of the candidates in a part, ascending; none if it has none."""
        return cast("NDArray[np.int64]", self._column(part, self._numbered_by, np.int64))

    def means(self, part: Part, name: str) -> NDArray[np.float64]:
        """Return a figure of the candidates in a part: means over runs, NaN for not recorded.

        Returns:
            float64, aligned with `numbers`.
        """
        return cast("NDArray[np.float64]", self._column(part, name, np.float64))

    def columns(self) -> Generator[NamedColumn, None, None]:
        """Yield every column with its part, as the database names it, and name, in order."""
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
    """Return the values of the wanted numbers, NaN for those that have none.

    Args:
        wanted: Shape (n,).
        numbers: Ascending, shape (m,).
        values: Shape (m,), aligned with `numbers`.
    """
    found = np.full(len(wanted), np.nan)
    if len(numbers):
        places = np.searchsorted(numbers, wanted).clip(max=len(numbers) - 1)
        known = np.asarray(numbers)[places] == wanted
        found[known] = values[places[known]]
    return found
