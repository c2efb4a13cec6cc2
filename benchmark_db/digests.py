"""Content digest of a database, and the checksum at the end of its file.

The content digest identifies the data: it is the same whatever archive the database was made from.
The checksum is that of the bytes of one file. It stands in a seal at the file's end: eight bytes
that mark it, and the SHA-256 of everything before it. SQLite reads as many pages as its header says
and nothing beyond, so that a sealed file is a database for every SQLite. A seal counts only at the
very end of the file, so that whatever is appended, cut off or changed breaks it.
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
"""Bytes of a file that come after those its checksum is of."""

_CHUNK: Final = 2**18
"""Bytes that are read and hashed at a time, without Python's lock: 0.2 ms or so."""

_PAGE_SIZE_AT: Final = 16
_PAGE_COUNT_AT: Final = 28
_HEADER_BYTES: Final = 100
_LARGEST_PAGE: Final = 65_536


def seal(file: int) -> None:
    """Seal a finished database, which may have an older seal.

    Args:
        file: Its descriptor, open for reading and writing.

    Raises:
        OSError: It cannot be written.
    """
    header = os.pread(file, _HEADER_BYTES, 0)
    page_size = int.from_bytes(header[_PAGE_SIZE_AT : _PAGE_SIZE_AT + 2], "big")
    pages = int.from_bytes(header[_PAGE_COUNT_AT : _PAGE_COUNT_AT + 4], "big")
    # The header has room for two bytes: 1 stands for the largest page.
    length = pages * (_LARGEST_PAGE if page_size == 1 else page_size)
    os.ftruncate(file, length)
    written = os.pwrite(file, _MARK + file_checksum(file, length), length)
    if written != SEAL_BYTES:
        raise OSError(f"{written} of {SEAL_BYTES} bytes of the seal were written")


def read_seal(file: int, name: str) -> bytes:
    """Return the checksum that a file carries.

    Args:
        file: Its descriptor.
        name: What messages call it.

    Raises:
        UnusableDatabaseError: It carries none.
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
    going_on: Callable[[], bool] = lambda: True,
) -> bytes:
    """Return the SHA-256 of the beginning of a file; of what there is where it is shorter.

    Reading does not move the descriptor's position, so that several threads may use it.

    Args:
        file: Its descriptor.
        length: How many bytes of it.
        rest: Seconds of rest for each second of work, to leave the processor to others.
        going_on: Asked between chunks; once it says no, the digest of what was read is returned.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    room = bytearray(_CHUNK)
    view = memoryview(room)
    at = 0
    while at < length and going_on():
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
"""Rows digested together, column by column: part of what the digest means."""


def content_digest(runs: Iterable[Row], *, described: str = "") -> str:
    """Return ``sha256:…`` over all runs in key order.

    Two databases answer alike if and only if their digests are equal: the digest covers every
    configuration, statistic and curve, and neither the archive's layout nor the time of making.

    Args:
        runs: The runs.
        described: Digest of the description that says what they mean, where a file carries it.
    """
    digest = hashlib.sha256(described.encode())
    rows = iter(runs)
    while chunk := list(islice(rows, _ROWS_IN_CHUNK)):
        *columns, curves = zip(*chunk, strict=True)
        packed = [data or b"" for data in curves]
        digest.update(orjson.dumps([*columns, [len(data) for data in packed]]) + _END_OF_CHUNK)
        digest.update(b"".join(packed))
    return f"sha256:{digest.hexdigest()}"
