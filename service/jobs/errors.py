"""Errors of jobs.

JobError
├── QueueFullError             too many jobs wait; has the time to retry after
├── IdempotencyConflictError   an idempotency key was used for another request
├── UnknownJobError            no such job
├── UnknownArtifactError       no such artifact, or it was evicted
├── UnknownCheckpointError     no uploaded checkpoint has this digest
├── CheckpointsFullError       uploaded checkpoints have reached their total size
├── CheckpointInUseError       a queued or running job names the checkpoint
├── UnknownDatasetError        no worker has this data set; lists the known ones
├── UnknownTrainerError        no worker has this trainer; lists the known ones
├── LostLeaseError             the lease of a worker expired
├── ForeignWorkerError         the worker was not registered by this API key
├── UnsoundResultError         a result that cannot belong to its request
├── RefusedResultError         a malformed result or file of a worker
├── DamagedFileError           a file has other bytes than it should
└── StoreUnavailableError      the database does not answer, or is damaged
    ├── ArtifactsUnavailableError  the bucket of the artifacts does not answer
    ├── DiskFullError          a disk is full
    ├── RowExistsError         an inserted row exists already
    └── UnusableStoreError     the database has another schema
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
    """Base of all errors that `service.jobs` raises on purpose."""


class QueueFullError(JobError):
    """The queue is full.

    Args:
        bound: The largest number of waiting jobs.
        retry_after: Seconds until a place is probably free.
    """

    def __init__(self, bound: int, retry_after: int) -> None:
        super().__init__(f"the queue is full: {bound} jobs wait; retry in {retry_after} s")
        self.bound = bound
        self.retry_after = retry_after


class IdempotencyConflictError(JobError, ValueError):
    """An idempotency key was used before, with another request."""

    def __init__(self, key: str, job_id: str) -> None:
        super().__init__(
            f"the idempotency key {shown(key)} was given with another request, for job {job_id}; "
            "a key stands for one request"
        )
        self.job_id = job_id


class UnknownJobError(JobError, LookupError):
    """A job does not exist."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {shown(job_id)}")


class UnknownArtifactError(JobError, LookupError):
    """An artifact does not exist or was evicted."""


class DamagedFileError(JobError, LookupError):
    """A file has other bytes than it should, so the expected file does not exist."""


class UnknownCheckpointError(JobError, LookupError):
    """No uploaded checkpoint has a digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"no uploaded checkpoint has the digest {shown(digest)}")


class CheckpointsFullError(JobError):
    """The uploaded checkpoints have reached their total size.

    Args:
        used: Their bytes, including uploads in progress.
        bound: The largest total size.
    """

    def __init__(self, used: int, bound: int) -> None:
        super().__init__(
            f"uploaded checkpoints and uploads in progress take {used} of the {bound} bytes that "
            "are allowed, and this one does not fit: DELETE /v1/checkpoints/{digest} makes room"
        )


class CheckpointInUseError(JobError):
    """A checkpoint cannot be deleted because queued or running jobs name it."""

    def __init__(self, digest: str, job_ids: Sequence[str]) -> None:
        others = f" and {len(job_ids) - 1} more" if len(job_ids) > 1 else ""
        super().__init__(
            f"the checkpoint {digest} is used by job {job_ids[0]}{others}: wait or cancel, then "
            "delete it"
        )


class UnknownDatasetError(JobError, LookupError):
    """No worker has a data set."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.known = tuple(sorted(known))
        there_are = f"there are {', '.join(self.known)}" if self.known else _NO_DATASETS
        super().__init__(f"there is no data set {shown(name)}; {there_are}")
        self.name = name


class UnknownTrainerError(JobError, LookupError):
    """No worker has a trainer, or workers have several versions of it.

    Args:
        name: The name as the caller wrote it.
        known: The trainers that workers have; if several match, the matching ones.
        several: Whether several match because the caller did not state a digest.
    """

    def __init__(self, name: str, known: Iterable[str], *, several: bool = False) -> None:
        self.known = tuple(sorted(known))
        there_are = f"there are {'; '.join(self.known)}" if self.known else _NO_TRAINERS
        what = "more than one trainer" if several else "no trainer"
        hint = ": say which by sha256" if several else " of that code"
        super().__init__(f"there is {what} {shown(name)}{hint}; {there_are}")
        self.name = name


class LostLeaseError(JobError):
    """A lease has expired or never existed; requests that use it are discarded.

    The message tells neither whether the job exists nor which worker has it.
    """

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"this worker does not hold the lease of job {shown(job_id)}, or has lost it"
        )


class ForeignWorkerError(JobError):
    """A worker was registered by another API key, or not at all."""

    def __init__(self, worker_id: str) -> None:
        super().__init__(
            f"no worker {shown(worker_id)} is registered by this key: a heartbeat registers one "
            "under a name that is free"
        )


class RefusedResultError(JobError, ValueError):
    """A result or file of a worker is malformed.

    Args:
        place: The wrong member, such as `result.metrics`.
        reason: What is wrong with it.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


class StoreUnavailableError(JobError, ConnectionError):
    """The database of the jobs does not answer or is damaged; the operation may be retried."""


class ArtifactsUnavailableError(StoreUnavailableError):
    """The bucket of the artifacts does not answer or refuses; other operations still work."""


class DiskFullError(StoreUnavailableError):
    """The disk of the database or of the files of the jobs is full; reads still work."""


class RowExistsError(StoreUnavailableError):
    """An inserted row exists already: another process inserted it at the same time."""


class UnusableStoreError(StoreUnavailableError):
    """The database is not one of jobs, lacks some of its tables, or has another version."""


class UnsoundResultError(JobError):
    """A result cannot belong to its request."""
