"""A folder of files that are named by the SHA-256 of their content.

It holds uploaded checkpoints, and artifacts unless a bucket has them.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, Self
from uuid import uuid4

from service.jobs.errors import DamagedFileError, UnknownArtifactError

__all__ = ["NO_ROOM", "BlobStore", "IncomingFile", "check_digest"]

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""`errno` values of a full disk, an exhausted quota and a file that reached its size limit."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PIECE: Final = 2**20
_INCOMING: Final = "incoming"


def check_digest(sha256: str) -> None:
    """Refuse a text that is not a digest before it becomes part of a path or key.

    Raises:
        UnknownArtifactError: The text is not 64 hexadecimal digits.
    """
    if not _DIGEST.fullmatch(sha256):
        raise UnknownArtifactError("that is no SHA-256 in hexadecimal digits")


class BlobStore:
    """Files by their digest; a file is either completely there or not at all.

    Args:
        folder: The folder of the files; created for the first file.

    Attributes:
        is_remote: False: the folder answers at once.
        where: The folder, for messages.
    """

    is_remote: Final = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = str(folder)

    def is_there(self) -> bool:
        """Tell whether the folder exists."""
        return self._folder.is_dir()

    def holds(self, sha256: str, size: int) -> bool:
        """Tell whether the file with a digest exists and has the given number of bytes."""
        try:
            return self.path(sha256).stat().st_size == size
        except OSError:
            return False

    def path(self, sha256: str) -> Path:
        """Return the path of the file with a digest, whether it exists or not.

        Raises:
            UnknownArtifactError: The text is not a digest.
        """
        check_digest(sha256)
        return self._folder / sha256[:2] / sha256

    def open(self, sha256: str, size: int) -> BinaryIO:
        """Open a file, which stays readable even if it is removed meanwhile.

        Raises:
            DamagedFileError: The file has another size.
            OSError: The file does not exist or cannot be read.
        """
        file = self.path(sha256).open("rb")
        if os.fstat(file.fileno()).st_size != size:
            file.close()
            raise DamagedFileError("a file has not the size that it should have")
        return file

    def receive(self, sha256: str | None = None) -> IncomingFile:  # noqa: ARG002 - of buckets
        """Return a new file to write to; `keep` moves it to its place.

        Raises:
            OSError: The file cannot be created.
        """
        return IncomingFile(self.fresh(), self.path)

    def fresh(self) -> Path:
        """Return an unused path for an incomplete file.

        Raises:
            OSError: The folder cannot be created.
        """
        incoming = self._folder / _INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        return incoming / uuid4().hex

    def add(self, path: Path) -> tuple[str, int]:
        """Copy a file into the folder and return its digest and size.

        Raises:
            OSError: The file cannot be read, or the copy cannot be written (disk full).
        """
        with self.receive() as incoming, path.open("rb") as file:
            for piece in iter(lambda: file.read(_PIECE), b""):
                incoming.write(piece)
            return incoming.keep(), incoming.size

    def remove(self, sha256: str) -> None:
        """Remove a file; a missing file is no error."""
        with suppress(FileNotFoundError):
            self.path(sha256).unlink()

    def remove_older(self, sha256: str, seconds: float) -> None:
        """Remove a file that was written more than the given number of seconds ago."""
        if _age(self.path(sha256)) > seconds:
            self.remove(sha256)

    def incomplete(self) -> Iterator[Path]:
        """Yield the incomplete files: abandoned ones and those still being written."""
        yield from (self._folder / _INCOMING).glob("*")

    def remove_incomplete(self, seconds: float) -> None:
        """Remove incomplete files of killed processes, older than the given number of seconds."""
        for path in self.incomplete():
            if _age(path) > seconds:
                path.unlink(missing_ok=True)

    def owner(self) -> None:
        """Return None: a folder belongs to the database of its settings."""

    def claim(self, identity: str) -> bool:  # noqa: ARG002 - of buckets
        """Return True: a folder belongs to the database of its settings."""
        return True

    def digests(self) -> Iterator[str]:
        """Yield the digest of every file in the folder."""
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            if _DIGEST.fullmatch(path.name):
                yield path.name


class IncomingFile:
    """A file being written to a folder; as a context manager, it removes a file not kept.

    Args:
        path: Where the incomplete file is written.
        place: Returns the final path for a digest.

    Attributes:
        path: Where the incomplete file is written.
        size: Bytes written so far.
    """

    def __init__(self, path: Path, place: Callable[[str], Path]) -> None:
        self.path = path
        self._place = place
        self._digest = hashlib.sha256()
        self._file: BinaryIO = path.open("xb")
        # Held while the file is written; the operating system releases it when the process dies.
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # Closing flushes the buffer, which fails on a full disk.
            self._file.close()
        finally:
            self.path.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """Write the next bytes.

        Raises:
            OSError: The disk is full.
        """
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    @property
    def sha256(self) -> str:
        """Digest of the bytes written so far."""
        return self._digest.hexdigest()

    def keep(self) -> str:
        """Move the complete file to its place, synced to disk, and return its digest.

        Raises:
            OSError: The disk is full.
        """
        self.finish()
        return self.place()

    def finish(self) -> None:
        """Sync the written bytes to disk.

        Raises:
            OSError: The disk is full.
        """
        self._file.flush()
        os.fsync(self._file.fileno())

    def place(self) -> str:
        """Move a finished file to its place and return its digest.

        Raises:
            OSError: The file is gone, or its folder cannot be created.
        """
        sha256 = self.sha256
        place = self._place(sha256)
        place.parent.mkdir(exist_ok=True)
        self.path.replace(place)
        _sync_folders((place.parent, place.parent.parent))
        return sha256


def _sync_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _age(path: Path) -> float:
    try:
        return time.time() - float(path.stat().st_mtime)
    except FileNotFoundError:
        return 0.0
