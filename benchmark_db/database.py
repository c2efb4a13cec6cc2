"""Read-only access to a benchmark's SQLite file, which never changes after it was written.

The connection pool holds one connection per thread and is safe across forks. All connections belong
to the file that was opened first, even if another file is moved to its path.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import peewee

from benchmark_db.digests import SEAL_BYTES, file_checksum, read_seal
from benchmark_db.errors import TimeBudgetExceededError, UnusableDatabaseError
from benchmark_db.forks import FORKS, watch_forks

__all__ = ["APPLICATION_ID", "BUILD_PRAGMAS", "ReadOnlyDatabase", "file_identity"]

APPLICATION_ID: Final = int.from_bytes(b"NASB", "big")
"""`PRAGMA application_id` of the databases of this project."""

BUILD_PRAGMAS: Final = {
    # An unfinished build is discarded whole, so no journal is needed.
    "journal_mode": "off",
    "synchronous": "off",
    "locking_mode": "exclusive",
    "application_id": APPLICATION_ID,
}

_CACHE_KIB: Final = 1024
_CONNECTIONS: Final = 4
"""Connections made when a file is opened, before another file could replace it."""
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_OUT_OF_TIME: Final = "the question exceeded its time budget"
_STEPS_BETWEEN_CLOCK_READINGS: Final = 20_000
"""SQLite virtual machine steps, about a millisecond, between checks of the time budget."""
# No mmap: truncation of a mapped file would kill the process.
_PRAGMAS: Final = ("query_only = 1", "trusted_schema = 0", "mmap_size = 0")
_STATEMENTS: Final = 256
"""Prepared statements cached per connection."""
_TIMEOUT: Final = 10.0
"""Seconds that a thread waits for a connection when no more can be made."""


class ReadOnlyDatabase:
    """A finished database file, opened immutable, with a pool of connections to it.

    All connections belong to the file that was opened: once another file is moved to its path, no
    more connections are made, and threads share the existing ones. A thread keeps one connection
    while it reads. After a fork the child makes its own connections.

    Args:
        path: The file. It must not change while it is open; a new version is moved into its place.
        schema_version: The `PRAGMA user_version` it must have.
        cache_kib: Memory, in KiB, that each connection keeps of the file: worth more than the
            operating system's own cache where an answer is gathered from many places in the file.

    Attributes:
        size: Bytes of the file.
        checksum: SHA-256 of its bytes, as stored in the file.
        identity: Distinguishes the file from every other, and from itself before a change.
        failure: Reason why it must not be queried any more; None while it may be.
        verified_at: When its bytes were last verified, in seconds since 1970; None if not yet.
        verifying: Whether a verification is running.

    Raises:
        UnusableDatabaseError: The file is missing, not an SQLite database, not a database of this
            project, or of another schema version. The message names the file without its folder.
    """

    def __init__(self, path: Path, schema_version: int, *, cache_kib: int = _CACHE_KIB) -> None:
        self.path = path.absolute()
        self.failure: str | None = None
        self.verified_at: float | None = None
        self.verifying = False
        self._dialect = peewee.SqliteDatabase(None)
        self._thread = threading.local()
        self._file = self._open_file()
        self._pool = ConnectionPool(self.path, self._file, cache_kib)
        try:
            found = os.fstat(self._file)
            self.size, self._changed_at = found.st_size, found.st_mtime_ns
            self.identity = file_identity(found)
            self._check(schema_version)
            self.checksum = read_seal(self._file, path.name).hex()
            self.reserve(_CONNECTIONS)
        except UnusableDatabaseError:
            self.close()
            raise

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Yield the rows of a statement with named parameters, as tuples.

        Raises:
            TimeBudgetExceededError: The thread's time budget is exceeded.
            UnusableDatabaseError: The file is damaged, was changed in place, or has failed a check.
        """
        lease = self._pool.take()
        try:
            found = lease.connection.execute(sql, parameters or {})
            deadline = getattr(self._thread, "deadline", None)
            yield from found if deadline is None else _until(deadline, found)
            self.check_unchanged()
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise TimeBudgetExceededError(_OUT_OF_TIME) from error
            raise UnusableDatabaseError(f"{self.path.name}: {error}") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # UnicodeDecodeError: SQLite's own message quotes damaged text.
            if getattr(error, "sqlite_errorcode", None) in _DAMAGE:
                raise self._failed(f"is damaged: {error}") from error
            raise UnusableDatabaseError(f"{self.path.name} is damaged: {error}") from error
        finally:
            self._pool.give(lease)

    def check(self) -> None:
        """Check that the file can be read, by reading one page.

        Raises:
            UnusableDatabaseError: The file is not readable any more, or has failed a check.
        """
        for _ in self.rows("SELECT key FROM provenance LIMIT 1"):
            pass

    def check_unchanged(self) -> None:
        """Check that the file was not written to since it was opened; takes a microsecond.

        If it was, data read before may be a mixture of two files. Call this after reading and
        before sending an answer.

        Raises:
            UnusableDatabaseError: The file was written to, or has failed an earlier check.
        """
        if self.failure is None:
            try:
                found = os.fstat(self._file)
            except OSError as error:
                raise UnusableDatabaseError(f"{self.path.name} has been closed") from error
            if found.st_size != self.size or found.st_mtime_ns != self._changed_at:
                raise self._failed("was changed in its place while it was open")
        if self.failure is not None:
            raise UnusableDatabaseError(self.failure)

    def verify(self, *, rest: float = 0.0, should_run: Callable[[], bool] = lambda: True) -> None:
        """Read the whole open file and compare it with the checksum it had when it was opened.

        Other threads may query meanwhile: hashing releases the GIL.

        Args:
            rest: Seconds to pause per second of work.
            should_run: Called about every millisecond; the check ends once it returns False.

        Raises:
            UnusableDatabaseError: The file differs; `failure` holds the reason from now on.
        """
        self.check_unchanged()
        self.verifying = True
        try:
            checksum = file_checksum(
                self._file, self.size - SEAL_BYTES, rest=rest, should_run=should_run
            )
            sealed = read_seal(self._file, self.path.name)
            right = sealed == checksum and sealed.hex() == self.checksum
        except (OSError, UnusableDatabaseError) as error:
            raise self._failed(f"cannot be read completely: {error}") from error
        finally:
            self.verifying = False
        if not should_run():
            return
        self.check_unchanged()
        if not right:
            raise self._failed(
                "is damaged: its checksum is not that of its bytes; copy or generate it again"
            )
        self.verified_at = time.time()

    def compile(self, query: peewee.Query) -> str:
        """Return the SQL of a peewee query whose values are all named parameters."""
        sql, values = query.bind(self._dialect).sql()
        if values:
            raise ValueError(f"values {values!r} in a query that should name its parameters")
        return str(sql)

    @contextmanager
    def time_budget(self, seconds: float) -> Iterator[None]:
        """Limit the total time of this thread's queries within the block.

        A running statement stops within a millisecond after the budget is exceeded.
        """
        lease = self._pool.take()
        deadline = time.monotonic() + seconds
        lease.connection.set_progress_handler(
            lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CLOCK_READINGS
        )
        self._thread.deadline = deadline
        try:
            yield
        finally:
            self._thread.deadline = None
            lease.connection.set_progress_handler(None, 0)
            self._pool.give(lease)

    def reserve(self, connections: int) -> None:
        """Open connections until there are this many, so that as many threads can query at once.

        Raises:
            UnusableDatabaseError: Another file has replaced this one.
        """
        self._pool.reserve(connections)

    def close(self) -> None:
        """Close the file and all connections to it."""
        self._pool.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _failed(self, what: str) -> UnusableDatabaseError:
        """Mark the file as unusable from now on, and return the error that says why."""
        self.failure = self.failure or f"{self.path.name} {what}"
        return UnusableDatabaseError(self.failure)

    def _open_file(self) -> int:
        name = self.path.name
        if not self.path.is_file():
            what = "is not a file" if self.path.exists() else "does not exist"
            raise UnusableDatabaseError(f"{name} {what}")
        try:
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UnusableDatabaseError(f"{name} cannot be read: {error.strerror}") from error

    def _check(self, schema_version: int) -> None:
        name = self.path.name
        lease = self._pool.take()
        connection = lease.connection
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise UnusableDatabaseError(f"{name} is not an SQLite database: {error}") from error
        finally:
            self._pool.give(lease)
        if application != APPLICATION_ID:
            raise UnusableDatabaseError(f"{name} is an SQLite database, but not made by `nbs`")
        if self.size < pages * page_size:  # SQLite misses whole pages only
            raise UnusableDatabaseError(f"{name} is truncated: copy or generate it again")
        if version != schema_version:
            raise UnusableDatabaseError(
                f"{name} has schema {version}, this version reads {schema_version}; "
                "generate it again from the raw archive"
            )


