"""A folder of files that are named by the SHA-256 of their content.

Artifacts lie in one, unless they are in a bucket, and uploaded checkpoints in another.
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

__all__ = ["NO_ROOM", "BlobStore", "IncomingFile", "refuse_no_digest"]

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the errors that say that a disk, a quota or a file may take no more."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PIECE: Final = 2**20
_INCOMING: Final = "incoming"


def refuse_no_digest(sha256: str) -> None:
    """Refuse what is to become a part of a path or a key and is no digest.

    Raises:
        UnknownArtifactError: It is none.
    """
    if not _DIGEST.fullmatch(sha256):
        raise UnknownArtifactError("that is no SHA-256 in hexadecimal digits")


class BlobStore:
    """Files by their digest; each is there wholly or not at all, and once.

    Args:
        folder: Where they lie; made when the first one comes.

    Attributes:
        is_remote: False: what is asked of it is answered at once.
        where: The folder, for people.
    """

    is_remote: Final = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = str(folder)

    def is_there(self) -> bool:
        """Tell whether the folder is there at all."""
        return self._folder.is_dir()

    def holds(self, sha256: str, size: int) -> bool:
        """Tell whether the file with a digest is there and has so many bytes."""
        try:
            return self.path(sha256).stat().st_size == size
        except OSError:
            return False

    def path(self, sha256: str) -> Path:
        """Return where the file with a digest lies or would lie.

        Raises:
            UnknownArtifactError: That is no digest.
        """
        refuse_no_digest(sha256)
        return self._folder / sha256[:2] / sha256

    def open(self, sha256: str, size: int) -> BinaryIO:
        """Open a file, which stays readable even if it is removed meanwhile.

        Raises:
            DamagedFileError: It has not so many bytes.
            OSError: It is not there, or cannot be read.
        """
        file = self.path(sha256).open("rb")
        if os.fstat(file.fileno()).st_size != size:
            file.close()
            raise DamagedFileError("a file has not the size that it should have")
        return file

    def receive(self, sha256: str | None = None) -> IncomingFile:  # noqa: ARG002 - of buckets
        """Return a file to write to, which gets its place when it is complete.

        Raises:
            OSError: It cannot be made.
        """
        return IncomingFile(self.fresh(), self.path)

    def fresh(self) -> Path:
        """Return where a file may be written that is to come into the folder.

        Raises:
            OSError: The folder cannot be made.
        """
        incoming = self._folder / _INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        return incoming / uuid4().hex

    def add(self, path: Path) -> tuple[str, int]:
        """Copy a file into the folder and return its digest and size.

        Raises:
            OSError: It cannot be read or written: a disk is full.
        """
        with self.receive() as incoming, path.open("rb") as file:
            for piece in iter(lambda: file.read(_PIECE), b""):
                incoming.write(piece)
            return incoming.keep(), incoming.size

    def remove(self, sha256: str) -> None:
        """Remove a file; one that is not there is gone already."""
        with suppress(FileNotFoundError):
            self.path(sha256).unlink()

    def remove_older(self, sha256: str, seconds: float) -> None:
        """Remove a file that was put in its place longer ago than so many seconds."""
        if _age(self.path(sha256)) > seconds:
            self.remove(sha256)

    def begun(self) -> Iterator[Path]:
        """Yield the files that were begun and never completed, or still are being written."""
        yield from (self._folder / _INCOMING).glob("*")

    def remove_begun(self, seconds: float) -> None:
        """Remove what was begun, by a process that was killed, longer ago than so many seconds."""
        for path in self.begun():
            if _age(path) > seconds:
                path.unlink(missing_ok=True)

    def owner(self) -> None:
        """Return None: a folder of jobs is that of its settings."""

    def claim(self, identity: str) -> bool:  # noqa: ARG002 - of buckets
        """Return true: a folder of jobs is that of its settings."""
        return True

    def digests(self) -> Iterator[str]:
        """Yield the digest of every file that is there."""
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            if _DIGEST.fullmatch(path.name):
                yield path.name


class IncomingFile:
    """A file on its way into a folder; used as a context manager, which removes what was not kept.

    Args:
        path: Where it is written.
        place: Returns where the file with a digest belongs.

    Attributes:
        path: Where it is written.
        size: Bytes so far.
    """

    def __init__(self, path: Path, place: Callable[[str], Path]) -> None:
        self.path = path
        self._place = place
        self._digest = hashlib.sha256()
        self._file: BinaryIO = path.open("xb")
        # Held while the file is written; the system takes it when the process dies.
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # Writes what it still holds, for which there may be no room.
            self._file.close()
        finally:
            self.path.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """Write the next piece.

        Raises:
            OSError: The disk is full.
        """
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    @property
    def sha256(self) -> str:
        """Digest of what was written so far."""
        return self._digest.hexdigest()

    def keep(self) -> str:
        """Put the file in its place, on the disk and not in a cache, and return its digest.

        Raises:
            OSError: The disk is full.
        """
        self.finish()
        return self.place()

    def finish(self) -> None:
        """Have what was written on the disk and not in a cache.

        Raises:
            OSError: The disk is full.
        """
        self._file.flush()
        os.fsync(self._file.fileno())

    def place(self) -> str:
        """Put a finished file in its place and return its digest.

        Raises:
            OSError: It is gone, or its folder cannot be made.
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
