"""Benchmark files: SQLite databases that are written once and then only read."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import peewee

from benchmark_db.errors import TimeBudgetExceededError, UnusableDatabaseError

__all__ = ["APPLICATION_ID", "BUILD_PRAGMAS", "ReadOnlyDatabase"]

APPLICATION_ID: Final = int.from_bytes(b"NASB", "big")
"""What `PRAGMA application_id` answers for a database of this project."""

BUILD_PRAGMAS: Final = {
    # A build that does not end is thrown away whole, so nothing needs a journal.
    "journal_mode": "off",
    "synchronous": "off",
    "locking_mode": "exclusive",
    "application_id": APPLICATION_ID,
}

_READ_PRAGMAS: Final = {"query_only": True, "trusted_schema": False}
_CACHE_KIB: Final = 1024
_STATEMENTS: Final = 256
"""Statements that a connection keeps prepared."""
_OUT_OF_TIME: Final = "the question ran out of time"
_STEPS_BETWEEN_CLOCK_READINGS: Final = 20_000
"""Virtual machine steps of SQLite, about a millisecond, between looks at the time budget."""


class ReadOnlyDatabase:
    """A finished database file, opened immutable, with one connection a thread.

    Args:
        path: The file. It must not change while it is open; a new version is moved into its place.
        schema_version: The `PRAGMA user_version` it must have.
        cache_kib: Memory, in KiB, that each connection keeps of the file: worth more than the
            operating system's own cache where an answer is gathered from all over it.

    Raises:
        UnusableDatabaseError: The file is missing, no SQLite database, no database of this
            project or one of another schema version. The message names the file, not its folder.
    """

    def __init__(self, path: Path, schema_version: int, *, cache_kib: int = _CACHE_KIB) -> None:
        self.path = path
        # immutable=1 spares every file lock and every look for a journal.
        address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        self.peewee = peewee.SqliteDatabase(
            address,
            uri=True,
            pragmas={**_READ_PRAGMAS, "cache_size": -cache_kib},
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )
        self._thread = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._opened_lock = threading.Lock()
        self._check(schema_version)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Yield the rows of a statement with named parameters, as tuples.

        Raises:
            TimeBudgetExceededError: The thread's time budget is spent.
            UnusableDatabaseError: The file is damaged.
        """
        try:
            found = self._connection().execute(sql, parameters or {})
            deadline = getattr(self._thread, "deadline", None)
            yield from found if deadline is None else _until(deadline, found)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise TimeBudgetExceededError(_OUT_OF_TIME) from error
            raise UnusableDatabaseError(f"{self.path.name}: {error}") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # UnicodeDecodeError: SQLite's own message quotes damaged text.
            raise UnusableDatabaseError(f"{self.path.name} is damaged: {error}") from error

    def check(self) -> None:
        """Read a page of the file.

        Raises:
            UnusableDatabaseError: It cannot be read any more.
        """
        for _ in self.rows("SELECT key FROM provenance LIMIT 1"):
            pass

    def compile(self, query: peewee.Query) -> str:
        """Return the SQL of a peewee query whose values are named parameters."""
        sql, values = query.bind(self.peewee).sql()
        if values:
            raise ValueError(f"values {values!r} in a query that should name its parameters")
        return str(sql)

    @contextmanager
    def time_budget(self, seconds: float) -> Iterator[None]:
        """Stop what this thread asks once so many seconds are over.

        Statements that run stop within a millisecond, and no further row is given out.
        """
        connection = self._connection()
        deadline = time.monotonic() + seconds
        connection.set_progress_handler(
            lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CLOCK_READINGS
        )
        self._thread.deadline = deadline
        try:
            yield
        finally:
            self._thread.deadline = None
            connection.set_progress_handler(None, 0)

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._opened_lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()
        self._thread = threading.local()
        self.peewee.close()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._thread, "connection", None)
        if connection is None:
            connection = cast("sqlite3.Connection", self.peewee.connection())  # type: ignore[no-untyped-call]
            self._thread.connection = connection
            with self._opened_lock:
                self._opened.append(connection)
        return connection

    def _check(self, schema_version: int) -> None:
        name = self.path.name
        if not self.path.is_file():
            what = "is not a file" if self.path.exists() else "does not exist"
            raise UnusableDatabaseError(f"{name} {what}")
        try:
            connection = self._connection()
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        except (sqlite3.DatabaseError, peewee.DatabaseError, UnicodeDecodeError) as error:
            self.close()
            raise UnusableDatabaseError(f"{name} is not an SQLite database: {error}") from error
        if application != APPLICATION_ID:
            self.close()
            raise UnusableDatabaseError(f"{name} is an SQLite database, but not made by `nbs`")
        if self.path.stat().st_size < pages * page_size:  # SQLite misses whole pages only
            self.close()
            raise UnusableDatabaseError(f"{name} is truncated: copy or generate it again")
        if version != schema_version:
            self.close()
            raise UnusableDatabaseError(
                f"{name} has schema {version}, this version reads {schema_version}; "
                "generate it again from the raw archive"
            )


def _until(deadline: float, found: Iterable[Any]) -> Iterator[Any]:
    """Yield rows until a moment on the monotonic clock: their reader takes time, too."""
    for row in found:
        if time.monotonic() > deadline:
            raise TimeBudgetExceededError(_OUT_OF_TIME)
        yield row