def file_identity(found: os.stat_result) -> tuple[int, ...]:
    """Return values that distinguish a file from every other, and from itself before a write."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _until(deadline: float, found: Iterable[Any]) -> Iterator[Any]:
    """Yield rows until a deadline on the monotonic clock; processing of the rows counts, too."""
    for row in found:
        if time.monotonic() > deadline:
            raise TimeBudgetExceededError(_OUT_OF_TIME)
        yield row


@dataclass(slots=True)
class Lease:
    """A connection used by one thread until its last read has ended."""

    connection: sqlite3.Connection
    thread: int
    readers: int = 1


class ConnectionPool:
    """Connections to the file now at a path, each used by one thread at a time.

    SQLite can open a file only by its path. Connections are therefore made before another file is
    moved to that path; later ones are made only while the path still leads to the same file;
    otherwise threads wait for a free one. After a fork the child starts without connections and
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
        """Open connections until there are this many, so that as many threads can read at once.

        Raises:
            UnusableDatabaseError: The path does not lead to the file any more.
        """
        with self._changed:
            while len(self._opened) < connections:
                self._free.append(self._connect())

    def take(self) -> Lease:
        """Return this thread's connection, or else a free one.

        Raises:
            UnusableDatabaseError: There is no free connection, and none can be made.
        """
        thread = threading.get_ident()
        depth = FORKS.within.get(thread, 0)
        FORKS.within[thread] = depth + 1
        if FORKS.under_way and not depth:
            FORKS.wait_for_fork(thread)
        try:
            with self._changed:
                lease: Lease | None = getattr(self._thread, "lease", None)
                if lease is not None and lease.readers:
                    lease.readers += 1
                    return lease
                # The most recently used connection has the most of the file in its cache.
                connection = self._free.pop() if self._free else self._one_more()
                self._thread.lease = lease = Lease(connection, thread)
                return lease
        except BaseException:
            _leave(thread)
            raise

    def give(self, lease: Lease) -> None:
        """Take back a connection returned by `take`."""
        # An iterator may be dropped unfinished by another thread or in a forked process.
        with self._changed:
            lease.readers -= 1
            if not lease.readers and lease.connection in self._opened:
                self._free.append(lease.connection)
                self._changed.notify()
        _leave(lease.thread)

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
        """Return no lock: a fork waits for threads within SQLite, and the pool's users are such."""
        return []

    def reset_after_fork(self) -> object:
        """Drop the parent's connections in a child, unclosed: both share file positions."""
        left = self._opened, self._thread, self._changed
        self._thread = threading.local()
        self._changed = threading.Condition()
        self._free, self._opened = [], []
        return left

    def _one_more(self) -> sqlite3.Connection:
        """Make another connection, or wait for a free one if none can be made."""
        try:
            return self._connect()
        except UnusableDatabaseError:
            if not self._opened or not self._changed.wait_for(lambda: bool(self._free), _TIMEOUT):
                raise
            return self._free.pop()

    def _connect(self) -> sqlite3.Connection:
        name = self._path.name
        if self._closed:
            raise UnusableDatabaseError(f"{name} has been closed")
        # immutable=1 saves file locks and looking for a journal.
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
        """Check that the path still leads to the opened file.

        The file is kept open, so that no other file can get its inode number.
        """
        with suppress(OSError):
            there = self._path.stat()
            if (there.st_dev, there.st_ino) == self._identity:
                return
        raise UnusableDatabaseError(
            f"{self._path.name} has been replaced or removed since it was opened: open it again"
        )


def _leave(thread: int) -> None:
    """Record that a thread has left SQLite once."""
    depth = FORKS.within.get(thread, 0) - 1
    if depth > 0:
        FORKS.within[thread] = depth
    else:
        FORKS.within.pop(thread, None)
