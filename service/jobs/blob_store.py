"""Files that are named by the SHA-256 of their content, and the eviction of old artifacts.

`BlobStore` is a folder of such files, for artifacts and uploaded checkpoints alike; `ArtifactCache`
bounds what artifacts take: those that were used longest ago go first.
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
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Self
from uuid import uuid4

from peewee import fn

from service.jobs.database import AdvisoryLock, JobDatabase
from service.jobs.errors import UnknownArtifactError
from service.jobs.records import Artifact, JobState
from service.jobs.tables import ArtifactRow, ContentRow, JobRow

__all__ = ["NO_ROOM", "ArtifactCache", "BlobStore", "IncomingFile"]

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the errors that say that a disk, a quota or a file may take no more."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PIECE: Final = 2**20
_INCOMING: Final = "incoming"

_DAY: Final = 24 * 3600.0
_YOUNG: Final = 3600.0
"""Seconds within which a file may be on its way: being written, or complete and not yet listed,
because the job that made it has not ended."""
_AT_ONCE: Final = 100


class BlobStore:
    """Files by their digest; each is there wholly or not at all, and once.

    Args:
        folder: Where they lie; made when the first one comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

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
        if not _DIGEST.fullmatch(sha256):
            raise UnknownArtifactError("that is no SHA-256 in hexadecimal digits")
        return self._folder / sha256[:2] / sha256

    def receive(self) -> IncomingFile:
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

    def begun(self) -> Iterator[Path]:
        """Yield the files that were begun and never completed, or still are being written."""
        yield from (self._folder / _INCOMING).glob("*")

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


class ArtifactCache:
    """The artifacts that are kept, within bounds of size and age.

    Args:
        database: Where they are listed.
        folder: Where they lie.
        most_bytes: How much of them is kept.
        most_days: How long after its last use one is kept.
    """

    def __init__(
        self, database: JobDatabase, folder: BlobStore, *, most_bytes: int, most_days: float
    ) -> None:
        self._database = database
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_seconds = most_days * _DAY

    def touch(self, sha256: str) -> None:
        """Note that an artifact was used now."""
        query = ContentRow.update(used_at=self._database.now()).where(ContentRow.sha256 == sha256)
        self._database.write(lambda: self._database.change(query))

    def lose(self, artifact: Artifact) -> None:
        """Note that the file of an artifact is gone or damaged: jobs that list it are expired.

        Nothing is noted where the file has been made anew meanwhile, or the whole folder is away
        and may come back.
        """
        if not self._folder.is_there():
            return

        def forget() -> None:
            self._database.lock(AdvisoryLock.REMOVE)
            if not self._folder.holds(artifact.sha256, artifact.size):
                self._forget([artifact.sha256])

        self._database.write(forget)

    def evict(self) -> int:
        """Throw away what is too old or too much, and return how many files went.

        A job whose artifact goes is expired. It is so before the file is removed: whoever is told
        of an artifact can have it, but for those who were told just before. A file that was made
        lately may be that of a job about to end, and is removed an hour later.
        """
        gone = 0
        while batch := self._database.write(self._forget_some):
            for sha256 in batch:
                self._remove(sha256)
            gone += len(batch)
        self._sweep()
        return gone

    def _forget_some(self) -> list[str]:
        """Forget the artifacts that go next; return the digests of their files."""
        # Two that evict at once would each make all the room.
        self._database.lock(AdvisoryLock.REMOVE)
        total = ContentRow.select(fn.COALESCE(fn.SUM(ContentRow.size), 0).alias("bytes"))
        (row,) = self._database.rows(total)
        surplus = row["bytes"] - self._most_bytes
        chosen = []
        query = ContentRow.select(
            ContentRow.sha256,
            ContentRow.size,
            (ContentRow.used_at < self._database.now() - self._most_seconds).alias("old"),
        )
        oldest = query.order_by(ContentRow.used_at).limit(_AT_ONCE)
        # A job that ends now with the same content has listed it before this, or makes it anew.
        for row in self._database.rows(self._database.for_update(oldest)):
            if surplus <= 0 and not row["old"]:
                break
            surplus -= row["size"]
            chosen.append(row["sha256"])
        if chosen:
            self._forget(chosen)
        return chosen

    def _forget(self, digests: list[str]) -> None:
        affected = ArtifactRow.select(ArtifactRow.job_id).where(ArtifactRow.sha256.in_(digests))
        job_ids = sorted({row["job_id"] for row in self._database.rows(affected)})
        expired = JobRow.update(state=JobState.EXPIRED, revision=JobRow.revision + 1).where(
            JobRow.id.in_(job_ids), JobRow.state == JobState.SUCCEEDED
        )
        self._database.change(expired)
        self._database.change(ArtifactRow.delete().where(ArtifactRow.job_id.in_(job_ids)))
        self._database.change(ContentRow.delete().where(ContentRow.sha256.in_(digests)))

    def _sweep(self) -> None:
        """Remove files that a killed process began, and those of attempts that came to nothing."""
        for path in self._folder.begun():
            if _age(path) > _YOUNG:
                path.unlink(missing_ok=True)
        found = self._folder.digests()
        while digests := list(islice(found, _AT_ONCE)):
            query = ContentRow.select(ContentRow.sha256).where(ContentRow.sha256.in_(digests))
            rows = self._database.read(partial(self._database.rows, query))
            for sha256 in set(digests) - {row["sha256"] for row in rows}:
                self._remove(sha256)

    def _remove(self, sha256: str) -> None:
        if _age(self._folder.path(sha256)) > _YOUNG:
            self._folder.remove(sha256)


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
