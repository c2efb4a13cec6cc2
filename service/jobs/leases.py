"""The jobs as workers see them: claimed, kept, ended.

A claim gives a token and a lease. Every word of the worker renews the lease; when it runs out, the
job is free again, and the token of the next claim makes the old one worthless: what a worker says
that was thought dead changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from peewee import Expression

from service.jobs.database import JobDatabase
from service.jobs.errors import LostLeaseError
from service.jobs.records import Artifact, Capabilities, Claim, Failure, Job, JobState, Progress
from service.jobs.settings import MAX_CRASHES, MAX_LOSSES
from service.jobs.tables import IS_RUNNING, IS_WAITING, ArtifactRow, ContentRow, JobRow

__all__ = ["LeaseStore"]

_LOST: Final = Failure(
    kind="lost-worker",
    message="the worker that ran the job fell silent; its machine or its process has died",
)


class LeaseStore:
    """The jobs in a database, for those who do them.

    All methods raise StoreUnavailableError where it does not answer.

    Args:
        database: Where they are kept.
        lease_seconds: How long a claim holds without a word.
        retry_seconds: How long a job waits after its first crash; twice as long after the next.
    """

    def __init__(
        self, database: JobDatabase, *, lease_seconds: float, retry_seconds: float
    ) -> None:
        self._database = database
        self._lease = lease_seconds
        self._retry = retry_seconds

    def claim(self, worker: str, can: Capabilities) -> Claim | None:
        """Take the first job that one can do, by priority and then by age; None if there is none.

        Args:
            worker: Who takes it.
            can: What it can do.
        """
        return self._database.write(lambda: self._claim(worker, can))

    def renew(self, claim: Claim, progress: Progress | None = None) -> bool:
        """Keep a job, say how far it is, and return whether it is to be given up.

        Raises:
            LostLeaseError: It was taken away.
        """
        changes: dict[str, Any] = {"lease_until": self._database.now() + self._lease}
        if progress is not None:
            changes |= {"progress": json.dumps(asdict(progress)), "revision": JobRow.revision + 1}

        def change() -> bool:
            self._change(claim, changes)
            query = JobRow.select(JobRow.cancel_requested).where(JobRow.id == claim.job.id)
            return any(row["cancel_requested"] for row in self._database.rows(query))

        return self._database.write(change)

    def succeed(
        self, claim: Claim, result: Mapping[str, Any], artifacts: Sequence[Artifact]
    ) -> None:
        """Give a job its result.

        Said twice with one token it is said once.

        Raises:
            LostLeaseError: It was taken away.
        """

        def change() -> None:
            if self._is_done(claim):
                return
            self._end(claim, JobState.SUCCEEDED, result=json.dumps(result), error=None)
            now = self._database.now()
            for artifact in artifacts:
                content = ContentRow.insert(
                    sha256=artifact.sha256, size=artifact.size, used_at=now
                ).on_conflict(conflict_target=[ContentRow.sha256], update={"used_at": now})
                self._database.insert(content)
                row = ArtifactRow.insert(
                    job_id=claim.job.id,
                    name=artifact.name,
                    media_type=artifact.media_type,
                    sha256=artifact.sha256,
                )
                self._database.insert(row)

        self._database.write(change)

    def fail(self, claim: Claim, failure: Failure) -> None:
        """End a job whose request cannot be done.

        Raises:
            LostLeaseError: It was taken away.
        """
        error = json.dumps(asdict(failure))
        self._database.write(lambda: self._end(claim, JobState.FAILED, error=error))

    def crash(self, claim: Claim, failure: Failure) -> JobState:
        """End an attempt that crashed or met a limit, and return what becomes of the job.

        Raises:
            LostLeaseError: It was taken away.
        """
        crashes = claim.job.crashes + 1
        changes = {"crashes": crashes, "error": json.dumps(asdict(failure))}
        if crashes >= MAX_CRASHES:
            self._database.write(lambda: self._end(claim, JobState.PARKED, **changes))
            return JobState.PARKED
        changes |= {"not_before": self._database.now() + self._retry * 2 ** (crashes - 1)}
        return self._database.write(lambda: self._requeue(claim, changes))

    def hand_back(self, claim: Claim) -> None:
        """Give a job back unharmed, because its worker stops: the attempt does not count.

        One that was to be cancelled is, because nobody may be there to take it.

        Raises:
            LostLeaseError: It was taken away.
        """
        changes = {"attempts": claim.job.attempts - 1}
        self._database.write(lambda: self._requeue(claim, changes))

    def give_up(self, claim: Claim) -> None:
        """End a job that was cancelled.

        Raises:
            LostLeaseError: It was taken away.
        """
        self._database.write(lambda: self._end(claim, JobState.CANCELLED))

    def recover(self, dead: Collection[str] = ()) -> int:
        """Free the jobs whose lease ran out or whose worker is dead, and return how many.

        Args:
            dead: Workers that are known to be dead.
        """
        gone = (JobRow.lease_until < self._database.now()) | JobRow.worker.in_(list(dead))
        lost = IS_RUNNING & gone
        poison = JobRow.losses + 1 >= MAX_LOSSES

        def change() -> int:
            return (
                self._free(lost & JobRow.cancel_requested, JobState.CANCELLED)
                + self._free(lost & poison, JobState.PARKED)
                + self._free(lost, JobState.QUEUED)
            )

        if not self._database.read(lambda: self._database.rows(JobRow.select().where(lost))):
            return 0
        return self._database.write(change)

    def _claim(self, worker: str, can: Capabilities) -> Claim | None:
        query = self._first(can)
        if not self._database.is_sqlite:
            query = query.for_update("FOR UPDATE SKIP LOCKED")
        for row in self._database.rows(query):
            now = self._database.now()
            taken = JobRow.update(
                state=JobState.RUNNING,
                worker=worker,
                token=row["token"] + 1,
                attempts=row["attempts"] + 1,
                revision=row["revision"] + 1,
                started_at=now,
                lease_until=now + self._lease,
                progress=None,
            ).where(JobRow.id == row["id"])
            self._database.change(taken)
            (claimed,) = self._database.rows(JobRow.select().where(JobRow.id == row["id"]))
            return Claim(job=Job.from_row(claimed), token=claimed["token"])
        return None

    def _first(self, can: Capabilities) -> Any:
        """Return the query for the first job that one can do."""
        return (
            JobRow.select()
            .where(
                IS_WAITING,
                JobRow.not_before <= self._database.now(),
                JobRow.needs_device.in_(["any", can.device]),
                JobRow.needs_dataset.is_null() | JobRow.needs_dataset.in_(list(can.datasets)),
            )
            .order_by(JobRow.priority.desc(), JobRow.number)
            .limit(1)
        )

    def _requeue(self, claim: Claim, changes: Mapping[str, Any]) -> JobState:
        freed = {"state": JobState.QUEUED, "lease_until": None, "progress": None}
        self._change(claim, {**freed, "revision": JobRow.revision + 1, **changes})
        cancelled = JobRow.update(state=JobState.CANCELLED, finished_at=self._database.now()).where(
            JobRow.id == claim.job.id, JobRow.cancel_requested
        )
        return JobState.CANCELLED if self._database.change(cancelled) else JobState.QUEUED

    def _end(self, claim: Claim, state: JobState, **changes: Any) -> None:
        ended = {"state": state, "lease_until": None, "finished_at": self._database.now()}
        self._change(claim, {**ended, "revision": JobRow.revision + 1, **changes})

    def _change(self, claim: Claim, changes: Mapping[str, Any]) -> None:
        changed = self._database.change(JobRow.update(dict(changes)).where(_held(claim)))
        if not changed:
            raise LostLeaseError(claim.job.id, claim.token)

    def _is_done(self, claim: Claim) -> bool:
        query = JobRow.select(JobRow.id).where(
            JobRow.id == claim.job.id,
            JobRow.token == claim.token,
            JobRow.state == JobState.SUCCEEDED,
        )
        return bool(self._database.rows(query))

    def _free(self, lost: Expression, state: JobState) -> int:
        changes: dict[str, Any] = {
            "state": state,
            "lease_until": None,
            "progress": None,
            "losses": JobRow.losses + 1,
            "revision": JobRow.revision + 1,
            "error": json.dumps(asdict(_LOST)),
        }
        if state is not JobState.QUEUED:
            changes["finished_at"] = self._database.now()
        return self._database.change(JobRow.update(changes).where(lost))


def _held(claim: Claim) -> Expression:
    return (
        (JobRow.id == claim.job.id)
        & (JobRow.token == claim.token)
        & (JobRow.state == JobState.RUNNING)
    )
