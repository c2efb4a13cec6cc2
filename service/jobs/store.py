"""The jobs as clients see them: submit, read, list and cancel; and the deletion of old jobs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final
from uuid import uuid4

from peewee import fn

from bench_client.models import JobKind
from service.jobs.database import AdvisoryLock, JobDatabase
from service.jobs.errors import (
    IdempotencyConflictError,
    QueueFullError,
    RowExistsError,
    StoreUnavailableError,
    UnknownCheckpointError,
    UnknownJobError,
)
from service.jobs.networks import subject_of
from service.jobs.records import Job, JobState, NewJob
from service.jobs.statements import placeholder
from service.jobs.tables import (
    IS_ANSWERING,
    IS_WAITING,
    ArtifactRow,
    CheckpointRow,
    ContentRow,
    GivenKeyRow,
    JobRow,
    LostLeaseRow,
)

__all__ = ["JobRetention", "JobStore"]

_RETRY_AFTER: Final = 10
"""Seconds; a constant, as the duration of the queued jobs is unknown."""

_DAY: Final = 24 * 3600.0
_DELETED_AT_ONCE: Final = 100
"""Jobs deleted in one transaction, during which submissions wait."""

_SUBMISSIONS: Final = 5
"""Attempts at a submission that collides with another one of the same request. Submissions take a
lock, so the other one comes from a server of an earlier version without locks, during a rolling
update. It can collide again only if that job has ended without a result meanwhile."""


class JobStore:
    """The jobs in a database, for clients.

    All methods raise StoreUnavailableError if the database does not answer.

    Args:
        bound: The largest number of waiting jobs.
    """

    def __init__(self, database: JobDatabase, *, bound: int) -> None:
        self._database = database
        self._bound = bound
        # Clients that wait for a job poll it; most of the time would go into compiling its SQL.
        query = JobRow.select().where(JobRow.id == placeholder("id"))
        columns = JobRow._meta.sorted_fields  # noqa: SLF001 - documented by peewee
        self._row_statement = database.statement(query, columns)

    def submit(self, new: NewJob, *, given_key: str | None = None) -> tuple[Job, bool]:
        """Return the job for a request, and whether it was created now.

        If a job of the same request is queued, running or has a result, that job is returned. This
        holds for concurrent submissions, too: a unique index allows one such job per key.

        Args:
            new: The request.
            given_key: Idempotency key of the request, whatever becomes of the job.

        Raises:
            QueueFullError: The queue is full.
            IdempotencyConflictError: The idempotency key was used for another request.
            UnknownCheckpointError: The request names a checkpoint that does not exist (any more).
        """
        for _ in range(_SUBMISSIONS):
            try:
                return self._database.write(lambda: self._submit(new, given_key))
            except RowExistsError as error:
                # The same request was submitted concurrently; the retry finds its job.
                last = error
        raise StoreUnavailableError(
            "the database refuses a new job because of another one that it does not have; retry"
        ) from last

    def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            UnknownJobError: No job has this id.
        """
        return self._database.read(lambda: self._get(job_id))

    def answering(self, key: str) -> Job | None:
        """Return the job that answers a request with this key; None: a new one would be created."""

        def find() -> Job | None:
            return next(iter(self._with_artifacts(self._answering(key))), None)

        return self._database.read(find)

    def page(
        self,
        *,
        state: JobState | None = None,
        kind: JobKind | None = None,
        subject: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> tuple[list[Job], str | None]:
        """Return jobs, latest first, and the value of `before` for the next page.

        Raises:
            UnknownJobError: `before` is not the id of a job.
        """

        def select() -> list[Job]:
            query = JobRow.select().order_by(JobRow.number.desc()).limit(limit + 1)
            if before is not None:
                query = query.where(JobRow.number < self._row(before)["number"])
            if state is not None:
                query = query.where(JobRow.state == state)
            if kind is not None:
                query = query.where(JobRow.kind == kind)
            if subject is not None:
                query = query.where(JobRow.subject == subject)
            return self._with_artifacts(self._database.rows(query))

        jobs = self._database.read(select)
        return jobs[:limit], jobs[limit - 1].id if len(jobs) > limit else None

    def revisions(self, job_ids: Collection[str]) -> dict[str, int]:
        """Return the revision of each existing job, which changes whenever the job does."""
        query = JobRow.select(JobRow.id, JobRow.revision).where(JobRow.id.in_(list(job_ids)))
        rows = self._database.read(lambda: self._database.rows(query))
        return {row["id"]: row["revision"] for row in rows}

    def counts(self) -> dict[JobState, int]:
        """Return how many jobs are in each state."""
        query = JobRow.select(JobRow.state, fn.COUNT(1).alias("jobs")).group_by(JobRow.state)

        def count() -> dict[JobState, int]:
            # Converted within `read`, which reports an unknown state as a damaged database.
            rows = self._database.rows(query)
            return {JobState(row["state"]): row["jobs"] for row in rows}

        return dict.fromkeys(JobState, 0) | self._database.read(count)

    def cancel(self, job_id: str, *, stop: bool = False) -> Job:
        """Cancel a job and return it; a queued job ends at once, a running one by its worker.

        A job that has ended does not change.

        Args:
            job_id: The job.
            stop: Whether it ends as stopped instead of cancelled, if it has figures by then.

        Raises:
            UnknownJobError: No job has this id.
        """
        asked = {"cancel_requested": True, "revision": JobRow.revision + 1}

        def change() -> Job:
            self._row(job_id)
            mine = JobRow.id == job_id
            now = self._database.now()
            waiting = JobRow.update(
                state=JobState.CANCELLED, finished_at=now, revision=JobRow.revision + 1
            ).where(mine, JobRow.state == JobState.QUEUED)
            running = JobRow.update({**asked, "stop_requested": stop}).where(
                mine, JobRow.state == JobState.RUNNING, ~JobRow.cancel_requested
            )
            self._database.change(waiting)
            self._database.change(running)
            return self._get(job_id)

        return self._database.write(change)

    def submit_many(self, news: Sequence[NewJob]) -> list[tuple[str, bool]]:
        """Submit many requests, within `write`; return their ids, and whether each job is new.

        The list ends before the first request that does not fit into the queue.
        """
        self._database.lock(AdvisoryLock.SUBMIT)
        query = JobRow.select(JobRow.id, JobRow.key).where(
            JobRow.key.in_([new.key for new in news]), IS_ANSWERING
        )
        known = {row["key"]: row["id"] for row in self._database.rows(query)}
        room = self._bound - self._waiting()
        found: list[tuple[str, bool]] = []
        rows: list[dict[str, Any]] = []
        for new in news:
            job_id, made = known.get(new.key), False
            if job_id is None:
                if len(rows) >= room:
                    break
                rows.append(self._new_row(new))
                job_id, made = rows[-1]["id"], True
                known[new.key] = job_id
            found.append((job_id, made))
        self._database.insert_all(JobRow, rows)
        return found

    def _submit(self, new: NewJob, given_key: str | None) -> tuple[Job, bool]:
        # Locked, so that the job found and the number counted stay valid until the insertion.
        self._database.lock(AdvisoryLock.SUBMIT)
        if given_key is not None:
            query = GivenKeyRow.select().where(GivenKeyRow.text == given_key)
            for row in self._database.rows(query):
                if row["request"] != new.key:
                    raise IdempotencyConflictError(given_key, row["job_id"])
                return self._get(row["job_id"]), False
        job_id, made = next((row["id"] for row in self._answering(new.key)), None), False
        if job_id is None:
            if self._waiting() >= self._bound:
                raise QueueFullError(self._bound, _RETRY_AFTER)
            self._refuse_missing_checkpoint(new)
            row = self._new_row(new)
            self._database.insert(JobRow.insert(row))
            job_id, made = row["id"], True
        if given_key is not None:
            stands = {"text": given_key, "request": new.key, "job_id": job_id}
            self._database.insert(GivenKeyRow.insert(stands))
        return self._get(job_id), made

    def _answering(self, key: str) -> list[dict[str, Any]]:
        return self._database.rows(JobRow.select().where(JobRow.key == key, IS_ANSWERING))

    def _waiting(self) -> int:
        return self._database.count(JobRow.select().where(IS_WAITING))

    def _refuse_missing_checkpoint(self, new: NewJob) -> None:
        checkpoint = new.spec.get("network", {}).get("checkpoint")
        if checkpoint is None:
            return
        query = CheckpointRow.select().where(CheckpointRow.sha256 == checkpoint)
        if not self._database.rows(query):
            raise UnknownCheckpointError(checkpoint)

    def _new_row(self, new: NewJob) -> dict[str, Any]:
        network = new.spec.get("network")
        return {
            **{field.name: getattr(new, field.name) for field in fields(new)},
            "spec": json.dumps(new.spec),
            "subject": None if network is None else subject_of(network),
            "id": uuid4().hex,
            "state": JobState.QUEUED,
            "created_at": self._database.now(),
            "not_before": 0.0,
            "revision": 1,
            **dict.fromkeys(("attempts", "crashes", "losses", "token"), 0),
            "cancel_requested": False,
            "stop_requested": False,
        }

    def _get(self, job_id: str) -> Job:
        (job,) = self._with_artifacts([self._row(job_id)])
        return job

    def _row(self, job_id: str) -> dict[str, Any]:
        for row in self._database.found(self._row_statement, id=job_id):
            return row
        raise UnknownJobError(job_id)

    def _with_artifacts(self, rows: Sequence[Mapping[str, Any]]) -> list[Job]:
        made = [row["id"] for row in rows if row["state"] == JobState.SUCCEEDED]
        query = (
            ArtifactRow.select(ArtifactRow, ContentRow.size)
            .join(ContentRow, on=ArtifactRow.sha256 == ContentRow.sha256)
            .where(ArtifactRow.job_id.in_(made))
            .order_by(ArtifactRow.name)
        )
        artifacts = self._database.rows(query) if made else []
        return [
            Job.from_row(row, [found for found in artifacts if found["job_id"] == row["id"]])
            for row in rows
        ]


class JobRetention:
    """Deletes jobs some time after they have ended.

    Args:
        most_days: Days after its end that a job is kept.
    """

    def __init__(self, database: JobDatabase, *, most_days: float) -> None:
        self._database = database
        self._most_seconds = most_days * _DAY

    def forget(self) -> int:
        """Delete the jobs that ended too long ago; return how many.

        Their idempotency keys and lists of artifacts are deleted with them. A file that no other
        job lists is removed by the next eviction of artifacts.

        Raises:
            StoreUnavailableError: The database does not answer.
        """
        gone = 0
        while forgotten := self._database.write(self._forget_batch):
            gone += forgotten
        return gone

    def _forget_batch(self) -> int:
        # The lock protects a submission that has found a job and still has to read it.
        self._database.lock(AdvisoryLock.SUBMIT)
        self._database.lock(AdvisoryLock.REMOVE)
        ended = JobRow.finished_at < self._database.now() - self._most_seconds
        query = (
            JobRow.select(JobRow.id)
            .where(ended)
            .order_by(JobRow.finished_at)
            .limit(_DELETED_AT_ONCE)
        )
        job_ids = [row["id"] for row in self._database.rows(query)]
        if not job_ids:
            return 0
        listed = ArtifactRow.select(ArtifactRow.sha256).where(ArtifactRow.job_id.in_(job_ids))
        digests = {row["sha256"] for row in self._database.rows(listed)}
        for table in (ArtifactRow, GivenKeyRow, LostLeaseRow):
            self._database.change(table.delete().where(table.job_id.in_(job_ids)))
        self._database.change(JobRow.delete().where(JobRow.id.in_(job_ids)))
        self._forget_unlisted(digests)
        return len(job_ids)

    def _forget_unlisted(self, digests: set[str]) -> None:
        mine = ContentRow.select(ContentRow.sha256).where(ContentRow.sha256.in_(sorted(digests)))
        # A job that ends now with the same content has listed it before, or makes it again.
        self._database.rows(self._database.for_update(mine))
        query = ArtifactRow.select(ArtifactRow.sha256).where(
            ArtifactRow.sha256.in_(sorted(digests))
        )
        unlisted = digests - {row["sha256"] for row in self._database.rows(query)}
        self._database.change(ContentRow.delete().where(ContentRow.sha256.in_(sorted(unlisted))))
