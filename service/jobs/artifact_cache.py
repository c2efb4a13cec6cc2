"""The eviction of old artifacts: those go first that were used longest ago.

What there is, how large it is and when it was used, the database tells: no store is asked for it.
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
_YOUNG: Final = 3600.0
"""Seconds within which a file may be on its way: being written, or complete and not yet listed,
because the job that made it has not ended."""
_REMOTE_SWEEP: Final = 3600.0
"""Seconds between two looks at all that is in a bucket, which are paid by the page."""
_AT_ONCE: Final = 100


class ArtifactCache:
    """The artifacts that are kept, within bounds of size and age.

    Args:
        incoming: The folder in which this machine has files on their way.
        most_bytes: How much of them is kept.
        most_days: How long after its last use one is kept.
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
        """Note that an artifact was used now."""
        query = ContentRow.update(used_at=self._database.now()).where(ContentRow.sha256 == sha256)
        self._database.write(lambda: self._database.change(query))

    def lose(self, artifact: Artifact, *, damaged: bool = False) -> None:
        """Note that the file of an artifact is gone or damaged: jobs that list it are expired.

        Nothing is noted where a job has made the file anew meanwhile, or the whole folder or bucket
        is away and may come back.

        Args:
            artifact: The artifact.
            damaged: Whether the file was read and has another digest; else it is looked at.

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
        """Return when an artifact was last made or used; None where no job lists it."""
        query = ContentRow.select(ContentRow.used_at).where(ContentRow.sha256 == artifact.sha256)
        return next((float(row["used_at"]) for row in self._database.rows(query)), None)

    def evict(self) -> int:
        """Throw away what is too old or too much, and return how many files went.

        A job whose artifact goes is expired. It is so before the file is removed: whoever is told
        of an artifact can have it, but for those who were told just before. A file that was made
        lately may be that of a job about to end, and is removed an hour later.

        Raises:
            ArtifactsUnavailableError: The store does not answer, or holds the artifacts of another
                database, which this one takes for what nobody needs.
        """
        if not self._store.claim(self._database.identity()):
            raise ArtifactsUnavailableError(
                f"{self._store.where} has the artifacts of another database of jobs"
            )
        gone = 0
        while batch := self._database.write(self._forget_some):
            for sha256 in batch:
                self._store.remove_older(sha256, _YOUNG)
            gone += len(batch)
        self._incoming.remove_begun(_YOUNG)
        if time.monotonic() - self._swept >= (_REMOTE_SWEEP if self._store.is_remote else 0):
            self._swept = time.monotonic()
            self._sweep()
        return gone

    def _forget_some(self) -> list[str]:
        """Forget the artifacts that go next; return the digests of their files."""
        # Two that evict at once would each make all the room.
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
        oldest = query.order_by(ContentRow.used_at).limit(_AT_ONCE)
        # A job that ends now with the same content has listed it before this, or makes it anew.
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
        """Remove the files that nothing lists: of attempts that came to nothing, for one."""
        found = self._store.digests()
        while digests := list(islice(found, _AT_ONCE)):
            for sha256 in set(digests) - self._database.read(partial(self._listed, digests)):
                self._store.remove_older(sha256, _YOUNG)

    def _listed(self, digests: list[str]) -> set[str]:
        """Return which of some files are an artifact, a checkpoint or uploaded weights."""
        found = set()
        for table in (ContentRow, SavedRow, CheckpointRow):
            query = table.select(table.sha256).where(table.sha256.in_(digests))
            found |= {row["sha256"] for row in self._database.rows(query)}
        return found
