"""The checkpoints that were uploaded: bounded in their sum, and there until they are deleted."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from service.jobs.artifact_store import ArtifactStore, OpenArtifact
from service.jobs.blob_store import BlobStore, IncomingFile
from service.jobs.connections import seconds_left
from service.jobs.database import AdvisoryLock, JobDatabase
from service.jobs.errors import (
    CheckpointInUseError,
    CheckpointsFullError,
    DamagedFileError,
    StoreUnavailableError,
    UnknownCheckpointError,
)
from service.jobs.records import Checkpoint, JobState, utc_time
from service.jobs.tables import CheckpointRow, JobRow

__all__ = ["CheckpointStore", "IncomingCheckpoint"]

_STEP: Final = 64 * 2**20
"""Bytes that an upload without a stated length reserves at a time."""
_PAUSE: Final = 0.01
"""Seconds between two attempts at the lock of the folder, which is held for milliseconds."""

_Reserve = Callable[["IncomingCheckpoint", int, int], int]


class CheckpointStore:
    """The checkpoints that were uploaded, each a file and a row that lists it.

    What is on its way is a file of the size that it reserves, locked by its process: every process
    with the same folder counts it, and removes it once the lock is free. No process reserves,
    begins or sweeps while another does.

    All methods raise StoreUnavailableError where the database does not answer, or another process
    keeps the folder locked.

    Args:
        bucket: Where they lie as well, for servers and workers that have not this folder; None
            where all have it.
        most_bytes: How much they may take in it, those included that are on their way.
    """

    def __init__(
        self,
        database: JobDatabase,
        folder: BlobStore,
        *,
        bucket: ArtifactStore | None,
        path: Path,
        most_bytes: int,
    ) -> None:
        self._database = database
        self._folder = folder
        self._bucket = bucket
        self._lock = path / "lock"
        self._most_bytes = most_bytes

    def receive(self, size: int | None) -> IncomingCheckpoint:
        """Return a file to write an upload to.

        Args:
            size: Its bytes, which are reserved; None where nobody says.

        Raises:
            CheckpointsFullError: There is no room for it, and it can be none of those there are.
            OSError: The file cannot be made.
        """
        path = self._folder.fresh()
        with self._alone():
            self._remove_dead()
            incoming = IncomingCheckpoint(path, self._folder, self._reserve)
        if size is not None:
            try:
                incoming.reserve(size, size)
            except BaseException:
                incoming.__exit__()
                raise
        return incoming

    def hand_on(self, incoming: IncomingCheckpoint) -> None:
        """Put a finished file into the bucket, if there is one, before it is listed.

        Raises:
            ArtifactsUnavailableError: The bucket does not take it.
        """
        if self._bucket is not None and incoming.is_written:
            self._bucket.add(incoming.path)

    def open(self, sha256: str, size: int) -> OpenArtifact:
        """Open the file of a checkpoint that is listed, from the folder or else from the bucket.

        Raises:
            UnknownCheckpointError: It is in neither, or damaged.
            OSError: It cannot be read.
        """
        for store in (self._folder, self._bucket):
            if store is not None:
                with suppress(DamagedFileError, FileNotFoundError):
                    return store.open(sha256, size)
        raise UnknownCheckpointError(sha256)

    def is_here(self, sha256: str, size: int) -> bool:
        """Tell whether the folder has the file of a checkpoint."""
        return self._folder.holds(sha256, size)

    def add(
        self, incoming: IncomingCheckpoint, *, name: str, tensors: int
    ) -> tuple[Checkpoint, bool]:
        """Put a finished file in its place and return its checkpoint, and whether it is new.

        Raises:
            CheckpointsFullError: It is another than those there are, for which there was no room.
            OSError: It cannot be put there.
        """
        sha256 = incoming.sha256

        def change() -> bool:
            # Whoever deletes it does so before or after, file and row.
            self._database.lock(AdvisoryLock.REMOVE)
            incoming.place()
            row = CheckpointRow.insert(
                sha256=sha256,
                name=name,
                size=incoming.size,
                tensors=tensors,
                created_at=self._database.now(),
            )
            known = self._database.rows(_with_digest(sha256))
            if not known:
                self._database.insert(row)
            return not known

        added = self._database.write(change)
        return self.get(sha256), added

    def get(self, sha256: str) -> Checkpoint:
        """Return the checkpoint with a digest.

        Raises:
            UnknownCheckpointError: There is none.
        """
        query = _with_digest(sha256)
        for checkpoint in self._database.read(lambda: list(self._read(query))):
            return checkpoint
        raise UnknownCheckpointError(sha256)

    def page(
        self, *, before: str | None = None, limit: int = 100
    ) -> tuple[list[Checkpoint], str | None]:
        """Return checkpoints, latest first, and what to pass as `before` for those that follow.

        Raises:
            UnknownCheckpointError: `before` is none.
        """
        at, sha256 = CheckpointRow.created_at, CheckpointRow.sha256

        def select() -> list[Checkpoint]:
            query = CheckpointRow.select().order_by(at.desc(), sha256).limit(limit + 1)
            if before is not None:
                rows = self._database.rows(_with_digest(before))
                if not rows:
                    raise UnknownCheckpointError(before)
                last = rows[0]["created_at"]
                query = query.where((at < last) | ((at == last) & (sha256 > before)))
            return list(self._read(query))

        found = self._database.read(select)
        return found[:limit], found[limit - 1].sha256 if len(found) > limit else None

    def remove(self, sha256: str) -> None:
        """Delete a checkpoint, row and file; a file that no row lists, too.

        Submissions wait meanwhile: one that names it comes before, and keeps it, or finds none.

        Raises:
            UnknownCheckpointError: There is none.
            CheckpointInUseError: A job that waits or runs names it.
            OSError: The file cannot be removed.
        """
        path = self._folder.path(sha256)

        def change() -> None:
            self._database.lock(AdvisoryLock.SUBMIT)
            self._database.lock(AdvisoryLock.REMOVE)
            if not self._database.rows(_with_digest(sha256)) and not path.exists():
                raise UnknownCheckpointError(sha256)
            if users := self._users(sha256):
                raise CheckpointInUseError(sha256, users)
            self._database.change(CheckpointRow.delete().where(CheckpointRow.sha256 == sha256))
            self._folder.remove(sha256)

        self._database.write(change)

    def sweep(self) -> int:
        """Remove what uploads left whose process died, and return how many files went.

        Raises:
            OSError: One cannot be removed.
        """
        if not any(self._folder.begun()):
            return 0
        with self._alone():
            return self._remove_dead()

    def _users(self, sha256: str) -> list[str]:
        """Return the ids of the jobs that wait or run and name a checkpoint."""
        query = JobRow.select(JobRow.id, JobRow.spec).where(
            JobRow.state.in_([JobState.QUEUED, JobState.RUNNING]), JobRow.spec.contains(sha256)
        )
        return [
            row["id"]
            for row in self._database.rows(query)
            if json.loads(row["spec"])["network"].get("checkpoint") == sha256
        ]

    def _reserve(self, incoming: IncomingCheckpoint, least: int, wished: int) -> int:
        """Have an upload take so many bytes; return how many it may.

        Raises:
            CheckpointsFullError: There is no room for the least of it.
        """
        with self._alone():
            used = sum(_size(path) for path in self._files())
            room = self._most_bytes - used + incoming.reserved
            if room < least:
                raise CheckpointsFullError(used, self._most_bytes)
            reserved = min(room, wished)
            incoming.truncate(reserved)
            return reserved

    def _files(self) -> Iterator[Path]:
        yield from self._folder.begun()
        yield from map(self._folder.path, self._folder.digests())

    def _remove_dead(self) -> int:
        dead = [path for path in self._folder.begun() if _is_dead(path)]
        for path in dead:
            path.unlink(missing_ok=True)
        return len(dead)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock.open("ab") as file:
            end = time.monotonic() + seconds_left()
            while not _locked(file):
                if time.monotonic() >= end:
                    raise StoreUnavailableError("the folder of the checkpoints is locked")
                time.sleep(_PAUSE)
            yield

    def _read(self, query: Any) -> Iterator[Checkpoint]:
        return map(_checkpoint, self._database.rows(query))


class IncomingCheckpoint(IncomingFile):
    """An upload on its way, whose file has the size that it reserves.

    Where there is no room but it may be a checkpoint that is there already, it is not written: only
    its digest is taken.

    Args:
        reserve: Reserves bytes for it, least and wished, and returns how many.

    Attributes:
        reserved: Bytes that it takes of the bound.
    """

    def __init__(self, path: Path, folder: BlobStore, reserve: _Reserve) -> None:
        super().__init__(path, folder.path)
        self._folder = folder
        self._reserve = reserve
        self._refused: CheckpointsFullError | None = None
        self._placed = False
        self.reserved = 0

    @property
    def is_written(self) -> bool:
        """Whether there is a file, and not its digest alone."""
        return self._refused is None

    def reserve(self, least: int, wished: int) -> None:
        """Reserve bytes, or stop writing where only a known file may still come of it.

        Raises:
            CheckpointsFullError: There is no room, and no file that this may be.
        """
        try:
            self.reserved = self._reserve(self, least, wished)
        except CheckpointsFullError as error:
            sizes = (_size(self._folder.path(digest)) for digest in self._folder.digests())
            if not any(size == wished or (size >= least != wished) for size in sizes):
                raise
            self._refused, self.reserved = error, 0
            self._file.seek(0)
            self._file.truncate(0)

    def truncate(self, size: int) -> None:
        """Have the file take so many bytes."""
        self._file.truncate(size)

    def write(self, piece: bytes) -> None:
        """Write the next piece.

        Raises:
            CheckpointsFullError: There is no room for it.
            OSError: The disk is full.
        """
        least = self.size + len(piece)
        if self._refused is None and least > self.reserved:
            self.reserve(least, least + _STEP)
        if self._refused is None:
            super().write(piece)
        else:
            self._digest.update(piece)
            self.size += len(piece)

    def finish(self) -> None:
        """Have what was written on the disk, and no more reserved."""
        if self._refused is None:
            self._file.truncate(self.size)
            super().finish()

    def place(self) -> str:
        """Put the finished file in its place, once, and return its digest.

        Raises:
            CheckpointsFullError: It was not written, and is none of those there are.
            OSError: It is gone, or its folder cannot be made.
        """
        if self._refused is not None:
            if not self._folder.holds(self.sha256, self.size):
                raise self._refused
        elif not self._placed:
            super().place()
            self._placed = True
        return self.sha256


def _with_digest(sha256: str) -> Any:
    return CheckpointRow.select().where(CheckpointRow.sha256 == sha256)


def _checkpoint(row: dict[str, Any]) -> Checkpoint:
    created = utc_time(row.pop("created_at"))
    return Checkpoint(**row, created_at=created)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _is_dead(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _locked(file)
    except FileNotFoundError:
        return False


def _locked(file: Any) -> bool:
    """Tell whether the lock of a file could be taken; closing the file gives it back."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
