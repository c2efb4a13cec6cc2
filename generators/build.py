"""Writes the database of every generator: beside the target, checked, then moved into place.

A reader of the target sees the old database or the complete new one, never a part: anything that
happens before the final rename, even a full disk or a kill, leaves the target untouched.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self, cast

import orjson
import peewee

from benchmark_db.aggregates import (
    AGGREGATE_TABLES,
    Aggregate,
    AggregateColumn,
    AggregateSums,
    pack_column,
)
from benchmark_db.database import BUILD_PRAGMAS
from benchmark_db.digests import seal
from benchmark_db.installed_dataset import InstalledDataset
from benchmark_db.provenance import Provenance, ProvenanceRow
from benchmark_db.tabular.benchmark import DeclaredTables
from generators.source import Source

__all__ = ["BuildError", "DatabaseBuild"]

_SUFFIX: Final = ".building"
_JOURNAL: Final = "-journal"
_CACHE_KIB: Final = 16_384


class BuildError(Exception):
    """The database cannot be written or fails its check; the target is unchanged."""


class DatabaseBuild:
    """A database under construction, as a context manager.

    Insert rows, then call `complete`; leaving the context without it removes all traces.

    Args:
        target: Path of the database. Its folder is made if missing.
        benchmark: The data set: a class, or the tables of a description.
        tables: The database tables.
        views: The views, SQL by name.

    Raises:
        BuildError: The folder cannot be written.
    """

    def __init__(
        self,
        target: Path,
        benchmark: type[InstalledDataset] | DeclaredTables,
        tables: Sequence[type[peewee.Model]],
        views: Mapping[str, str],
    ) -> None:
        self._target = target
        self._benchmark = benchmark
        self._statements: dict[type[peewee.Model], str] = {}
        with _explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(target)
            self._handle, self._path = _reserved(target)
        self._database = self._opened()
        try:
            self._create(tables, views)
        except BaseException:
            self._discard()
            raise

    def insert(self, table: type[peewee.Model], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows; each has a value for every field of the table, in order of definition.

        Raises:
            BuildError: The disk is full, or a row violates a constraint of the table.
        """
        with _explained(self._target):
            self._connection().executemany(self._insertion(table), rows)

    def rows(self, statement: str) -> list[Any]:
        """Return the rows of a statement on the inserted data.

        Raises:
            BuildError: The disk is full.
        """
        with _explained(self._target):
            return self._connection().execute(statement).fetchall()

    def complete(
        self, source: Source, contents: Mapping[str, Any], *, synthetic: bool
    ) -> Provenance:
        """Check the database, record its provenance and move it into place.

        Args:
            source: The raw archive.
            contents: Counts and missing data to record.
            synthetic: Whether its figures are made up.

        Raises:
            BuildError: The check fails, or the disk is full.
        """
        provenance = Provenance(
            benchmark=self._benchmark.spec.name,
            source_name=source.name,
            source_size=source.size,
            source_sha256=source.sha256,
            synthetic=synthetic,
            generator_version=version("nas-bench-service"),
            schema_version=self._benchmark.schema_version,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            content_digest="",
            contents=contents,
        )
        with _explained(self._target):
            connection = self._connection()
            connection.execute("COMMIT")
            connection.execute("BEGIN")
            self.insert(ProvenanceRow, [tuple(row.values()) for row in provenance.rows()])
            connection.execute("ANALYZE")
            connection.execute("COMMIT")
            connection = self._pack()
            digest, sums = self._checked_content()
            connection.execute("BEGIN")
            self._insert_aggregates(sums)
            connection.execute(
                "UPDATE provenance SET value = ? WHERE key = 'content_digest'",
                (orjson.dumps(digest).decode(),),
            )
            connection.execute("COMMIT")
            self._database.close()
            seal(self._handle)
            self._move_into_place()
        return Provenance(**{**provenance.__dict__, "content_digest": digest})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._discard()

    def _create(self, tables: Sequence[type[peewee.Model]], views: Mapping[str, str]) -> None:
        with _explained(self._target):
            connection = self._connection()
            connection.execute("BEGIN")
            for table in (*tables, *AGGREGATE_TABLES):
                # Never bound to the database: builds in several threads share the classes.
                peewee.SchemaManager(table, self._database).create_all(safe=False)
            for name, query in views.items():
                connection.execute(f'CREATE VIEW "{name}" AS {query}')

    def _pack(self) -> sqlite3.Connection:
        """Copy the database without gaps, continue with the copy, and return a connection to it.

        Rows inserted in key order leave an eighth of a table's pages empty.
        """
        handle, path = _reserved(self._target)
        try:
            self._connection().execute("VACUUM INTO ?", (str(path),))
        except BaseException:
            os.close(handle)
            path.unlink(missing_ok=True)
            raise
        self._discard()
        self._handle, self._path = handle, path
        self._database = self._opened()
        return self._connection()

    def _opened(self) -> peewee.SqliteDatabase:
        pragmas = {
            # First of all, while the file has no page yet.
            "page_size": self._benchmark.page_size,
            **BUILD_PRAGMAS,
            "cache_size": -_CACHE_KIB,
            "user_version": self._benchmark.schema_version,
        }
        return peewee.SqliteDatabase(str(self._path), pragmas=pragmas)

    def _checked_content(self) -> tuple[str, AggregateSums]:
        """Read the finished file as the service will; return its content digest and aggregates."""
        connection = self._connection()
        seal(self._handle)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise BuildError(f"the database fails SQLite's integrity check: {verdict}")
        benchmark = self._benchmark(self._path)
        try:
            sums = benchmark.new_sums()
            return benchmark.digest_of(sums.watch(benchmark.all_rows())), sums
        finally:
            benchmark.close()

    def _insert_aggregates(self, sums: AggregateSums) -> None:
        """Insert the aggregate columns; equal ones, such as those of parameters, once."""
        numbers: dict[tuple[bytes, bytes], int] = {}
        for part, name, totals, runs in sums.columns():
            packed = pack_column(totals, runs)
            if packed not in numbers:
                numbers[packed] = len(numbers)
                self.insert(AggregateColumn, [(numbers[packed], *packed)])
            self.insert(Aggregate, [(part, name, numbers[packed])])

    def _move_into_place(self) -> None:
        os.fchmod(self._handle, 0o644)
        os.fsync(self._handle)
        self._path.replace(self._target)
        folder = os.open(self._target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _insertion(self, table: type[peewee.Model]) -> str:
        if table not in self._statements:
            fields = table._meta.sorted_fields  # noqa: SLF001 - peewee's documented introspection
            blank = dict.fromkeys(fields)
            statement, _ = table.insert(blank).bind(self._database).sql()
            self._statements[table] = statement
        return self._statements[table]

    def _connection(self) -> sqlite3.Connection:
        return cast("sqlite3.Connection", self._database.connection())  # type: ignore[no-untyped-call]

    def _discard(self) -> None:
        self._database.close()
        with suppress(FileNotFoundError):
            self._path.unlink()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Convert errors of the operating system and of SQLite into readable ones."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise BuildError(f"the archive holds a run twice or an invalid one: {error}") from error
    except (sqlite3.Error, peewee.DatabaseError, OSError) as error:
        raise BuildError(
            f"cannot write {target}: {error} (is the disk full, or the folder read-only?)"
        ) from error


def _reserved(target: Path) -> tuple[int, Path]:
    """Create the file to build in, locked so that other builds do not take it for abandoned."""
    while True:
        handle, name = tempfile.mkstemp(_SUFFIX, f".{target.name}.", target.parent)
        path = Path(name)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            os.close(handle)
            path.unlink(missing_ok=True)
            raise
        # Another build may have removed it as abandoned before it was locked.
        if os.fstat(handle).st_nlink:
            return handle, path
        os.close(handle)


def _remove_abandoned(target: Path) -> None:
    """Remove the files of killed builds of the same target, which nobody has locked."""
    for path in target.parent.glob(f".{target.name}.*{_SUFFIX}"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # VACUUM INTO always writes a journal. It is removed before its database, because
            # later builds look for databases only.
            path.with_name(f"{path.name}{_JOURNAL}").unlink(missing_ok=True)
            path.unlink()
