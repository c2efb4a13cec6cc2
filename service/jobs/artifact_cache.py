"""Eviction of artifacts, least recently used first.

The database knows which artifacts exist, their sizes and their last use, so the store is not asked.
"""

from __future__ import annotations

import time
from functools import partial
from itertools import islice
from typing import Final

from peewee import fn

from service.jobs.artifact_store import ArtifactStore
from service.jobs.blob_store import BlobStore
from service.jobs.database import AdvisoryLock, JobDatabase
from service.jobs.errors import ArtifactsUnavailableError
from service.jobs.records import Artifact, JobState
from service.jobs.tables import ArtifactRow, CheckpointRow, ContentRow, JobRow, SavedRow

__all__ = ["ArtifactCache"]

_DAY: Final = 24 * 3600.0
_MIN_AGE_SECONDS: Final = 3600.0
"""Seconds during which a file is not removed: it may be incomplete, or complete and not listed yet
because its job has not ended."""
_REMOTE_SWEEP: Final = 3600.0
"""Seconds between two listings of a whole bucket, which are charged per page."""
_BATCH: Final = 100


class ArtifactCache:
    """Evicts artifacts above a total size or an age.

    Args:
        incoming: The folder of this machine's incomplete files.
        most_bytes: The largest total size of all artifacts.
        most_days: Days after its last use that an artifact is kept.
    """

    def __init__(
        self,
        database: JobDatabase,
        store: ArtifactStore,
        *,
        incoming: BlobStore,
        most_bytes: int,
        most_days: float,
    ) -> None:
        self._database = database
        self._store = store
        self._incoming = incoming
        self._most_bytes = most_bytes
        self._most_seconds = most_days * _DAY
        self._swept = float("-inf")

    def touch(self, sha256: str) -> None:
        """Record that an artifact was used now."""
        query = ContentRow.update(used_at=self._database.now()).where(ContentRow.sha256 == sha256)
        self._database.write(lambda: self._database.change(query))

    def lose(self, artifact: Artifact, *, damaged: bool = False) -> None:
        """Expire the jobs that list an artifact whose file is missing or damaged.

        Nothing changes if a job has made the file again meanwhile, or if the whole folder or bucket
        is unreachable and may come back.

        Args:
            artifact: The artifact.
            damaged: Whether the file was read and has another digest; otherwise the store is asked.

        Raises:
            StoreUnavailableError: The database or the bucket does not answer.
        """
        seen = self._database.read(lambda: self._used_at(artifact))
        if not self._store.is_there():
            return
        # Before the transaction, which must not wait for a bucket.
        if not damaged and self._store.holds(artifact.sha256, artifact.size):
            return

        def forget() -> None:
            self._database.lock(AdvisoryLock.REMOVE)
            if self._used_at(artifact) == seen:
                self._forget([artifact.sha256])

        self._database.write(forget)

    def _used_at(self, artifact: Artifact) -> float | None:
        """Return when an artifact was last made or used; None if no job lists it."""
        query = ContentRow.select(ContentRow.used_at).where(ContentRow.sha256 == artifact.sha256)
        return next((float(row["used_at"]) for row in self._database.rows(query)), None)

    def evict(self) -> int:
        """Remove artifacts that are too old or exceed the total size; return how many.

        The jobs of an evicted artifact are expired before its file is removed, so only clients that
        read the job just before can be told of a missing file. A file that was made within the last
        hour may belong to a job about to end; a later sweep removes it.

        Raises:
            ArtifactsUnavailableError: The store does not answer, or holds the artifacts of another
                database; this database lists none of them and would remove all.
        """
        if not self._store.claim(self._database.identity()):
            raise ArtifactsUnavailableError(
                f"{self._store.where} has the artifacts of another database of jobs"
            )
        gone = 0
        while batch := self._database.write(self._forget_batch):
            for sha256 in batch:
                self._store.remove_older(sha256, _MIN_AGE_SECONDS)
            gone += len(batch)
        self._incoming.remove_incomplete(_MIN_AGE_SECONDS)
        if time.monotonic() - self._swept >= (_REMOTE_SWEEP if self._store.is_remote else 0):
            self._swept = time.monotonic()
            self._sweep()
        return gone

    def _forget_batch(self) -> list[str]:
        """Delete the rows of the next artifacts to evict; return the digests of their files."""
        # Two evictions at once would each free all of the space.
        self._database.lock(AdvisoryLock.REMOVE)
        total = ContentRow.select(fn.COALESCE(fn.SUM(ContentRow.size), 0).alias("bytes"))
        (row,) = self._database.rows(total)
        surplus = row["bytes"] - self._most_bytes
        chosen = []
        query = ContentRow.select(
            ContentRow.sha256,
            ContentRow.size,
            (ContentRow.used_at < self._database.now() - self._most_seconds).alias("old"),
        )
        oldest = query.order_by(ContentRow.used_at).limit(_BATCH)
        # A job that ends now with the same content has listed it before, or makes it again.
        for row in self._database.rows(self._database.for_update(oldest)):
            if surplus <= 0 and not row["old"]:
                break
            surplus -= row["size"]
            chosen.append(row["sha256"])
        if chosen:
            self._forget(chosen)
        return chosen

    def _forget(self, digests: list[str]) -> None:
        affected = ArtifactRow.select(ArtifactRow.job_id).where(ArtifactRow.sha256.in_(digests))
        job_ids = sorted({row["job_id"] for row in self._database.rows(affected)})
        expired = JobRow.update(state=JobState.EXPIRED, revision=JobRow.revision + 1).where(
            JobRow.id.in_(job_ids), JobRow.state == JobState.SUCCEEDED
        )
        self._database.change(expired)
        self._database.change(ArtifactRow.delete().where(ArtifactRow.job_id.in_(job_ids)))
        self._database.change(ContentRow.delete().where(ContentRow.sha256.in_(digests)))

    def _sweep(self) -> None:
        """Remove files that no table lists, such as those of failed attempts."""
        found = self._store.digests()
        while digests := list(islice(found, _BATCH)):
            for sha256 in set(digests) - self._database.read(partial(self._listed, digests)):
                self._store.remove_older(sha256, _MIN_AGE_SECONDS)

    def _listed(self, digests: list[str]) -> set[str]:
        """Return which digests are listed as an artifact, a checkpoint or uploaded weights."""
        found = set()
        for table in (ContentRow, SavedRow, CheckpointRow):
            query = table.select(table.sha256).where(table.sha256.in_(digests))
            found |= {row["sha256"] for row in self._database.rows(query)}
        return found
