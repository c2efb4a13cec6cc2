"""Where a worker's jobs come from: the database itself, or a server over HTTP.

Both are a `JobSource` to the worker and its executors. An attempt sees folders only; what a source
has to fetch before it and to hand over after it is the source's matter.
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
from service.worker.attempt_files import AttemptPlaces, OwnFiles

__all__ = ["RENEWALS", "DatabaseSource", "JobSource"]

_PIECE: Final = 2**20
RENEWALS: Final = 3
"""In the time of a lease; all but one of them may fail."""


class JobSource(Protocol):
    """Where jobs come from, and where their results go.

    All methods raise StoreUnavailableError where it does not answer, and those that take a lease
    LostLeaseError where it holds no longer.
    """

    @property
    def settings(self) -> JobSettings:
        """Folders and limits of this worker."""

    @property
    def report_seconds(self) -> float:
        """Seconds between two notes of how far an attempt is, at least."""

    def heartbeat(self, state: WorkerState) -> None:
        """Register the worker, or tell that it is alive and what it does."""

    def deregister(self, worker_id: str) -> None:
        """Tell that the worker has stopped."""

    def upkeep(self, dead: Collection[str]) -> None:
        """Do what is due now and then, where these workers of this machine are dead."""

    def acquire(self, worker_id: str, can: Capabilities, until: Callable[[], bool]) -> Lease | None:
        """Lease the first job that the worker can do; None: there is none, or `until` is true."""

    def wait(self, seconds: float, until: Callable[[], bool]) -> None:
        """Wait until there may be a job, `until` is true, or the seconds are over."""

    def prepare(self, lease: Lease, scratch: Path) -> AttemptPlaces:
        """Fetch what an attempt needs.

        Args:
            lease: Of its job.
            scratch: The folder of the worker for files on their way.
        """

    def renew(self, lease: Lease, progress: Progress | None) -> bool:
        """Renew a lease, note progress, and return whether the attempt is to be stopped."""

    def succeed(self, lease: Lease, result: dict[str, Any], made: Sequence[Artifact]) -> None:
        """Give a job its result, and the files that lie where `prepare` said."""

    def end(self, lease: Lease, outcome: Outcome, failure: Failure | None = None) -> None:
        """End an attempt without a result; of one that is released, hand on the checkpoint.

        Args:
            lease: Of its job.
            outcome: How it ended.
            failure: Why, where it failed or crashed.
        """

    def clean(self, lease: Lease) -> None:
        """Remove what an attempt left that is over; what cannot be removed is left to others."""


class DatabaseSource:
    """Jobs from the database, and files in the folder that server and workers share.

    Where a bucket has the artifacts, an attempt leaves its files in a folder of its worker. What it
    made is put into the bucket before the result is recorded, and checkpoints of a training while
    it runs: what happens to the bucket meanwhile costs no attempt. The next attempt fetches the
    newest checkpoint from there, on whatever machine.

    Args:
        jobs: Both.
    """

    report_seconds: Final = 0.2
    """The server beside it lacks the time of the transaction."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self.settings = jobs.settings
        # Of attempts whose files go into a bucket, by job and token.
        self._own: dict[tuple[str, int], OwnFiles] = {}

    def heartbeat(self, state: WorkerState) -> None:
        """Write it into the table of workers."""
        self._jobs.workers.heartbeat(state)

    def deregister(self, worker_id: str) -> None:
        """Remove it from the table of workers."""
        self._jobs.workers.deregister(worker_id)

    def upkeep(self, dead: Collection[str]) -> None:
        """Free the jobs of dead and lost workers, and remove what is too old or too much."""
        self._jobs.upkeep.recover(dead)
        for worker_id in dead:
            self._jobs.workers.deregister(worker_id)
        self._jobs.upkeep.evict()

    def acquire(self, worker_id: str, can: Capabilities, until: Callable[[], bool]) -> Lease | None:
        """Lease a job in the table; it does not wait."""
        return None if until() else self._jobs.leases.acquire(worker_id, can)

    def wait(self, seconds: float, until: Callable[[], bool]) -> None:
        """Wait for a message of the server."""
        self._jobs.notifier.wait(seconds, until)

    def prepare(self, lease: Lease, scratch: Path) -> AttemptPlaces:
        """Return the shared folders, or those of the worker where a bucket has the files.

        Raises:
            OSError: The disk has no room for the checkpoint that is fetched.
        """
        if not self._jobs.artifacts.is_remote:
            return AttemptPlaces(
                kept=self._jobs.trainings.of_attempt(lease.job.id, lease.token),
                artifacts=self.settings.artifacts_dir,
                checkpoints=self.settings.checkpoints_dir,
            )
        own = self._own[lease.job.id, lease.token] = OwnFiles(lease, scratch, self.settings)
        if "save_epochs" in lease.job.spec:
            with self._renewed(lease):
                own.fetch_checkpoint(partial(self._fetch_checkpoint, lease.job.id))
            own.begin_saving(partial(self._jobs.saved.keep, lease))
        return replace(own.places, checkpoints=self._weights(lease, own.places.checkpoints))

    def renew(self, lease: Lease, progress: Progress | None) -> bool:
        """Renew it in the table."""
        return self._jobs.leases.renew(lease, progress)

    def succeed(self, lease: Lease, result: dict[str, Any], made: Sequence[Artifact]) -> None:
        """Write the result into the table; the files are in their place, or are put there first.

        Raises:
            RefusedResultError: A file is not what it was.
        """
        own = self._own.get((lease.job.id, lease.token))
        if own is not None:
            own.stop_saving()
            if made:
                if self._jobs.leases.renew(lease):
                    self._jobs.leases.cancel(lease)
                    return
                with self._renewed(lease):
                    self._put(BlobStore(own.places.artifacts), made)
        self._jobs.leases.succeed(lease, result, made)

    def end(self, lease: Lease, outcome: Outcome, failure: Failure | None = None) -> None:
        """Write it into the table; the next attempt finds the checkpoints where they are kept."""
        leases = self._jobs.leases
        if failure is not None:
            wrong = {"failed": leases.fail, "crashed": leases.crash}
            wrong[outcome](lease, failure)
            return
        own = self._own.get((lease.job.id, lease.token))
        if outcome == "released" and own is not None:
            with self._renewed(lease):
                own.stop_saving(after_the_newest=True)
        without = {"lost": leases.lose, "released": leases.release, "cancelled": leases.cancel}
        without[outcome](lease)

    def clean(self, lease: Lease) -> None:
        """Remove what a training kept if the job has ended, and what has been put into a bucket."""
        own = self._own.pop((lease.job.id, lease.token), None)
        if own is not None:
            own.remove()
        try:
            self._jobs.trainings.clean(lease.job.id)
        except OSError as error:
            log = structlog.get_logger().bind(job_id=lease.job.id)
            log.warning("nothing cleaned", reason=str(error))

    def _weights(self, lease: Lease, folder: Path) -> Path:
        """Return the folder of uploaded weights that a job names, which are fetched if need be."""
        digest = lease.job.spec.get("network", {}).get("checkpoint")
        shared, checkpoints = self.settings.checkpoints_dir, self._jobs.checkpoints
        if digest is None:
            return shared
        try:
            size = checkpoints.get(digest).size
            if checkpoints.is_here(digest, size):
                return shared
            with (
                self._renewed(lease),
                closing(checkpoints.open(digest, size)) as file,
                BlobStore(folder).receive() as incoming,
            ):
                while piece := file.read(_PIECE):
                    incoming.write(piece)
                incoming.keep()
        except (UnknownCheckpointError, DamagedFileError):
            # The attempt says that they are missing.
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

    def _put(self, folder: BlobStore, made: Sequence[Artifact]) -> None:
        """Put files into the store, those of an earlier try again: it may have thrown them away."""
        for artifact in made:
            found = self._jobs.artifacts.add(folder.path(artifact.sha256))
            if found != (artifact.sha256, artifact.size):
                raise RefusedResultError("artifacts", f"{artifact.name} was changed meanwhile")

    @contextmanager
    def _renewed(self, lease: Lease) -> Iterator[None]:
        """Keep a lease while files are on their way, which may take long."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self.settings.lease_seconds / RENEWALS):
                try:
                    self._jobs.leases.renew(lease)
                except StoreUnavailableError:
                    continue
                except LostLeaseError:
                    # Whoever records the result is told.
                    return

        renewing = threading.Thread(target=renew, name=f"lease of {lease.job.id}", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()
