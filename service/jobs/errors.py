"""What can go wrong with jobs.

JobError
├── QueueFullError             too many jobs wait; says when to try again
├── IdempotencyConflictError   a key was given before, with another request
├── UnknownJobError            no such job
├── UnknownArtifactError       no such artifact, or it was evicted
├── UnknownCheckpointError     no uploaded checkpoint has this digest
├── CheckpointsFullError       uploaded checkpoints take as much as they may
├── CheckpointInUseError       a job that waits or runs names the checkpoint
├── UnknownDatasetError        no worker has this data set; names those there are
├── UnknownTrainerError        no worker has this trainer; names those there are
├── LostLeaseError             the lease of a worker expired; the job is another's
├── ForeignWorkerError         a worker that was registered by another key, or by none
├── UnsoundResultError         a result that cannot be that of its request
├── RefusedResultError         what a worker hands over is not what it should be
├── DamagedFileError           a file is not what it was
└── StoreUnavailableError      the database does not answer, or is damaged
    ├── ArtifactsUnavailableError  the bucket of the artifacts does not answer
    ├── DiskFullError          there is no room for what it should keep
    ├── RowExistsError         a row that was to be made is there already
    └── UnusableStoreError     a database that is none of this schema
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from benchmark_db.errors import shown

__all__ = [
    "ArtifactsUnavailableError",
    "CheckpointInUseError",
    "CheckpointsFullError",
    "DamagedFileError",
    "DiskFullError",
    "ForeignWorkerError",
    "IdempotencyConflictError",
    "JobError",
    "LostLeaseError",
    "QueueFullError",
    "RefusedResultError",
    "RowExistsError",
    "StoreUnavailableError",
    "UnknownArtifactError",
    "UnknownCheckpointError",
    "UnknownDatasetError",
    "UnknownJobError",
    "UnknownTrainerError",
    "UnsoundResultError",
    "UnusableStoreError",
]

_NO_DATASETS: Final = (
    "no worker has any: `nbs worker` offers those in its folder, ~/.nasbenchmark/datasets or where "
    "$NASBENCH_DATASETS_DIR says"
)

_NO_TRAINERS: Final = "no worker has any: `nbs worker --trainer NAME` offers one that is installed"


class JobError(Exception):
    """Base of every error that `service.jobs` raises on purpose."""


class QueueFullError(JobError):
    """As many jobs wait as may.

    Args:
        bound: How many may wait.
        retry_after: Seconds until a place is probably free.
    """

    def __init__(self, bound: int, retry_after: int) -> None:
        super().__init__(f"{bound} jobs are waiting, as many as may; try in {retry_after} s")
        self.bound = bound
        self.retry_after = retry_after


class IdempotencyConflictError(JobError, ValueError):
    """An idempotency key that was given before, with another request."""

    def __init__(self, key: str, job_id: str) -> None:
        super().__init__(
            f"the idempotency key {shown(key)} was given with another request, for job {job_id}; "
            "a key stands for one request"
        )
        self.job_id = job_id


class UnknownJobError(JobError, LookupError):
    """A job that does not exist."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {shown(job_id)}")


class UnknownArtifactError(JobError, LookupError):
    """An artifact that does not exist or was evicted."""


class DamagedFileError(JobError, LookupError):
    """A file that has not the bytes that it should have: what it should be is not there."""


class UnknownCheckpointError(JobError, LookupError):
    """A digest that no uploaded checkpoint has."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"no uploaded checkpoint has the digest {shown(digest)}")


class CheckpointsFullError(JobError):
    """The uploaded checkpoints take as many bytes as they may.

    Args:
        used: What they take, those on their way included.
        bound: What they may take.
    """

    def __init__(self, used: int, bound: int) -> None:
        super().__init__(
            f"uploaded checkpoints, those on their way included, take {used} of the {bound} bytes "
            "that they may, and this one does not fit: DELETE /v1/checkpoints/{digest} makes room"
        )


class CheckpointInUseError(JobError):
    """A checkpoint that cannot be deleted because jobs that wait or run name it."""

    def __init__(self, digest: str, job_ids: Sequence[str]) -> None:
        others = f" and {len(job_ids) - 1} more" if len(job_ids) > 1 else ""
        super().__init__(
            f"the checkpoint {digest} is used by job {job_ids[0]}{others}: wait or cancel, then "
            "delete it"
        )


class UnknownDatasetError(JobError, LookupError):
    """A data set that no worker has."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.known = tuple(sorted(known))
        there_are = f"there are {', '.join(self.known)}" if self.known else _NO_DATASETS
        super().__init__(f"there is no data set {shown(name)}; {there_are}")
        self.name = name


class UnknownTrainerError(JobError, LookupError):
    """A trainer that no worker has, or of which workers have several codes.

    Args:
        name: The name as the caller wrote it.
        known: The trainers that workers have; of several codes, those.
        several: Whether it is of several codes, of which the caller does not say which.
    """

    def __init__(self, name: str, known: Iterable[str], *, several: bool = False) -> None:
        self.known = tuple(sorted(known))
        there_are = f"there are {'; '.join(self.known)}" if self.known else _NO_TRAINERS
        what = "more than one trainer" if several else "no trainer"
        hint = ": say which by sha256" if several else " of that code"
        super().__init__(f"there is {what} {shown(name)}{hint}; {there_are}")
        self.name = name


class LostLeaseError(JobError):
    """A lease that expired or never was: what comes under it is discarded.

    It tells neither whether there is such a job nor whose it is.
    """

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"this worker does not have job {shown(job_id)}, or not any more: its lease is lost"
        )


class ForeignWorkerError(JobError):
    """A worker that another key registered, or none."""

    def __init__(self, worker_id: str) -> None:
        super().__init__(
            f"no worker {shown(worker_id)} is registered by this key: a heartbeat registers one "
            "under a name that is free"
        )


class RefusedResultError(JobError, ValueError):
    """A result or a file of a worker that is not what it should be.

    Args:
        place: The member that is wrong, such as `result.metrics`.
        reason: What is wrong with it.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


class StoreUnavailableError(JobError, ConnectionError):
    """The database of the jobs does not answer or is damaged; what was asked may be asked again."""


class ArtifactsUnavailableError(StoreUnavailableError):
    """The bucket of the artifacts does not answer, or refuses; only what needs it is concerned."""


class DiskFullError(StoreUnavailableError):
    """The disk is full that the database or the files of the jobs are on; reading goes on."""


class RowExistsError(StoreUnavailableError):
    """A row that was to be made is there already: somebody else made it at the same moment."""


class UnusableStoreError(StoreUnavailableError):
    """A database that is not one of jobs, lacks some of its tables, or is of another version."""


class UnsoundResultError(JobError):
    """A result that cannot be that of its request."""
