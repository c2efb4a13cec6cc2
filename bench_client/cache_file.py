"""The file of a cache: opened by several processes at once, made anew where it is damaged."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from bench_client.caller_warnings import warn_at_script

__all__ = ["BUSY", "SPOILT", "connections", "result_code", "transaction", "warn"]

SPOILT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_PRIMARY: Final = 0xFF
"""Of an extended result code, the part that is the result code."""

_PATIENCE: Final = 1.0
"""Seconds to wait while another process writes."""

_LARGEST_LOG: Final = 4 * 2**20
"""Bytes to which the write-ahead log is cut back."""

_APPLICATION: Final = 0x4E425343
"""Marks the file as ours (SQLite's `application_id`); another number when the tables change."""

# The bodies apart, lest every new time of use copy one.
_TABLES: Final = (
    """
    CREATE TABLE answers (
        key BLOB PRIMARY KEY,
        etag TEXT NOT NULL,
        lifetime REAL NOT NULL,
        checked REAL NOT NULL,
        used REAL NOT NULL,
        digest BLOB NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX answers_used ON answers (used)",
    "CREATE TABLE bodies (key BLOB PRIMARY KEY, body BLOB NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
)


def connections(
    path: Path, *, doubtful: bool = False
) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Return one connection for reading and one for writing; a damaged file is set aside.

    Args:
        path: The file, made when missing, with its folder.
        doubtful: Whether to look through all of it: this process found damage, in this file or in
            one that another process has replaced since.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is a database, but not of answers.
    """
    try:
        with _alone(path):
            try:
                _prepare(path, doubtful=doubtful)
            except sqlite3.DatabaseError as error:
                if result_code(error) not in SPOILT:
                    raise
                _set_aside(path, error)
                _prepare(path)
            return _connect(path), _connect(path)
    except (OSError, sqlite3.Error) as error:
        raise OSError(
            f"the cache {path} cannot be opened: {error}; name a file that can be written"
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Make changes together or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have rolled back itself
            connection.execute("ROLLBACK")
        raise


def result_code(error: sqlite3.Error) -> int:
    """Return SQLite's result code; 0 for an error that is not SQLite's."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY


def warn(message: str) -> None:
    """Say what is wrong with a cache; answers are not concerned."""
    warn_at_script(message, RuntimeWarning)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from opening or replacing the file meanwhile."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Path(f"{path}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare(path: Path, *, doubtful: bool = False) -> None:
    """Make the file where there is none, and look at one that is there.

    Raises:
        ValueError: It is not ours.
        sqlite3.DatabaseError: It is damaged.
    """
    # Only a new file is opened here: closing one that SQLite has open would give up its locks.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    with closing(_connect(path)) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != _APPLICATION and (application or tables):
            raise ValueError(f"{path} is not a cache of answers: name another file")
        if not tables:
            connection.execute("PRAGMA journal_mode = WAL")
            with transaction(connection):
                for statement in _TABLES:
                    connection.execute(statement)
        elif doubtful:
            _look_through(connection)


def _look_through(connection: sqlite3.Connection) -> None:
    """Raise for any damage what SQLite raises on coming across it."""
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")
    return connection


def _set_aside(path: Path, error: sqlite3.DatabaseError) -> None:
    aside = Path(f"{path}.damaged")
    for name in ("-wal", "-shm"):
        Path(f"{path}{name}").unlink(missing_ok=True)
    path.replace(aside)
    warn(f"the cache {path} is damaged ({error}): it is now {aside.name}, and a new one is begun")
