"""Connection pool for one SQLite file: one connection a thread, safe across forks.

All connections are to the file that was opened first, even when another one is moved into its
place.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.forks import enter, leave, watch_forks

__all__ = ["ConnectionPool"]

# Without mmap, because a mapped file that becomes shorter ends the process.
_PRAGMAS: Final = ("query_only = 1", "trusted_schema = 0", "mmap_size = 0")
_STATEMENTS: Final = 256
"""Statements that a connection keeps prepared."""
_PATIENCE: Final = 10.0
"""Seconds that a thread waits for a connection when no more can be made."""


class Lease:
    """A connection that one thread uses until its last read has ended."""

    __slots__ = ("connection", "readers", "thread")

    def __init__(self, connection: sqlite3.Connection, thread: int) -> None:
        self.connection = connection
        self.thread = thread
        self.readers = 1


class ConnectionPool:
    """Connections to the file that is at a path now, each used by one thread at a time.

    SQLite can open a file by its path alone. So connections are made before another file is moved
    to that path; later ones are made only while the path still leads to the same file, and
    otherwise threads wait for a free one. After a fork the child starts with no connection and
    makes its own.

    Args:
        path: The file.
        file: A descriptor of it, so that its inode number is not reused for another file.
        cache_kib: Memory, in KiB, that each connection keeps of the file.
    """

    def __init__(self, path: Path, file: int, cache_kib: int) -> None:
        self._path = path
        self._cache_kib = cache_kib
        found = os.fstat(file)
        self._identity = found.st_dev, found.st_ino
        self._thread = threading.local()
        self._changed = threading.Condition()
        self._free: list[sqlite3.Connection] = []
        self._opened: list[sqlite3.Connection] = []
        self._closed = False
        watch_forks(self)

    def reserve(self, connections: int) -> None:
        """Open connections until there are this many, so that as many threads can always read.

        Raises:
            UnusableDatabaseError: The path leads to no such file any more.
        """
        with self._changed:
            while len(self._opened) < connections:
                self._free.append(self._connect())

    def take(self) -> Lease:
        """Return the connection of this thread, or else a free one.

        Raises:
            UnusableDatabaseError: There is none, and none can be made.
        """
        thread = enter()
        try:
            with self._changed:
                lease: Lease | None = getattr(self._thread, "lease", None)
                if lease is not None and lease.readers:
                    lease.readers += 1
                    return lease
                # The one that was used last has the most of the file in its memory.
                connection = self._free.pop() if self._free else self._one_more()
                self._thread.lease = lease = Lease(connection, thread)
                return lease
        except BaseException:
            leave(thread)
            raise

    def give(self, lease: Lease) -> None:
        """Take back what `take` has given."""
        # Whoever throws rows away before their end may be another thread, or a forked process.
        with self._changed:
            lease.readers -= 1
            if not lease.readers and lease.connection in self._opened:
                self._free.append(lease.connection)
                self._changed.notify()
        leave(lease.thread)

    def close(self) -> None:
        """Close all connections; no more are made."""
        with self._changed:
            self._closed = True
            for connection in self._opened:
                connection.close()
            self._opened.clear()
            self._free.clear()
        self._thread = threading.local()

    def fork_locks(self) -> list[threading.Lock]:
        """Return none: a fork waits for threads within SQLite, and who uses the pool is one."""
        return []

    def begin_anew(self) -> object:
        """Drop the parent's connections in a child, unclosed: both share file positions."""
        left = self._opened, self._thread, self._changed
        self._thread = threading.local()
        self._changed = threading.Condition()
        self._free, self._opened = [], []
        return left

    def _one_more(self) -> sqlite3.Connection:
        """Return another connection; wait for one where none can be made."""
        try:
            return self._connect()
        except UnusableDatabaseError:
            if not self._opened or not self._changed.wait_for(lambda: bool(self._free), _PATIENCE):
                raise
            return self._free.pop()

    def _connect(self) -> sqlite3.Connection:
        name = self._path.name
        if self._closed:
            raise UnusableDatabaseError(f"{name} has been closed")
        # immutable=1 spares every file lock and every look for a journal.
        address = f"file:{quote(str(self._path))}?mode=ro&immutable=1"
        try:
            connection = sqlite3.connect(
                address,
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_STATEMENTS,
            )
            try:
                self._check_same_file()
                for pragma in (*_PRAGMAS, f"cache_size = -{self._cache_kib}"):
                    connection.execute(f"PRAGMA {pragma}").close()
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            self._check_same_file()
            unread = isinstance(error, sqlite3.OperationalError)
            what = "cannot be opened" if unread else "is not an SQLite database"
            raise UnusableDatabaseError(f"{name} {what}: {error}") from error
        self._opened.append(connection)
        return connection

    def _check_same_file(self) -> None:
        """Check that the path still leads to the file that was opened.

        That file is kept open, so that no other one can get its inode number.
        """
        with suppress(OSError):
            there = self._path.stat()
            if (there.st_dev, there.st_ino) == self._identity:
                return
        raise UnusableDatabaseError(
            f"{self._path.name} has been replaced or removed since it was opened: open it anew"
        )
