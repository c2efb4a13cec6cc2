"""The database of the jobs: SQLite in a folder, or PostgreSQL by its address."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import IntEnum
from itertools import count
from typing import Any, Final, TypeVar
from uuid import uuid4

import peewee
from peewee import SQL
from playhouse.pool import MaxConnectionsExceeded

from service.jobs.connections import (
    ANSWER_SECONDS,
    postgresql_pool,
    seconds_left,
    sqlite_pool,
    within,
)
from service.jobs.errors import (
    DiskFullError,
    JobError,
    RowExistsError,
    StoreUnavailableError,
    UnusableStoreError,
)
from service.jobs.statements import Statement, placeholder
from service.jobs.tables import SCHEMA_TABLE, TABLE_NAMES, TABLES, SchemaRow

__all__ = ["AdvisoryLock", "JobDatabase", "in_batches"]

_SCHEMA: Final = 10
_VALUES_AT_ONCE: Final = 400
_ROWS_AT_ONCE: Final = 200
"""Rows of an insertion: each value is a parameter, of which SQLite allows 32,766."""
_RETRIES: Final = 2
"""Retries of an operation after a broken connection. They are safe: every operation on jobs is
idempotent."""
_PAUSES: Final = (0.1, 0.3)
"""Seconds before the first retry and before all further ones."""
_UNREADABLE: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""Exceptions raised when damaged rows are read."""

_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PRIMARY_CODE: Final = 0xFF
"""Mask of the primary result code in SQLite's extended result codes."""
_POSTGRES_DISK_FULL: Final = "53100"
"""`disk_full` in appendix A of PostgreSQL's manual."""
_SQL_NOW: Final = "extract(epoch from clock_timestamp())"
_SQLITE_TABLES: Final = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
)
_POSTGRES_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"

R = TypeVar("R")
V = TypeVar("V")


class AdvisoryLock(IntEnum):
    """Operations that one process does at a time, by the key of their PostgreSQL advisory lock."""

    CREATE = 0x6E6173
    SUBMIT = 0x6E6174
    REMOVE = 0x6E6175
    REGISTER = 0x6E6176


