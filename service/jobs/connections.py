"""Connection pools for SQLite and PostgreSQL, and the deadline that bounds every wait for them.

A request sets one deadline with `within`. Connecting, waiting for locks and waiting for an answer
all stop at it, so that a client gets 503 in time instead of a hanging request.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from peewee import OperationalError
from playhouse.pool import PooledSqliteDatabase

from missing_extra import needs
from service.jobs.settings import sqlite_path

__all__ = [
    "ANSWER_SECONDS",
    "SqlitePool",
    "postgresql_pool",
    "seconds_left",
    "sqlite_pool",
    "within",
]

ANSWER_SECONDS: Final = 10.0
"""Time limit of a request with all its operations, and of an operation outside a request."""

_CONNECTIONS: Final = 20
_STALE_SECONDS: Final = 300


_end: ContextVar[float | None] = ContextVar("jobs_deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit all waits in the context to a total time; an earlier deadline stays in force."""
    end, outer = time.monotonic() + seconds, _end.get()
    token = _end.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        _end.reset(token)


def seconds_left() -> float:
    """Return the seconds until the deadline, at least 0."""
    end = _end.get()
    return ANSWER_SECONDS if end is None else max(0.0, end - time.monotonic())


class _Connection(sqlite3.Connection):
    """A connection that remembers device and inode of its file."""

    file: tuple[int, int] | None = None


class SqlitePool(PooledSqliteDatabase):  # type: ignore[misc]  # peewee has no types
    """Connections to one path, all of them to the file that is there now.

    A connection to a file that was deleted or replaced would write where no other process reads, so
    it is closed instead.

    Attributes:
        was_there: Whether the file held jobs before; a missing file is then not created.
    """

    was_there = False

    def opened_file(self) -> tuple[int, int] | None:
        """Return device and inode of the file that this thread's connection opened."""
        found: tuple[int, int] | None = self.connection().file
        return found

    def limit_waiting(self) -> None:
        """Limit how long this thread's connection waits for locks to the deadline."""
        _limit_waiting(self.connection())

    def _connect(self) -> Any:
        if self.was_there and not Path(self.database).exists():
            raise OperationalError("the file of the jobs is gone")
        return super()._connect()

    def _add_conn_hooks(self, conn: _Connection) -> None:
        # First: the statements that follow wait for locks, too.
        _limit_waiting(conn)
        super()._add_conn_hooks(conn)
        conn.file = _file_at(self.database)

    def _is_closed(self, conn: _Connection) -> bool:
        if conn.file == _file_at(self.database):
            return bool(super()._is_closed(conn))
        conn.close()
        return True


def sqlite_pool(url: str) -> SqlitePool:
    """Return a pool of connections to the file of `sqlite:///PATH`, created at its first use.

    Raises:
        OSError: The folder of the file cannot be created.
    """
    path = sqlite_path(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    return SqlitePool(
        str(path),
        max_connections=_CONNECTIONS,
        stale_timeout=_STALE_SECONDS,
        timeout=int(ANSWER_SECONDS),
        factory=_Connection,
        # A pool hands connections from thread to thread, to one at a time.
        check_same_thread=False,
        pragmas={
            "journal_mode": "wal",
            # An accepted job survives a power failure.
            "synchronous": "full",
            "foreign_keys": 1,
            # Damaged pages are noticed when they are read.
            "cell_size_check": 1,
        },
    )


def postgresql_pool(url: str) -> tuple[Any, type[Exception]]:
    """Return a pool of connections to PostgreSQL, and the base class of its driver's errors.

    Raises:
        MissingExtraError: The driver is not installed.
    """
    with needs("cluster", "a database of jobs in PostgreSQL"):
        import psycopg  # noqa: PLC0415
        from peewee import Psycopg3Adapter  # noqa: PLC0415
        from playhouse.postgres_ext import PooledPsycopg3Database  # noqa: PLC0415
        from psycopg.errors import _WaitTimeout  # noqa: PLC0415 - raised by its public `wait`

    class Connection(psycopg.Connection[Any]):
        """A connection that waits for its server no longer than the deadline.

        The server's own timeouts have no effect while the server itself hangs.
        """

        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            try:
                return super().wait(gen, interval, min(seconds_left(), timeout or math.inf))
            except _WaitTimeout:
                # A late answer would be taken for the answer to the next query.
                self.pgconn.finish()
                raise psycopg.OperationalError("no answer within the deadline") from None

    class Adapter(Psycopg3Adapter):
        def connect(self, db: Any, **params: Any) -> Any:
            left = seconds_left()
            if not left:
                raise psycopg.OperationalError("no connection within the deadline")
            conninfo = db.database.replace("postgres://", "postgresql://", 1)
            return Connection.connect(conninfo, connect_timeout=math.ceil(left), **params)

    class Pool(PooledPsycopg3Database):  # type: ignore[misc]  # Any: it has no types
        psycopg3_adapter = Adapter

    seconds = int(ANSWER_SECONDS)
    pool = Pool(
        url,
        max_connections=_CONNECTIONS,
        stale_timeout=_STALE_SECONDS,
        timeout=seconds,
        # An unresponsive host and a held lock end an operation like a server that is down.
        tcp_user_timeout=seconds * 1000,
        # A database without an encoding (SQL_ASCII) returns bytes instead of text.
        client_encoding="utf8",
        options=f"-c statement_timeout={seconds}s -c lock_timeout={seconds}s",
    )
    return pool, psycopg.Error


def _limit_waiting(conn: sqlite3.Connection) -> None:
    conn.execute(f"PRAGMA busy_timeout = {math.ceil(seconds_left() * 1000)}")


def _file_at(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
