"""Checkpoints of trainings, handed over so that the next attempt goes on, wherever it runs.

They are kept where the artifacts are: in the folder of trainings, as attempts beside it write them,
or in a bucket, packed into a file whose place its digest says. Of a bucket a row tells whose
checkpoint a file is. The file is put there first and the row is changed after that: an upload that
breaks off leaves the checkpoint before it, from which the next attempt goes on.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from peewee import fn

from service.jobs.artifact_store import ArtifactStore, OpenArtifact
from service.jobs.checkpoint_bundles import examine, newest_checkpoint, pack, unpack
from service.jobs.database import JobDatabase
from service.jobs.errors import (
    DamagedFileError,
    DiskFullError,
    LostLeaseError,
    StoreUnavailableError,
    UnknownCheckpointError,
)
from service.jobs.lease_tokens import is_current
from service.jobs.records import FINISHED, Lease
from service.jobs.tables import JobRow, SavedRow
from service.jobs.training_folders import TrainingFolders

__all__ = ["BucketCheckpoints", "FolderCheckpoints", "SavedCheckpoint", "SavedCheckpoints"]

_NO_ROOM: Final = "trainings keep as much as they may: NASBENCH_TRAININGS_BYTES"
_AT_ONCE: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedCheckpoint:
    """A checkpoint, packed into an open file.

    Attributes:
        file: The file, which whoever asked for it closes.
        sha256: Its digest.
        size: Its bytes.
    """

    file: OpenArtifact
    sha256: str
    size: int


class SavedCheckpoints(Protocol):
    """The checkpoints of trainings that have not ended.

    All methods raise StoreUnavailableError where the database or the store does not answer.
    """

    def refuse_larger(self, size: int) -> None:
        """Refuse a checkpoint for which there is no room.

        Raises:
            DiskFullError: There is none for so many bytes.
        """

    def keep(self, lease: Lease, file: Path) -> None:
        """Keep a checkpoint that is packed into a file, in place of those before.

        Raises:
            DiskFullError: There is no room for it.
            RefusedResultError: It is no checkpoint.
            LostLeaseError: The lease holds no longer.
            OSError: It cannot be read or written.
        """

    def open(self, job_id: str, beside: Path) -> SavedCheckpoint:
        """Return the newest checkpoint of a job.

        Args:
            job_id: The job.
            beside: Where it may be packed; nothing is left there.

        Raises:
            UnknownCheckpointError: There is none, or it was removed or damaged: the training begins
                anew rather than never.
            OSError: It cannot be read or packed.
        """

    def forget_ended(self) -> int:
        """Remove the checkpoints of jobs that have ended or are unknown, and return how many."""


class FolderCheckpoints:
    """Those in the folder of trainings, of which `TrainingFolders` removes what is over."""

    def __init__(self, root: Path, trainings: TrainingFolders) -> None:
        self._root = root
        self._trainings = trainings

    def refuse_larger(self, size: int) -> None:
        """Refuse a checkpoint for which there is no room in the folder."""
        if self._trainings.of_attempt("", 0).room() < size:
            raise DiskFullError(_NO_ROOM)

    def keep(self, lease: Lease, file: Path) -> None:
        """Unpack it into the folder of the attempt."""
        self.refuse_larger(file.stat().st_size)
        self._trainings.of_attempt(lease.job.id, lease.token).keep(unpack, file)

    def open(self, job_id: str, beside: Path) -> SavedCheckpoint:
        """Pack the newest one, whichever attempt left it."""
        found = newest_checkpoint(self._root / job_id)
        if found is None:
            raise UnknownCheckpointError(job_id)
        try:
            pack(found, beside)
            file = beside.open("rb")
        except FileNotFoundError:
            raise UnknownCheckpointError(job_id) from None
        finally:
            beside.unlink(missing_ok=True)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return SavedCheckpoint(file=file, sha256=digest, size=file.tell())

    def forget_ended(self) -> int:
        """Remove their folders."""
        return self._trainings.clean_all()


class BucketCheckpoints:
    """The newest one of each training in a bucket.

    Args:
        most_bytes: What they may take together.
    """

    def __init__(self, database: JobDatabase, store: ArtifactStore, *, most_bytes: int) -> None:
        self._database = database
        self._store = store
        self._most_bytes = most_bytes

    def refuse_larger(self, size: int) -> None:
        """Refuse a checkpoint that all listed ones leave no room for."""
        query = SavedRow.select(fn.COALESCE(fn.SUM(SavedRow.size), 0).alias("bytes"))
        (row,) = self._database.read(lambda: self._database.rows(query))
        if self._most_bytes - int(row["bytes"]) < size:
            raise DiskFullError(_NO_ROOM)

    def keep(self, lease: Lease, file: Path) -> None:
        """Put it into the bucket, list it, and remove the one before."""
        examine(file)
        self.refuse_larger(file.stat().st_size)
        sha256, size = self._store.add(file)
        told = {"sha256": sha256, "size": size}

        def change() -> str | None:
            current = JobRow.select(JobRow.id).where(is_current(lease))
            # Locked: no other attempt of the job begins before the row is written.
            if not self._database.rows(self._database.for_update(current)):
                raise LostLeaseError(lease.job.id)
            before = self._listed(lease.job.id)
            row = SavedRow.insert(job_id=lease.job.id, **told)
            self._database.insert(row.on_conflict(conflict_target=[SavedRow.job_id], update=told))
            return before["sha256"] if before else None

        before = self._database.write(change)
        if before not in {None, sha256}:
            # What stays is found when next the bucket is looked through.
            with suppress(StoreUnavailableError):
                self._remove(str(before))

    def open(self, job_id: str, beside: Path) -> SavedCheckpoint:  # noqa: ARG002 - of folders
        """Open the one that is listed."""
        found = self._database.read(lambda: self._listed(job_id))
        if found is None:
            raise UnknownCheckpointError(job_id)
        sha256, size = found["sha256"], found["size"]
        try:
            file = self._store.open(sha256, size)
        except (FileNotFoundError, DamagedFileError):
            raise UnknownCheckpointError(job_id) from None
        return SavedCheckpoint(file=file, sha256=sha256, size=size)

    def forget_ended(self) -> int:
        """Forget them, and remove their files."""
        gone = 0
        while ended := self._database.write(self._forget_some):
            for sha256 in ended:
                self._remove(sha256)
            gone += len(ended)
        return gone

    def _listed(self, job_id: str) -> dict[str, Any] | None:
        query = SavedRow.select().where(SavedRow.job_id == job_id)
        return next(iter(self._database.rows(query)), None)

    def _forget_some(self) -> list[str]:
        going_on = JobRow.select(JobRow.id).where(JobRow.state.not_in(list(FINISHED)))
        query = (
            SavedRow.select(SavedRow.job_id, SavedRow.sha256)
            .where(SavedRow.job_id.not_in(going_on))
            .limit(_AT_ONCE)
        )
        rows = self._database.rows(query)
        job_ids = [row["job_id"] for row in rows]
        self._database.change(SavedRow.delete().where(SavedRow.job_id.in_(job_ids)))
        return [row["sha256"] for row in rows]

    def _remove(self, sha256: str) -> None:
        """Remove a file that is no job's checkpoint any more; a repeated request has the same."""
        query = SavedRow.select(SavedRow.job_id).where(SavedRow.sha256 == sha256)
        if not self._database.read(lambda: self._database.rows(query)):
            self._store.remove(sha256)
