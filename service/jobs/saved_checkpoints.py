"""Checkpoints handed over by running trainings, so that the next attempt resumes on any machine.

They are kept where the artifacts are: in the folder of trainings, unpacked as attempts on the same
machine write them, or in a bucket, as a bundle under its digest. For a bucket, a row says which job
a bundle belongs to. The bundle is uploaded before the row is changed, so an interrupted upload
leaves the previous checkpoint in place.
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
_BATCH: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedCheckpoint:
    """A checkpoint, packed into an open file.

    Attributes:
        file: The file, to be closed by the caller.
        sha256: Its digest.
        size: Its size in bytes.
    """

    file: OpenArtifact
    sha256: str
    size: int


class SavedCheckpoints(Protocol):
    """The checkpoints of running trainings.

    All methods raise StoreUnavailableError if the database or the store does not answer.
    """

    def refuse_larger(self, size: int) -> None:
        """Refuse a checkpoint for which there is no room.

        Raises:
            DiskFullError: There is no room for so many bytes.
        """

    def keep(self, lease: Lease, file: Path) -> None:
        """Keep a packed checkpoint in place of earlier ones.

        Raises:
            DiskFullError: There is no room for it.
            RefusedResultError: The file is not a checkpoint.
            LostLeaseError: The lease no longer holds.
            OSError: The file cannot be read or written.
        """

    def open(self, job_id: str, beside: Path) -> SavedCheckpoint:
        """Return the newest checkpoint of a job.

        Args:
            job_id: The job.
            beside: A path for a temporary bundle, which is removed.

        Raises:
            UnknownCheckpointError: There is none, or it was removed or is damaged: the training
                starts from the beginning.
            OSError: The checkpoint cannot be read or packed.
        """

    def forget_ended(self) -> int:
        """Remove the checkpoints of jobs that have ended or are unknown; return how many."""


class FolderCheckpoints:
    """Checkpoints in the folder of trainings; `TrainingFolders` removes old ones."""

    def __init__(self, root: Path, trainings: TrainingFolders) -> None:
        self._root = root
        self._trainings = trainings

    def refuse_larger(self, size: int) -> None:
        """Refuse a checkpoint for which there is no room in the folder."""
        if self._trainings.of_attempt("", 0).room() < size:
            raise DiskFullError(_NO_ROOM)

    def keep(self, lease: Lease, file: Path) -> None:
        """Unpack a checkpoint into the folder of its attempt."""
        self.refuse_larger(file.stat().st_size)
        self._trainings.of_attempt(lease.job.id, lease.token).keep(unpack, file)

    def open(self, job_id: str, beside: Path) -> SavedCheckpoint:
        """Pack the newest checkpoint of any attempt."""
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
        """Remove the folders of ended jobs; return how many."""
        return self._trainings.clean_all()


class BucketCheckpoints:
    """The newest checkpoint of each training, in a bucket.

    Args:
        most_bytes: The largest total size.
    """

    def __init__(self, database: JobDatabase, store: ArtifactStore, *, most_bytes: int) -> None:
        self._database = database
        self._store = store
        self._most_bytes = most_bytes

    def refuse_larger(self, size: int) -> None:
        """Refuse a checkpoint that does not fit beside all listed ones."""
        query = SavedRow.select(fn.COALESCE(fn.SUM(SavedRow.size), 0).alias("bytes"))
        (row,) = self._database.read(lambda: self._database.rows(query))
        if self._most_bytes - int(row["bytes"]) < size:
            raise DiskFullError(_NO_ROOM)

    def keep(self, lease: Lease, file: Path) -> None:
        """Upload a checkpoint, list it, and remove the previous one."""
        examine(file)
        self.refuse_larger(file.stat().st_size)
        sha256, size = self._store.add(file)
        told = {"sha256": sha256, "size": size}

        def change() -> str | None:
            current = JobRow.select(JobRow.id).where(is_current(lease))
            # Locked, so that no other attempt of the job begins before the row is written.
            if not self._database.rows(self._database.for_update(current)):
                raise LostLeaseError(lease.job.id)
            before = self._listed(lease.job.id)
            row = SavedRow.insert(job_id=lease.job.id, **told)
            self._database.insert(row.on_conflict(conflict_target=[SavedRow.job_id], update=told))
            return before["sha256"] if before else None

        before = self._database.write(change)
        if before not in {None, sha256}:
            # A file that remains is removed by the next sweep of the bucket.
            with suppress(StoreUnavailableError):
                self._remove(str(before))

    def open(self, job_id: str, beside: Path) -> SavedCheckpoint:  # noqa: ARG002 - of folders
        """Open the listed checkpoint."""
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
        """Remove the rows and files of ended jobs; return how many."""
        gone = 0
        while ended := self._database.write(self._forget_batch):
            for sha256 in ended:
                self._remove(sha256)
            gone += len(ended)
        return gone

    def _listed(self, job_id: str) -> dict[str, Any] | None:
        query = SavedRow.select().where(SavedRow.job_id == job_id)
        return next(iter(self._database.rows(query)), None)

    def _forget_batch(self) -> list[str]:
        going_on = JobRow.select(JobRow.id).where(JobRow.state.not_in(list(FINISHED)))
        query = (
            SavedRow.select(SavedRow.job_id, SavedRow.sha256)
            .where(SavedRow.job_id.not_in(going_on))
            .limit(_BATCH)
        )
        rows = self._database.rows(query)
        job_ids = [row["job_id"] for row in rows]
        self._database.change(SavedRow.delete().where(SavedRow.job_id.in_(job_ids)))
        return [row["sha256"] for row in rows]

    def _remove(self, sha256: str) -> None:
        """Remove a file unless another job lists it: a repeated request has the same checkpoint."""
        query = SavedRow.select(SavedRow.job_id).where(SavedRow.sha256 == sha256)
        if not self._database.read(lambda: self._database.rows(query)):
            self._store.remove(sha256)
