"""Answers kept in a file, for the next process to use: one SQLite database, bounded in size.

The file names no server and no key: an answer lies under a digest of the question, keyed with what
a slow function makes of address and API key. Neither can be read from it, and callers with
different keys share nothing. The processes of one machine may share a file.

It holds nothing that cannot be asked for again, so whatever goes wrong with it costs time only: a
record that is not what was written counts as missing, and a damaged file is set aside.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench_client.cache_file import BUSY, SPOILT, connections, result_code, transaction, warn
from bench_client.freshness import Copy
from benchmark_db.forks import watch_forks

__all__ = ["AnswerCache", "default_file", "owner_of"]

_MOST_BYTES: Final = 256 * 2**20

_LARGEST_SHARE: Final = 8
"""An answer that would take more than the eighth part of the file is not kept."""

_DIGEST_BYTES: Final = 16

_FIND: Final = (
    "SELECT body, etag, lifetime, checked, digest FROM answers JOIN bodies USING (key) "
    "WHERE key = ?"
)
_USE: Final = "UPDATE answers SET used = ? WHERE key = ?"
_CONFIRM: Final = "UPDATE answers SET lifetime = ?, checked = ?, used = ? WHERE key = ?"
_BYTES_IN_USE: Final = (
    "SELECT (page_count - freelist_count) * page_size "
    "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)


def default_file() -> Path:
    """Return where answers are kept unless said otherwise: one file a machine.

    The machines of a cluster share home folders, but cannot share a write-ahead log of SQLite's.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return folder / "nas-bench-service" / f"answers-{socket.gethostname()}.db"


def owner_of(address: str, api_key: str | None) -> bytes:
    """Return 32 bytes that stand for a server and who asks it, from which neither follows."""
    secret = f"{address}\n{api_key or ''}".encode(errors="surrogatepass")
    return hashlib.scrypt(secret, salt=b"nas-bench-service", n=2**14, r=8, p=1, dklen=32)


class AnswerCache:
    """The answers that one server gave one caller; shared by threads, opened by each process.

    Args:
        path: The file, made when missing, with its folder; other processes may have it open.
        owner: Server and caller, as `owner_of` has them.
        most_bytes: Size of the file; the answers longest unused make room. The write-ahead log
            beside it takes a few megabytes more.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It is a database, but not of answers.
    """

    def __init__(self, path: Path, owner: bytes, *, most_bytes: int = _MOST_BYTES) -> None:
        self._path = path
        self._owner = owner
        self._most_bytes = most_bytes
        self._reader, self._writer = connections(path)
        self._open = True
        self._inherited = False
        self._warned = False
        self._begin()
        watch_forks(self)

    def fork_locks(self) -> list[threading.Lock]:
        """Return the locks, the outer one first: who holds none is not within SQLite."""
        return [self._writing, self._reading]

    def begin_anew(self) -> object:
        """Leave the connections to the process that made them."""
        left = self._reader, self._writer, self._reading, self._writing
        self._inherited = True
        self._begin()
        return left

    def _begin(self) -> None:
        # Two of each: who reads need not wait while another waits for its turn to write.
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._used: dict[bytes, float] = {}

    def find(self, target: str) -> Copy | None:
        """Return the answer kept for a path and query, if any."""
        self._open_here()
        key = self._key(target)
        try:
            with self._reading:
                row = self._reader.execute(_FIND, (key,)).fetchone() if self._open else None
                if row is None:
                    return None
                self._used[key] = time.time()
        except sqlite3.Error as error:
            self._failed(error)
            return None
        body, etag, lifetime, checked, digest = row
        return Copy(body, etag, lifetime, checked) if digest == _digest(key, etag, body) else None

    def keep(self, target: str, copy: Copy) -> None:
        """Keep the answer to a path and query."""
        if len(copy.body) * _LARGEST_SHARE > self._most_bytes:
            return
        key = self._key(target)
        digest = _digest(key, copy.etag, copy.body)
        record = (key, copy.etag, copy.lifetime, copy.checked, time.time(), digest)

        def written(writer: sqlite3.Connection) -> None:
            writer.execute("REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", record)
            writer.execute("REPLACE INTO bodies VALUES (?, ?)", (key, copy.body))
            _make_room(writer, self._most_bytes)

        self._change(written)

    def confirm(self, target: str, copy: Copy) -> None:
        """Renew the time of an answer that is kept."""
        record = (copy.lifetime, copy.checked, time.time(), self._key(target))
        self._change(lambda writer: writer.execute(_CONFIRM, record))

    def close(self) -> None:
        """Close the file; nothing is found or kept from now on."""
        self._change(lambda _: None)  # what was used is written with any change
        with self._writing, self._reading:
            if self._open:
                self._reader.close()
                self._writer.close()
            self._open = False

    def _change(self, change: Callable[[sqlite3.Connection], object]) -> None:
        """Make a change and write down what was used, in one transaction."""
        self._open_here()
        try:
            with self._writing:
                if self._open:
                    with transaction(self._writer):
                        self._writer.executemany(_USE, self._newly_used())
                        change(self._writer)
        except sqlite3.Error as error:
            self._failed(error)

    def _newly_used(self) -> list[tuple[float, bytes]]:
        with self._reading:
            used, self._used = self._used, {}
        return [(moment, key) for key, moment in used.items()]

    def _failed(self, error: sqlite3.Error) -> None:
        """Go on without what could not be read or written, and say so where it may last."""
        code = result_code(error)
        if code in SPOILT:
            self._set_right()
        elif code not in BUSY and not self._warned:
            self._warned = True
            warn(f"the cache {self._path} cannot be used ({error}): answers come from the server")

    def _set_right(self) -> None:
        with self._writing, self._reading:
            if self._open:
                self._reader.close()
                self._writer.close()
                self._connect(doubtful=True)

    def _open_here(self) -> None:
        """Open the file in a child of the process that had it open."""
        if not self._inherited:
            return
        with self._writing, self._reading:
            # Another thread may have done so meanwhile.
            if self._take_over() and self._open:
                self._connect()

    def _take_over(self) -> bool:
        inherited, self._inherited = self._inherited, False
        return inherited

    def _connect(self, *, doubtful: bool = False) -> None:
        try:
            self._reader, self._writer = connections(self._path, doubtful=doubtful)
        except (OSError, ValueError) as error:
            self._open = False
            warn(f"{error}: answers come from the server")

    def _key(self, target: str) -> bytes:
        question = target.encode(errors="surrogatepass")
        return hashlib.blake2b(question, digest_size=_DIGEST_BYTES, key=self._owner).digest()


def _digest(key: bytes, etag: object, body: object) -> bytes:
    """Return what tells whether a record is what was written under a key, whatever was read."""
    digest = hashlib.blake2b(key + repr(etag).encode(), digest_size=_DIGEST_BYTES)
    digest.update(body if isinstance(body, bytes) else b"")
    return digest.digest()


def _make_room(writer: sqlite3.Connection, most_bytes: int) -> None:
    while writer.execute(_BYTES_IN_USE).fetchone()[0] > most_bytes:
        longest_unused = writer.execute("SELECT key FROM answers ORDER BY used LIMIT 1").fetchone()
        if longest_unused is None:
            return
        writer.execute("DELETE FROM answers WHERE key = ?", longest_unused)
        writer.execute("DELETE FROM bodies WHERE key = ?", longest_unused)
