"""Content digest of a database, and the checksum at the end of its file.

The content digest identifies the data, independent of the archive the database was made from. The
checksum covers the bytes of one file. It is stored in a seal at the end of the file: eight marker
bytes, then the SHA-256 of everything before the seal. SQLite reads only as many pages as its header
declares, so that a sealed file is still a valid database. A seal counts only at the very end of the
file; appending, truncating or changing bytes therefore breaks it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

import orjson

from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.items import Row

__all__ = [
    "SEAL_BYTES",
    "content_digest",
    "file_checksum",
    "read_seal",
    "seal",
]

_MARK: Final = b"NASBseal"
_DIGEST_BYTES: Final = 32
SEAL_BYTES: Final = len(_MARK) + _DIGEST_BYTES
"""Length of the seal, which the checksum does not cover."""

_CHUNK: Final = 2**18
"""Bytes that are read and hashed at a time, without the GIL: about 0.2 ms."""

_PAGE_SIZE_AT: Final = 16
_PAGE_COUNT_AT: Final = 28
_HEADER_BYTES: Final = 100
_LARGEST_PAGE: Final = 65_536


def seal(file: int) -> None:
    """Append a seal to a finished database, or replace an older one.

    Args:
        file: Its descriptor, open for reading and writing.

    Raises:
        OSError: The file cannot be written.
    """
    header = os.pread(file, _HEADER_BYTES, 0)
    page_size = int.from_bytes(header[_PAGE_SIZE_AT : _PAGE_SIZE_AT + 2], "big")
    pages = int.from_bytes(header[_PAGE_COUNT_AT : _PAGE_COUNT_AT + 4], "big")
    # The header field has two bytes, in which 1 stands for the largest page size.
    length = pages * (_LARGEST_PAGE if page_size == 1 else page_size)
    os.ftruncate(file, length)
    written = os.pwrite(file, _MARK + file_checksum(file, length), length)
    if written != SEAL_BYTES:
        raise OSError(f"{written} of {SEAL_BYTES} bytes of the seal were written")


def read_seal(file: int, name: str) -> bytes:
    """Return the checksum stored at the end of a file.

    Args:
        file: Its descriptor.
        name: Name of the file in messages.

    Raises:
        UnusableDatabaseError: The file has no seal, or cannot be read.
    """
    try:
        found = os.pread(file, SEAL_BYTES, max(0, os.fstat(file).st_size - SEAL_BYTES))
    except OSError as error:
        raise UnusableDatabaseError(f"{name} cannot be read: {error.strerror}") from error
    if len(found) != SEAL_BYTES or not found.startswith(_MARK):
        raise UnusableDatabaseError(
            f"{name} has no checksum at its end: it is truncated or was changed; copy or generate "
            "it again"
        )
    return found[len(_MARK) :]


def file_checksum(
    file: int,
    length: int,
    *,
    rest: float = 0.0,
    should_run: Callable[[], bool] = lambda: True,
) -> bytes:
    """Return the SHA-256 of the first bytes of a file, or of all if it is shorter.

    Reading does not move the descriptor's position, so several threads may use it.

    Args:
        file: Its descriptor.
        length: Number of bytes.
        rest: Seconds to pause per second of work, to leave the processor to others.
        should_run: Called between chunks; once it returns False, the digest so far is returned.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    room = bytearray(_CHUNK)
    view = memoryview(room)
    at = 0
    while at < length and should_run():
        started = time.monotonic()
        count = os.preadv(file, [view[: min(_CHUNK, length - at)]], at)
        if not count:
            break
        digest.update(view[:count])
        at += count
        if rest:
            time.sleep(rest * (time.monotonic() - started))
    return digest.digest()


_END_OF_CHUNK: Final = b"\n"
_ROWS_IN_CHUNK: Final = 1000
"""Rows digested together, column by column; changing it would change all digests."""


def content_digest(runs: Iterable[Row], *, described: str = "") -> str:
    """Return ``sha256:…`` over all runs in key order.

    Two databases give the same answers if and only if their digests are equal: the digest covers
    every configuration, statistic and curve, but not the archive's layout or the time of building.

    Args:
        runs: The runs.
        described: Digest of the description of the runs, where a file carries one.
    """
    digest = hashlib.sha256(described.encode())
    rows = iter(runs)
    while chunk := list(islice(rows, _ROWS_IN_CHUNK)):
        *columns, curves = zip(*chunk, strict=True)
        packed = [data or b"" for data in curves]
        digest.update(orjson.dumps([*columns, [len(data) for data in packed]]) + _END_OF_CHUNK)
        digest.update(b"".join(packed))
    return f"sha256:{digest.hexdigest()}"
