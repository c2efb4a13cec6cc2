"""Connection pools for SQLite and PostgreSQL, and the deadline that bounds every wait for them.

A request sets one deadline with `within`; connecting, waiting for locks and waiting for an answer
all stop at it, so that callers get a 503 in time and not a hanging request.
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
"""For a request with all its operations, and for an operation that belongs to none."""

_CONNECTIONS: Final = 20
_STALE_SECONDS: Final = 300


_end: ContextVar[float | None] = ContextVar("jobs_deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let what is done in the context wait so long altogether; an earlier end that is set stays."""
    end, outer = time.monotonic() + seconds, _end.get()
    token = _end.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        _end.reset(token)


def seconds_left() -> float:
    """Return the seconds until the end that is set, never less than 0."""
    end = _end.get()
    return ANSWER_SECONDS if end is None else max(0.0, end - time.monotonic())


class _Connection(sqlite3.Connection):
    """A connection that knows which file it was made to."""

    file: tuple[int, int] | None = None


class SqlitePool(PooledSqliteDatabase):  # type: ignore[misc]  # peewee has no types
    """Connections to one file, all of them to the one that has its name now.

    A connection to a file that was deleted or replaced goes on working on what nobody else sees, so
    it is closed instead.

    Attributes:
        was_there: Whether the file held jobs before: then it is not created where it is missing.
    """

    was_there = False

    def opened_file(self) -> tuple[int, int] | None:
        """Return device and inode of the file that the connection of this thread was made to."""
        found: tuple[int, int] | None = self.connection().file
        return found

    def wait_no_longer(self) -> None:
        """Let the connection of this thread wait for locks until the deadline."""
        _limit_waiting(self.connection())

    def _connect(self) -> Any:
        if self.was_there and not Path(self.database).exists():
            raise OperationalError("the file of the jobs is gone")
        return super()._connect()

    def _add_conn_hooks(self, conn: _Connection) -> None:
        # First: what follows waits for locks, too.
        _limit_waiting(conn)
        super()._add_conn_hooks(conn)
        conn.file = _file_at(self.database)

    def _is_closed(self, conn: _Connection) -> bool:
        if conn.file == _file_at(self.database):
            return bool(super()._is_closed(conn))
        conn.close()
        return True


def sqlite_pool(url: str) -> SqlitePool:
    """Return connections to the file of `sqlite:///PATH`, which is created when it is first used.

    Raises:
        OSError: Its folder cannot be made.
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
    """Return connections to a PostgreSQL, and what its driver raises.

    Raises:
        MissingExtraError: There is no driver.
    """
    with needs("cluster", "a database of jobs in PostgreSQL"):
        import psycopg  # noqa: PLC0415
        from peewee import Psycopg3Adapter  # noqa: PLC0415
        from playhouse.postgres_ext import PooledPsycopg3Database  # noqa: PLC0415
        from psycopg.errors import _WaitTimeout  # noqa: PLC0415 - raised by its public `wait`

    class Connection(psycopg.Connection[Any]):
        """A connection that waits for its server no longer than the deadline.

        The server's own timeouts end nothing where the server itself stands still.
        """

        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            try:
                return super().wait(gen, interval, min(seconds_left(), timeout or math.inf))
            except _WaitTimeout:
                # What is still under way on it would be taken for the answer to the next question.
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
        # A host that swallows what is sent to it, and a lock that is held, end like one that is
        # down: an operation takes so long and no longer.
        tcp_user_timeout=seconds * 1000,
        # A database without an encoding of its own (SQL_ASCII) gives bytes in place of text.
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
