"""Jobs that have ended are remembered for a while, then forgotten with all that is noted."""

from __future__ import annotations

from typing import Final

from service.jobs.database import JobDatabase, Turn
from service.jobs.tables import ArtifactRow, ContentRow, GivenKeyRow, JobRow

__all__ = ["JobMemory"]

_DAY: Final = 24 * 3600.0
_AT_ONCE: Final = 100
"""Jobs that are forgotten in one transaction: submissions wait for it."""


class JobMemory:
    """The jobs that have ended, as long as they are remembered.

    Args:
        database: Where they are kept.
        most_days: How long after its end a job is remembered.
    """

    def __init__(self, database: JobDatabase, *, most_days: float) -> None:
        self._database = database
        self._most_seconds = most_days * _DAY

    def forget(self) -> int:
        """Forget the jobs that ended too long ago, and return how many went.

        With a job go the keys that were given for it and the list of its artifacts. What no other
        job lists is no artifact any more, and its file goes when next some are evicted.

        Raises:
            StoreUnavailableError: The database does not answer.
        """
        gone = 0
        while forgotten := self._database.write(self._forget_some):
            gone += forgotten
        return gone

    def _forget_some(self) -> int:
        # A submission that has found a job still has to read it.
        self._database.wait_for(Turn.SUBMIT)
        self._database.wait_for(Turn.REMOVE)
        ended = JobRow.finished_at < self._database.now() - self._most_seconds
        query = JobRow.select(JobRow.id).where(ended).order_by(JobRow.finished_at).limit(_AT_ONCE)
        job_ids = [row["id"] for row in self._database.rows(query)]
        if not job_ids:
            return 0
        listed = ArtifactRow.select(ArtifactRow.sha256).where(ArtifactRow.job_id.in_(job_ids))
        digests = {row["sha256"] for row in self._database.rows(listed)}
        for table in (ArtifactRow, GivenKeyRow):
            self._database.change(table.delete().where(table.job_id.in_(job_ids)))
        self._database.change(JobRow.delete().where(JobRow.id.in_(job_ids)))
        self._forget_unlisted(digests)
        return len(job_ids)

    def _forget_unlisted(self, digests: set[str]) -> None:
        mine = ContentRow.select(ContentRow.sha256).where(ContentRow.sha256.in_(sorted(digests)))
        # A job that ends now with the same content lists it before this, or makes it anew after.
        self._database.rows(self._database.held(mine))
        query = ArtifactRow.select(ArtifactRow.sha256).where(
            ArtifactRow.sha256.in_(sorted(digests))
        )
        unlisted = digests - {row["sha256"] for row in self._database.rows(query)}
        self._database.change(ContentRow.delete().where(ContentRow.sha256.in_(sorted(unlisted))))
