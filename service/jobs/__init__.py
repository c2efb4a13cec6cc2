"""Durable jobs: the job table, the queue that wakes workers, and the artifacts.

with open_jobs(JobSettings()) as jobs:
    job, made = jobs.store.submit(request)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from service.jobs.artifact_cache import ArtifactCache
from service.jobs.artifact_store import ArtifactStore, open_artifact_store
from service.jobs.blob_store import BlobStore
from service.jobs.checkpoints import CheckpointStore
from service.jobs.database import JobDatabase
from service.jobs.leases import LeaseStore
from service.jobs.ledger import Ledger
from service.jobs.saved_checkpoints import (
    BucketCheckpoints,
    FolderCheckpoints,
    SavedCheckpoints,
)
from service.jobs.settings import JobSettings
from service.jobs.store import JobRetention, JobStore
from service.jobs.training_folders import TrainingFolders
from service.jobs.worker_registry import WorkerRegistry

if TYPE_CHECKING:
    from service.jobs.notifier import Notifier
    from service.jobs.upkeep import Upkeep

__all__ = ["JobSettings", "Jobs", "open_jobs"]


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """The stores and settings of jobs that server and workers share.

    Attributes:
        settings: The settings of jobs.
        database: The database with the job tables.
        ledger: The results of trainings.
        store: Submits, reads and cancels jobs.
        leases: Leases jobs to workers.
        workers: The registered workers.
        checkpoints: The uploaded checkpoints.
        notifier: Wakes idle workers.
        artifacts: The files that jobs made, by digest.
        artifact_folder: The folder of the artifacts and of incomplete files; of incomplete files
            alone where a bucket has the artifacts.
        artifact_cache: Evicts old artifacts.
        retention: Deletes old jobs.
        weights: The files of the uploaded checkpoints in the folder of this machine, by digest.
        trainings: The folders in which running trainings keep checkpoints, without a bucket.
        saved: The checkpoints that running trainings handed over.
    """

    settings: JobSettings
    database: JobDatabase
    ledger: Ledger
    store: JobStore
    leases: LeaseStore
    workers: WorkerRegistry
    checkpoints: CheckpointStore
    notifier: Notifier
    artifacts: ArtifactStore
    artifact_folder: BlobStore
    artifact_cache: ArtifactCache
    retention: JobRetention
    weights: BlobStore
    trainings: TrainingFolders
    saved: SavedCheckpoints

    @cached_property
    def upkeep(self) -> Upkeep:
        """The periodic clean-up."""
        # Imported here: the settings of jobs are also read without structlog.
        from service.jobs.upkeep import Upkeep  # noqa: PLC0415

        return Upkeep(self)


@contextmanager
def open_jobs(settings: JobSettings) -> Iterator[Jobs]:
    """Open the database and the queue of the jobs, and close them at the end.

    Neither is contacted yet: a damaged or unreachable one may work by the time it is needed.

    Raises:
        OSError: The folder of the jobs cannot be created.
        MissingExtraError: A library that the settings require is not installed.
    """
    # huey imports Redis's library where it is installed, which imports half of OpenTelemetry.
    from service.jobs.notifier import Notifier  # noqa: PLC0415

    settings.folder.mkdir(parents=True, exist_ok=True)
    artifacts = open_artifact_store(settings)
    artifact_folder = BlobStore(settings.artifacts_dir)
    weights = BlobStore(settings.checkpoints_dir)
    with (
        closing(JobDatabase(settings.database_url)) as database,
        closing(Notifier(settings)) as notifier,
    ):
        store = JobStore(database, bound=settings.queue_bound)
        most = settings.trainings_bytes
        trainings = TrainingFolders(settings.trainings_dir, store, most_bytes=most)
        yield Jobs(
            settings=settings,
            database=database,
            ledger=Ledger(database),
            store=store,
            leases=LeaseStore(
                database,
                lease_seconds=settings.lease_seconds,
                retry_seconds=settings.retry_seconds,
            ),
            workers=WorkerRegistry(database, lease_seconds=settings.lease_seconds),
            checkpoints=CheckpointStore(
                database,
                weights,
                bucket=artifacts if artifacts.is_remote else None,
                path=settings.checkpoints_dir,
                most_bytes=settings.checkpoints_bytes,
            ),
            notifier=notifier,
            artifacts=artifacts,
            artifact_folder=artifact_folder,
            artifact_cache=ArtifactCache(
                database,
                artifacts,
                incoming=artifact_folder,
                most_bytes=settings.artifact_bytes,
                most_days=settings.artifact_days,
            ),
            retention=JobRetention(database, most_days=settings.job_days),
            weights=weights,
            trainings=trainings,
            saved=BucketCheckpoints(database, artifacts, most_bytes=most)
            if artifacts.is_remote
            else FolderCheckpoints(settings.trainings_dir, trainings),
        )
