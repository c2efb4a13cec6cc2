"""The database of the jobs: SQLite in a folder, or PostgreSQL by its address."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import peewee
from peewee import SQL
from playhouse.pool import MaxConnectionsExceeded, PooledSqliteDatabase

from service.jobs.errors import DiskFullError, StoreUnavailableError, UnusableStoreError
from service.jobs.tables import TABLES, SchemaRow

__all__ = ["JobDatabase", "Turn"]

_SCHEMA: Final = 1
_CONNECTIONS: Final = 20
_STALE_SECONDS: Final = 300
_BUSY_SECONDS: Final = 10
_PAUSES: Final = (0.0, 0.1, 0.3)
"""Before each further try. What fails over a broken connection is asked again: every operation on
jobs may be, because it says what should be so and not what to change."""

_BROKEN: Final = (peewee.OperationalError, peewee.InterfaceError, MaxConnectionsExceeded)
_POSTGRES_DISK_FULL: Final = "53100"
"""Appendix A of PostgreSQL's manual."""
_SQL_NOW: Final = "extract(epoch from clock_timestamp())"

R = TypeVar("R")


class Turn(IntEnum):
    """What is done by one at a time; each is a number that no other program locks."""

    CREATE = 0x6E6173
    SUBMIT = 0x6E6174
    REMOVE = 0x6E6175


class JobDatabase:
    """Connections to the database, one a thread while it is used.

    Args:
        url: `sqlite:///PATH`, or `postgresql://USER:PASSWORD@HOST:PORT/NAME`.
    """

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite:")
        self.peewee = _sqlite(url) if self.is_sqlite else _postgresql(url)

    def now(self) -> Any:
        """Return this moment, as seconds since 1970, for use in a query.

        The clocks of machines differ: where there may be several, the database's counts.
        """
        return time.time() if self.is_sqlite else SQL(_SQL_NOW)

    def read(self, operation: Callable[[], R]) -> R:
        """Return what an operation returns that only reads.

        Raises:
            StoreUnavailableError: The database does not answer.
        """
        return self._persist(operation)

    def write(self, operation: Callable[[], R]) -> R:
        """Return what an operation returns, done wholly or not at all.

        Raises:
            DiskFullError: There is no room for it.
            StoreUnavailableError: The database does not answer.
        """

        def whole() -> R:
            # A transaction that begins by reading could not begin to write beside another's.
            mode = ("IMMEDIATE",) if self.is_sqlite else ()
            with self.peewee.atomic(*mode):
                return operation()

        return self._persist(whole)

    def open(self) -> None:
        """Create what is missing of the tables.

        Raises:
            StoreUnavailableError: The database does not answer.
            UnusableStoreError: Its tables are those of another version of this program.
        """
        found = self.write(self._create)
        if found != _SCHEMA:
            raise UnusableStoreError(
                f"the jobs are kept in version {found}, and this program knows {_SCHEMA}: let the "
                "waiting ones end with the other program, then begin with an empty database"
            )

    def wait_for(self, turn: Turn) -> None:
        """Wait until nobody else does the same, and keep the others waiting; within `write`.

        In SQLite, whoever writes is alone.
        """
        if not self.is_sqlite:
            self.peewee.execute_sql("SELECT pg_advisory_xact_lock(%s)", (int(turn),))

    def held(self, query: Any) -> Any:
        """Return a selection whose rows nobody else changes to the end of it; within `write`."""
        return query if self.is_sqlite else query.for_update()

    def rows(self, query: Any) -> list[dict[str, Any]]:
        """Return the rows that a query selects; within `read` or `write`."""
        return list(query.dicts().execute(self.peewee))

    def change(self, query: Any) -> int:
        """Carry out an update or a deletion and return how many rows it met; within `write`."""
        return int(query.execute(self.peewee))

    def insert(self, query: Any) -> None:
        """Carry out an insertion; within `write`."""
        query.execute(self.peewee)

    def close(self) -> None:
        """Close all connections."""
        self.peewee.close_all()

    def _persist(self, operation: Callable[[], R]) -> R:
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                with self.peewee.connection_context():
                    return operation()
            except _BROKEN as error:
                last = error
                # The others may be as dead: a database that was restarted ended them all.
                self.peewee.close_idle()
        if _is_for_want_of_room(last):
            raise DiskFullError("the disk of the database of the jobs is full") from last
        raise StoreUnavailableError(
            f"the database of the jobs does not answer: {type(last).__name__}"
        ) from last

    def _create(self) -> int:
        # Two that create a table at once fail in PostgreSQL, IF NOT EXISTS or not.
        self.wait_for(Turn.CREATE)
        with self.peewee.bind_ctx(TABLES):
            self.peewee.create_tables(TABLES, safe=True)
            self.insert(SchemaRow.insert(id=1, version=_SCHEMA).on_conflict_ignore())
            (row,) = self.rows(SchemaRow.select())
            return int(row["version"])


def _is_for_want_of_room(error: BaseException | None) -> bool:
    """Tell whether a database failed because its disk is full.

    What says so may have been followed by others: SQLite ends the transaction itself, and peewee
    then finds none to roll back.
    """
    while error is not None:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return True
        if getattr(error, "sqlstate", None) == _POSTGRES_DISK_FULL:
            return True
        error = error.__context__
    return False


def _sqlite(url: str) -> Any:
    path = Path(unquote(urlsplit(url).path))
    path.parent.mkdir(parents=True, exist_ok=True)
    return PooledSqliteDatabase(
        str(path),
        max_connections=_CONNECTIONS,
        stale_timeout=_STALE_SECONDS,
        timeout=_BUSY_SECONDS,
        # A pool hands connections from thread to thread, to one at a time.
        check_same_thread=False,
        pragmas={
            "journal_mode": "wal",
            "busy_timeout": _BUSY_SECONDS * 1000,
            # An accepted job survives a power failure.
            "synchronous": "full",
            "foreign_keys": 1,
        },
    )


def _postgresql(url: str) -> Any:
    # The extra may be missing where SQLite is enough.
    from playhouse.postgres_ext import PooledPsycopg3Database  # noqa: PLC0415

    return PooledPsycopg3Database(
        url.replace("postgres://", "postgresql://", 1),
        max_connections=_CONNECTIONS,
        stale_timeout=_STALE_SECONDS,
        timeout=_BUSY_SECONDS,
        # A host that swallows what is sent to it, and a lock that is held, end like one that is
        # down: an operation takes so long and no longer.
        connect_timeout=_BUSY_SECONDS,
        tcp_user_timeout=_BUSY_SECONDS * 1000,
        options=f"-c statement_timeout={_BUSY_SECONDS}s -c lock_timeout={_BUSY_SECONDS}s",
    )
