"""Job sources of a worker: the database itself, or a server over HTTP.

Both implement `JobSource`. An attempt only sees folders; a source fetches their files before the
attempt and stores them after it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from service.jobs import Jobs, JobSettings
from service.jobs.blob_store import BlobStore
from service.jobs.errors import (
    DamagedFileError,
    LostLeaseError,
    RefusedResultError,
    StoreUnavailableError,
    UnknownCheckpointError,
)
from service.jobs.records import Artifact, Capabilities, Failure, Lease, Progress, WorkerState
from service.jobs.worker_wire import Outcome
from service.worker.attempt_files import AttemptPlaces, PrivateFiles

__all__ = ["RENEWALS", "DatabaseSource", "JobSource"]

_PIECE: Final = 2**20
RENEWALS: Final = 3
"""Renewals per lease duration; all but one of them may fail."""


class JobSource(Protocol):
    """Provides jobs and takes their results.

    All methods raise StoreUnavailableError if the source does not answer, and those with a lease
    raise LostLeaseError if it no longer holds.
    """

    @property
    def settings(self) -> JobSettings:
        """Folders and limits of this worker."""

    @property
    def report_seconds(self) -> float:
        """Least seconds between two reports of progress."""

    def heartbeat(self, state: WorkerState) -> None:
        """Register the worker, or report that it is alive and what it runs."""

    def deregister(self, worker_id: str) -> None:
        """Report that the worker has stopped."""

    def upkeep(self, dead: Collection[str]) -> None:
        """Do the periodic clean-up, given the dead workers of this machine."""

    def acquire(self, worker_id: str, can: Capabilities, until: Callable[[], bool]) -> Lease | None:
        """Lease the first job that the worker can do; None: there is none, or `until` is true."""

    def wait(self, seconds: float, until: Callable[[], bool]) -> None:
        """Wait until there may be a job, `until` is true, or `seconds` have passed."""

    def prepare(self, lease: Lease, scratch: Path) -> AttemptPlaces:
        """Fetch the files of an attempt and return its folders.

        Args:
            lease: The lease of its job.
            scratch: The temporary folder of the worker.
        """

    def renew(self, lease: Lease, progress: Progress | None) -> bool:
        """Renew a lease, record progress, and return whether the attempt is to be stopped."""

    def succeed(self, lease: Lease, result: dict[str, Any], made: Sequence[Artifact]) -> None:
        """End a job with its result, and store the files in the folders from `prepare`."""

    def end(self, lease: Lease, outcome: Outcome, failure: Failure | None = None) -> None:
        """End an attempt without a result; if released, store its checkpoint first.

        Args:
            lease: The lease of its job.
            outcome: How it ended.
            failure: The reason, if it failed or crashed.
        """

    def clean(self, lease: Lease) -> None:
        """Remove the files of an attempt as far as possible."""


class DatabaseSource:
    """Jobs from the database, and files in the folder that server and workers share.

    If a bucket has the artifacts, an attempt has its files in a private folder of its worker.
    Artifacts are uploaded before the result is recorded, and checkpoints of a training while it
    runs; failures of the bucket do not end an attempt. The next attempt downloads the newest
    checkpoint, on any machine.

    Args:
        jobs: The database and the stores of files.
    """

    report_seconds: Final = 0.2
    """Not more often: each report is a transaction, which delays the server's."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self.settings = jobs.settings
        # Private files of attempts with a bucket, by job id and token.
        self._private: dict[tuple[str, int], PrivateFiles] = {}

    def heartbeat(self, state: WorkerState) -> None:
        """Write the state into the table of workers."""
        self._jobs.workers.heartbeat(state)

    def deregister(self, worker_id: str) -> None:
        """Remove the worker from the table of workers."""
        self._jobs.workers.deregister(worker_id)

    def upkeep(self, dead: Collection[str]) -> None:
        """Requeue the jobs of dead and lost workers, and remove old jobs and files."""
        self._jobs.upkeep.recover(dead)
        for worker_id in dead:
            self._jobs.workers.deregister(worker_id)
        self._jobs.upkeep.evict()

    def acquire(self, worker_id: str, can: Capabilities, until: Callable[[], bool]) -> Lease | None:
        """Lease a job from the table, without waiting."""
        return None if until() else self._jobs.leases.acquire(worker_id, can)

    def wait(self, seconds: float, until: Callable[[], bool]) -> None:
        """Wait for a notification of the server."""
        self._jobs.notifier.wait(seconds, until)

    def prepare(self, lease: Lease, scratch: Path) -> AttemptPlaces:
        """Return the shared folders, or private ones with a bucket.

        Raises:
            OSError: The disk is too full for the checkpoint.
        """
        if not self._jobs.artifacts.is_remote:
            return AttemptPlaces(
                kept=self._jobs.trainings.of_attempt(lease.job.id, lease.token),
                artifacts=self.settings.artifacts_dir,
                checkpoints=self.settings.checkpoints_dir,
            )
        own = self._private[lease.job.id, lease.token] = PrivateFiles(lease, scratch, self.settings)
        if "save_epochs" in lease.job.spec:
            with self._kept_lease(lease):
                own.fetch_checkpoint(partial(self._fetch_checkpoint, lease.job.id))
            own.begin_saving(partial(self._jobs.saved.keep, lease))
        return replace(own.places, checkpoints=self._weights(lease, own.places.checkpoints))

    def renew(self, lease: Lease, progress: Progress | None) -> bool:
        """Renew a lease in the table."""
        return self._jobs.leases.renew(lease, progress)

    def succeed(self, lease: Lease, result: dict[str, Any], made: Sequence[Artifact]) -> None:
        """Record the result; with a bucket, upload the artifacts first.

        Raises:
            RefusedResultError: An artifact has changed on disk.
        """
        own = self._private.get((lease.job.id, lease.token))
        if own is not None:
            own.stop_saving()
            if made:
                if self._jobs.leases.renew(lease):
                    self._jobs.leases.cancel(lease)
                    return
                with self._kept_lease(lease):
                    self._upload(BlobStore(own.places.artifacts), made)
        self._jobs.leases.succeed(lease, result, made)

    def end(self, lease: Lease, outcome: Outcome, failure: Failure | None = None) -> None:
        """Record the end in the table; with a bucket, upload the checkpoint of a released job."""
        leases = self._jobs.leases
        if failure is not None:
            wrong = {"failed": leases.fail, "crashed": leases.crash}
            wrong[outcome](lease, failure)
            return
        own = self._private.get((lease.job.id, lease.token))
        if outcome == "released" and own is not None:
            with self._kept_lease(lease):
                own.stop_saving(after_the_newest=True)
        without = {"lost": leases.lose, "released": leases.release, "cancelled": leases.cancel}
        without[outcome](lease)

    def clean(self, lease: Lease) -> None:
        """Remove the private files of an attempt, and the checkpoints of a job that has ended."""
        own = self._private.pop((lease.job.id, lease.token), None)
        if own is not None:
            own.remove()
        try:
            self._jobs.trainings.clean(lease.job.id)
        except OSError as error:
            log = structlog.get_logger().bind(job_id=lease.job.id)
            log.warning("nothing cleaned", reason=str(error))

    def _weights(self, lease: Lease, folder: Path) -> Path:
        """Return a folder with the uploaded weights that a job names; download them if needed."""
        digest = lease.job.spec.get("network", {}).get("checkpoint")
        shared, checkpoints = self.settings.checkpoints_dir, self._jobs.checkpoints
        if digest is None:
            return shared
        try:
            size = checkpoints.get(digest).size
            if checkpoints.is_here(digest, size):
                return shared
            with (
                self._kept_lease(lease),
                closing(checkpoints.open(digest, size)) as file,
                BlobStore(folder).receive() as incoming,
            ):
                while piece := file.read(_PIECE):
                    incoming.write(piece)
                incoming.keep()
        except (UnknownCheckpointError, DamagedFileError):
            # The attempt reports the weights as missing.
            return shared
        return folder

    def _fetch_checkpoint(self, job_id: str, file: Path) -> bool:
        """Write the newest checkpoint of a training into a file, and tell whether there is one."""
        try:
            found = self._jobs.saved.open(job_id, file)
        except UnknownCheckpointError:
            return False
        with closing(found.file), file.open("wb") as target:
            while piece := found.file.read(_PIECE):
                target.write(piece)
        return True

    def _upload(self, folder: BlobStore, made: Sequence[Artifact]) -> None:
        """Upload files, even those of an earlier try, as the store may have evicted them."""
        for artifact in made:
            found = self._jobs.artifacts.add(folder.path(artifact.sha256))
            if found != (artifact.sha256, artifact.size):
                raise RefusedResultError("artifacts", f"{artifact.name} was changed meanwhile")

    @contextmanager
    def _kept_lease(self, lease: Lease) -> Iterator[None]:
        """Keep renewing a lease during a long upload or download."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self.settings.lease_seconds / RENEWALS):
                try:
                    self._jobs.leases.renew(lease)
                except StoreUnavailableError:
                    continue
                except LostLeaseError:
                    # Recording the result will raise it again.
                    return

        renewing = threading.Thread(target=renew, name=f"lease of {lease.job.id}", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()