class JobDatabase:
    """A database of jobs, with one connection per thread while it is used.

    The first operation connects and creates the tables of an empty database. A database that was
    damaged, locked or unreachable is used again as soon as it works.

    Args:
        url: `sqlite:///PATH`, or `postgresql://USER:PASSWORD@HOST:PORT/NAME`.

    Raises:
        OSError: The folder of a SQLite file cannot be created.
    """

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite:")
        broken = (peewee.PeeweeException, MaxConnectionsExceeded)
        if self.is_sqlite:
            self.peewee: Any = sqlite_pool(url)
            # Raised by sqlite3 directly when rows are fetched one by one.
            self._broken: tuple[type[Exception], ...] = (*broken, sqlite3.Error)
        else:
            self.peewee, error = postgresql_pool(url)
            self._broken = (*broken, error)
        self._checked: object = None
        self._had_jobs = False

    def now(self) -> Any:
        """Return the current time for use in a query, in seconds since 1970.

        PostgreSQL uses its own clock, because the clocks of several machines differ.
        """
        return time.time() if self.is_sqlite else SQL(_SQL_NOW)

    def now_placeholder(self) -> Any:
        """Return the current time for use in a statement, which gets it as `now`."""
        return placeholder("now") if self.is_sqlite else self.now()

    def identity(self) -> str:
        """Return the unique identity of this database.

        Raises:
            StoreUnavailableError: As for `read`.
        """
        query = SchemaRow.select(SchemaRow.identity)
        return str(self.read(lambda: self.rows(query))[0]["identity"])

    def read(self, operation: Callable[[], R]) -> R:
        """Run an operation that only reads, and return its result.

        Raises:
            StoreUnavailableError: The database does not answer within the deadline, or a row is
                damaged.
        """
        return self._with_retries(operation)

    def write(self, operation: Callable[[], R]) -> R:
        """Run an operation in a transaction, and return its result.

        Raises:
            DiskFullError: The disk of the database is full.
            RowExistsError: An inserted row exists already.
            StoreUnavailableError: As for `read`.
        """

        def whole() -> R:
            with self._transaction():
                return operation()

        return self._with_retries(whole)

    def lock(self, lock: AdvisoryLock) -> None:
        """Take a lock until the end of the transaction; within `write`.

        SQLite needs none, because it has one writer at a time.
        """
        if not self.is_sqlite:
            self.peewee.execute_sql("SELECT pg_advisory_xact_lock(%s)", (int(lock),))

    def for_update(self, query: Any) -> Any:
        """Return a query that locks the selected rows for the transaction; within `write`."""
        return query if self.is_sqlite else query.for_update()

    def rows(self, query: Any) -> list[dict[str, Any]]:
        """Return the rows that a query selects; within `read` or `write`."""
        return list(query.dicts().execute(self.peewee))

    def count(self, query: Any) -> int:
        """Return how many rows a query selects; within `read` or `write`."""
        return int(query.count(self.peewee))

    def statement(self, query: Any, columns: Sequence[peewee.Field]) -> Statement:
        """Return a query whose rows have these columns as a reusable statement."""
        sql, values = query.bind(self.peewee).sql()
        return Statement(sql, values, columns)

    def found(self, statement: Statement, **given: Any) -> list[dict[str, Any]]:
        """Return the rows of a statement, given its parameters; within `read` or `write`.

        `now` is added here.
        """
        values = statement.parameters({"now": self.now(), **given})
        cursor = self.peewee.execute_sql(statement.sql, values)
        return [statement.row(row) for row in cursor.fetchall()]

    def change(self, query: Any) -> int:
        """Execute an update or deletion and return the number of affected rows; within `write`."""
        return int(query.execute(self.peewee))

    def insert(self, query: Any) -> None:
        """Execute an insertion; within `write`."""
        query.execute(self.peewee)

    def insert_all(self, table: type[peewee.Model], rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows with the same columns, many per statement; within `write`.

        Compiling a statement takes most of the time of an insertion.
        """
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            query = table.insert_many(rows[start : start + _ROWS_AT_ONCE])
            self.insert(query)

    def close(self) -> None:
        """Close all connections."""
        self.peewee.close_all()

    def _transaction(self) -> AbstractContextManager[Any]:
        # A deferred transaction that reads first could fail to write beside another writer.
        mode = ("IMMEDIATE",) if self.is_sqlite else ()
        transaction: AbstractContextManager[Any] = self.peewee.atomic(*mode)
        return transaction

    def _with_retries(self, operation: Callable[[], R]) -> R:
        with within(ANSWER_SECONDS):
            for retries in count():
                try:
                    return self._attempt(operation)
                except peewee.IntegrityError as error:
                    raise RowExistsError("a row of the jobs is there already") from error
                except self._broken as error:
                    last = error
                    self._checked = None
                    # The idle connections may be dead, too, if the database was restarted.
                    self.peewee.close_idle()
                    if not seconds_left() or (retries >= _RETRIES and not _is_locked(error)):
                        break
                except JobError:
                    raise
                except _UNREADABLE as error:
                    raise StoreUnavailableError(
                        f"the database of the jobs is damaged: {type(error).__name__} in a row"
                    ) from error
                time.sleep(min(_PAUSES[min(retries, len(_PAUSES) - 1)], seconds_left()))
        if _is_disk_full(last):
            raise DiskFullError("the disk of the database of the jobs is full") from last
        raise StoreUnavailableError(
            f"the database of the jobs does not answer: {type(last).__name__}: {last}"
        ) from last

    def _attempt(self, operation: Callable[[], R]) -> R:
        with self.peewee.connection_context():
            if self.is_sqlite:
                self.peewee.limit_waiting()
            self._check()
            return operation()

    def _check(self) -> None:
        """Check that this is a database of jobs, once per file or server; create its tables.

        Raises:
            StoreUnavailableError: The database is empty and held jobs before.
            UnusableStoreError: The database has another schema.
        """
        now = self.peewee.opened_file() if self.is_sqlite else True
        if now is not None and now == self._checked:
            return
        # Read before the tables are listed: another thread may create them in between.
        had_jobs = self._had_jobs
        tables = self._tables()
        if SCHEMA_TABLE not in tables:
            self._refuse_to_create(tables, had_jobs=had_jobs)
            with self._transaction():
                self._create()
            tables = self._tables()
        # Selects this column only: in other versions the table may have other columns.
        versions = [row["version"] for row in self.rows(SchemaRow.select(SchemaRow.version))]
        if versions != [_SCHEMA]:
            raise UnusableStoreError(
                f"the jobs are kept in version {', '.join(map(str, versions))}, and this program "
                f"knows {_SCHEMA}: let the waiting ones end with the other program, then begin "
                "with an empty database"
            )
        if missing := sorted(TABLE_NAMES - tables):
            raise UnusableStoreError(f"the database of the jobs lacks {', '.join(missing)}")
        self._had_jobs, self._checked = True, now
        if self.is_sqlite:
            self.peewee.was_there = True

    def _refuse_to_create(self, tables: frozenset[str], *, had_jobs: bool) -> None:
        """Raise if tables must not be created in a database without our schema table."""
        if tables if self.is_sqlite else tables & TABLE_NAMES:
            raise UnusableStoreError("the database of the jobs holds tables of another program")
        if had_jobs:
            raise StoreUnavailableError(
                "the database of the jobs is empty and held jobs before: restore it, or "
                "restart to use the empty one"
            )

    def _create(self) -> None:
        # In PostgreSQL, concurrent creations of a table fail even with IF NOT EXISTS.
        self.lock(AdvisoryLock.CREATE)
        # Not by binding the models: a binding is global, so with two databases opened at once, one
        # of them would stay bound.
        for table in TABLES:
            peewee.SchemaManager(table, self.peewee).create_all(safe=True)
        row = SchemaRow.insert(id=1, version=_SCHEMA, identity=uuid4().hex)
        self.insert(row.on_conflict_ignore())

    def _tables(self) -> frozenset[str]:
        query = _SQLITE_TABLES if self.is_sqlite else _POSTGRES_TABLES
        return frozenset(name for (name,) in self.peewee.execute_sql(query).fetchall())


def in_batches(values: Sequence[V]) -> Iterator[Sequence[V]]:
    """Yield slices of values that are short enough for a condition of a query."""
    for start in range(0, len(values), _VALUES_AT_ONCE):
        yield values[start : start + _VALUES_AT_ONCE]


def _is_disk_full(error: BaseException) -> bool:
    """Tell whether an operation failed because the disk of the database is full."""
    return any(
        getattr(one, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        or getattr(one, "sqlstate", None) == _POSTGRES_DISK_FULL
        for one in _chain(error)
    )


def _is_locked(error: BaseException) -> bool:
    """Tell whether another process has locked the SQLite file."""
    codes = (getattr(one, "sqlite_errorcode", None) for one in _chain(error))
    return any(code is not None and code & _PRIMARY_CODE in _LOCKED for code in codes)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its contexts.

    The error with the reason may not be the last: SQLite ends the transaction itself, and peewee
    then fails to roll it back.
    """
    while error is not None:
        yield error
        error = error.__context__
