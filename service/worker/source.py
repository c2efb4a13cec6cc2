"""Where a worker's jobs come from: the database itself, or a server over HTTP.

Both are a `JobSource` to the worker and its executors. An attempt sees folders only; what a source
has to fetch before it and to hand over after it is the source's matter.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from service.jobs import Jobs, JobSettings
from service.jobs.blob_store import BlobStore
from service.jobs.checkpoint_bundles import unpack
from service.jobs.errors import (
    DamagedFileError,
    LostLeaseError,
    RefusedResultError,
    StoreUnavailableError,
    UnknownCheckpointError,
)
from service.jobs.records import Artifact, Capabilities, Failure, Lease, Progress, WorkerState
from service.jobs.training_folders import AttemptFolder
from service.worker.checkpoint_saver import CheckpointSaver

__all__ = ["AttemptPlaces", "DatabaseSource", "JobSource"]

_PIECE: Final = 2**20
_RENEWALS: Final = 3
"""In the time of a lease; all but one of them may fail."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptPlaces:
    """Where an attempt finds and leaves what outlives it.

    Args:
        kept: What it leaves to the next attempt of the job, and finds of the one before.
        artifacts: The folder that keeps what it makes.
        checkpoints: The folder of uploaded weights.
    """

    kept: AttemptFolder
    artifacts: Path
    checkpoints: Path


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

    def fail(self, lease: Lease, failure: Failure) -> None:
        """End a job that cannot be done."""

    def crash(self, lease: Lease, failure: Failure) -> None:
        """End an attempt that the next one may do better."""

    def lose(self, lease: Lease) -> None:
        """Free a job whose attempt was lost with the machine that it ran on."""

    def release(self, lease: Lease) -> None:
        """Hand a job back, with the checkpoint of its training; the attempt does not count."""

    def cancel(self, lease: Lease) -> None:
        """End a job that was cancelled."""

    def clean(self, lease: Lease) -> None:
        """Remove what an attempt left that is over; what cannot be removed is left to others."""


@dataclass
class _Beside:
    """What an attempt has in a folder of its worker, because a bucket has the files of jobs.

    Attributes:
        folder: The folder.
        saver: Puts checkpoints of a training into the bucket.
    """

    folder: Path
    saver: CheckpointSaver | None = None

    @property
    def artifacts(self) -> Path:
        """Where it leaves what it made."""
        return self.folder / "artifacts"

    def stop(self) -> None:
        """Put no more checkpoints into the bucket."""
        if self.saver is not None:
            self.saver.stop()


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
        self._beside: dict[tuple[str, int], _Beside] = {}

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
        folder = scratch / f"{lease.job.id}-{lease.token}.files"
        folder.mkdir(parents=True)
        beside = self._beside[lease.job.id, lease.token] = _Beside(folder)
        kept = AttemptFolder(
            root=folder / "trainings",
            job_id=lease.job.id,
            token=lease.token,
            most_bytes=self.settings.trainings_bytes,
        )
        if "save_epochs" in lease.job.spec:
            self._fetch_checkpoint(lease, kept, folder / "fetched.tar")
            beside.saver = CheckpointSaver(
                lambda file: self._jobs.saved.keep(lease, file),
                kept=kept,
                file=folder / "saved.tar",
                seconds=self.settings.checkpoint_seconds,
            )
            beside.saver.start()
        return AttemptPlaces(
            kept=kept,
            artifacts=beside.artifacts,
            checkpoints=self._weights(lease, folder / "checkpoints"),
        )

    def renew(self, lease: Lease, progress: Progress | None) -> bool:
        """Renew it in the table."""
        return self._jobs.leases.renew(lease, progress)

    def succeed(self, lease: Lease, result: dict[str, Any], made: Sequence[Artifact]) -> None:
        """Write the result into the table; the files are in their place, or are put there first.

        Raises:
            RefusedResultError: A file is not what it was.
        """
        beside = self._beside.get((lease.job.id, lease.token))
        if beside is not None:
            beside.stop()
        if beside is not None and made:
            if self._jobs.leases.renew(lease):
                self._jobs.leases.cancel(lease)
                return
            with self._renewed(lease):
                self._put(BlobStore(beside.artifacts), made)
        self._jobs.leases.succeed(lease, result, made)

    def fail(self, lease: Lease, failure: Failure) -> None:
        """Write it into the table."""
        self._jobs.leases.fail(lease, failure)

    def crash(self, lease: Lease, failure: Failure) -> None:
        """Write it into the table."""
        self._jobs.leases.crash(lease, failure)

    def lose(self, lease: Lease) -> None:
        """Write it into the table."""
        self._jobs.leases.lose(lease)

    def release(self, lease: Lease) -> None:
        """Write it into the table; the next attempt finds the checkpoints where they are kept."""
        beside = self._beside.get((lease.job.id, lease.token))
        if beside is not None and beside.saver is not None:
            beside.stop()
            with self._renewed(lease):
                beside.saver.save()
        self._jobs.leases.release(lease)

    def cancel(self, lease: Lease) -> None:
        """Write it into the table."""
        self._jobs.leases.cancel(lease)

    def clean(self, lease: Lease) -> None:
        """Remove what a training kept if the job has ended, and what has been put into a bucket."""
        beside = self._beside.pop((lease.job.id, lease.token), None)
        if beside is not None:
            beside.stop()
            shutil.rmtree(beside.folder, ignore_errors=True)
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

    def _fetch_checkpoint(self, lease: Lease, kept: AttemptFolder, file: Path) -> None:
        """Fetch the newest checkpoint of a training, where there is one."""
        try:
            with self._renewed(lease):
                found = self._jobs.saved.open(lease.job.id, file)
                with closing(found.file), file.open("wb") as target:
                    while piece := found.file.read(_PIECE):
                        target.write(piece)
                kept.keep(unpack, file)
        except UnknownCheckpointError:
            return
        except (DamagedFileError, RefusedResultError) as error:
            # The training begins anew, which costs time and nothing else.
            log = structlog.get_logger().bind(job_id=lease.job.id)
            log.warning("no checkpoint fetched", reason=str(error))
        finally:
            file.unlink(missing_ok=True)

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
            while not over.wait(self.settings.lease_seconds / _RENEWALS):
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
