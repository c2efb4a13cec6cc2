"""Uploaded checkpoints: bounded in total size, and kept until they are deleted."""

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
"""Bytes that an upload of unknown length reserves at a time."""
_PAUSE: Final = 0.01
"""Seconds between two attempts to lock the folder, which is locked for milliseconds at a time."""

_Reserve = Callable[["IncomingCheckpoint", int, int], int]


class CheckpointStore:
    """The uploaded checkpoints, each a file and a row that lists it.

    An incomplete upload is a file of its reserved size, locked by its process. Every process with
    the same folder counts it, and removes it once its lock is free. Only one process at a time
    reserves bytes, begins an upload or removes abandoned ones.

    All methods raise StoreUnavailableError if the database does not answer, or if another process
    keeps the folder locked.

    Args:
        bucket: Receives a copy of each file, for servers and workers without this folder; None if
            all of them have the folder.
        most_bytes: The largest total size in the folder, including incomplete uploads.
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
            size: Bytes of the upload, which are reserved; None if the length is unknown.

        Raises:
            CheckpointsFullError: There is no room, and no existing checkpoint has this size.
            OSError: The file cannot be created.
        """
        path = self._folder.fresh()
        with self._folder_lock():
            self._remove_abandoned()
            incoming = IncomingCheckpoint(path, self._folder, self._reserve)
        if size is not None:
            try:
                incoming.reserve(size, size)
            except BaseException:
                incoming.__exit__()
                raise
        return incoming

    def hand_on(self, incoming: IncomingCheckpoint) -> None:
        """Copy a finished file into the bucket, if there is one, before it is listed.

        Raises:
            ArtifactsUnavailableError: The bucket refuses the file.
        """
        if self._bucket is not None and incoming.is_written:
            self._bucket.add(incoming.path)

    def open(self, sha256: str, size: int) -> OpenArtifact:
        """Open the file of a listed checkpoint, from the folder or else from the bucket.

        Raises:
            UnknownCheckpointError: Neither has the file undamaged.
            OSError: The file cannot be read.
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
        """Move a finished file to its place; return its checkpoint, and whether it is new.

        Raises:
            CheckpointsFullError: There was no room, and the content is not an existing checkpoint.
            OSError: The file cannot be moved.
        """
        sha256 = incoming.sha256

        def change() -> bool:
            # The lock keeps row and file together while another process deletes them.
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
            UnknownCheckpointError: No checkpoint has the digest.
        """
        query = _with_digest(sha256)
        for checkpoint in self._database.read(lambda: list(self._read(query))):
            return checkpoint
        raise UnknownCheckpointError(sha256)

    def page(
        self, *, before: str | None = None, limit: int = 100
    ) -> tuple[list[Checkpoint], str | None]:
        """Return checkpoints, latest first, and the value of `before` for the next page.

        Raises:
            UnknownCheckpointError: `before` is not the digest of a checkpoint.
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
        """Delete the row and the file of a checkpoint; the file also if no row lists it.

        Submissions wait for the lock: one that names the checkpoint either comes first and prevents
        the deletion, or no longer finds the checkpoint.

        Raises:
            UnknownCheckpointError: No checkpoint has the digest.
            CheckpointInUseError: A queued or running job names it.
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
        """Remove incomplete uploads whose process died; return how many.

        Raises:
            OSError: A file cannot be removed.
        """
        if not any(self._folder.incomplete()):
            return 0
        with self._folder_lock():
            return self._remove_abandoned()

    def _users(self, sha256: str) -> list[str]:
        """Return the ids of the queued and running jobs that name a checkpoint."""
        query = JobRow.select(JobRow.id, JobRow.spec).where(
            JobRow.state.in_([JobState.QUEUED, JobState.RUNNING]), JobRow.spec.contains(sha256)
        )
        return [
            row["id"]
            for row in self._database.rows(query)
            if json.loads(row["spec"])["network"].get("checkpoint") == sha256
        ]

    def _reserve(self, incoming: IncomingCheckpoint, least: int, wished: int) -> int:
        """Reserve bytes for an upload and return how many: at most `wished`.

        Raises:
            CheckpointsFullError: There is no room for `least` bytes.
        """
        with self._folder_lock():
            used = sum(_size(path) for path in self._files())
            room = self._most_bytes - used + incoming.reserved
            if room < least:
                raise CheckpointsFullError(used, self._most_bytes)
            reserved = min(room, wished)
            incoming.truncate(reserved)
            return reserved

    def _files(self) -> Iterator[Path]:
        yield from self._folder.incomplete()
        yield from map(self._folder.path, self._folder.digests())

    def _remove_abandoned(self) -> int:
        dead = [path for path in self._folder.incomplete() if _is_abandoned(path)]
        for path in dead:
            path.unlink(missing_ok=True)
        return len(dead)

    @contextmanager
    def _folder_lock(self) -> Iterator[None]:
        with self._lock.open("ab") as file:
            end = time.monotonic() + seconds_left()
            while not _try_lock(file):
                if time.monotonic() >= end:
                    raise StoreUnavailableError("the folder of the checkpoints is locked")
                time.sleep(_PAUSE)
            yield

    def _read(self, query: Any) -> Iterator[Checkpoint]:
        return map(_checkpoint, self._database.rows(query))


class IncomingCheckpoint(IncomingFile):
    """An upload in progress, whose file has the size that it reserves.

    If there is no room but an existing checkpoint may have the same content, the upload is not
    written and only its digest is computed.

    Args:
        reserve: Reserves bytes for the upload, given `least` and `wished`; returns how many.

    Attributes:
        reserved: Reserved bytes, which count against the bound.
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
        """Whether the content is written to the file, and not only digested."""
        return self._refused is None

    def reserve(self, least: int, wished: int) -> None:
        """Reserve bytes; without room, only digest the content if it may exist already.

        Raises:
            CheckpointsFullError: There is no room, and no existing file has a possible size.
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
        """Set the size of the file."""
        self._file.truncate(size)

    def write(self, piece: bytes) -> None:
        """Write the next bytes.

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
        """Sync the content to disk and release the bytes that were reserved beyond it."""
        if self._refused is None:
            self._file.truncate(self.size)
            super().finish()

    def place(self) -> str:
        """Move the finished file to its place, once, and return its digest.

        Raises:
            CheckpointsFullError: It was not written, and its content is not an existing file.
            OSError: The file is gone, or its folder cannot be created.
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


def _is_abandoned(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _try_lock(file)
    except FileNotFoundError:
        return False


def _try_lock(file: Any) -> bool:
    """Try to lock a file and tell whether it worked; closing the file releases the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
