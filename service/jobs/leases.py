"""The jobs as workers see them: acquire a lease, renew it, end or release the job.

A lease has a fencing token and an expiry time, which each renewal extends. The next lease of an
expired job has a larger token, so a slow worker cannot change anything with its old token: it gets
LostLeaseError. A lease acquired over HTTP belongs to the API key that claimed it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache, partial
from typing import Any, Final

from peewee import Expression

from service.jobs.claim_queries import (
    OUT_OF_MEMORY,
    claim_statement,
    failed_for_memory,
    held_statement,
    more_memory,
    waiting_for,
)
from service.jobs.database import JobDatabase
from service.jobs.errors import LostLeaseError, UnsoundResultError
from service.jobs.lease_tokens import LAST_TOKEN, draw, is_current, is_same
from service.jobs.ledger import EntryStatus, entry_row
from service.jobs.records import (
    OTHER_DATA,
    OTHER_TRAINER,
    Artifact,
    Capabilities,
    Failure,
    Job,
    JobState,
    Lease,
    Progress,
)
from service.jobs.settings import MAX_CRASHES, MAX_LOSSES
from service.jobs.tables import (
    IS_RUNNING,
    ArtifactRow,
    ContentRow,
    JobRow,
    LedgerRow,
    LostLeaseRow,
    WithheldRow,
)
from service.jobs.worker_registry import refuse_foreign_worker

__all__ = ["LeaseStore"]

_LOST_WORKER: Final = Failure(
    kind="lost-worker",
    message="the worker that ran the job sends no heartbeats; its machine or its process has died",
)


_TOO_MANY_LEASES: Final = Failure(
    kind="too-many-leases",
    message="workers have released the job as many times as there are lease tokens",
)

_CLAIMS_KEPT: Final = 32
"""Cached claim statements, one per set of capabilities; workers with equal ones share it."""

_TRAINING: Final = "training"
_DIVERGED: Final = "diverged"


class LeaseStore:
    """Leases of jobs in a database.

    All methods raise StoreUnavailableError if the database does not answer.

    Args:
        lease_seconds: How long a lease holds without a renewal.
        retry_seconds: How long a job waits after its first crash; doubled after each further one.
    """

    def __init__(
        self, database: JobDatabase, *, lease_seconds: float, retry_seconds: float
    ) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._retry = retry_seconds
        self._held_statement = held_statement(database)
        self._claim_statement = lru_cache(_CLAIMS_KEPT)(
            partial(claim_statement, database, lease_seconds=lease_seconds)
        )

    def acquire(
        self,
        worker: str,
        can: Capabilities,
        *,
        held: Collection[str] | None = None,
        holder: str | None = None,
    ) -> Lease | None:
        """Lease the first job that a worker can do, by priority and then by age; None: no job.

        Args:
            worker: The id of the worker.
            can: Its capabilities.
            held: The jobs that the worker knows it holds; None: it knows all. A lease of the worker
                that is missing here is returned again, because the response with it was lost.
            holder: The name of the API key that the lease belongs to; None for a worker with
                access to the database.

        Raises:
            ForeignWorkerError: This key did not register the worker.
        """

        def lease() -> Lease | None:
            unknown = None if held is None else self._unknown_lease(worker, held, holder)
            found = unknown or self._acquire(worker, can, holder)
            if found is None and holder is not None:
                refuse_foreign_worker(self._database, worker, holder)
            return found

        return self._database.write(lease)

    def count_work(self, can: Capabilities, most: int) -> int:
        """Return how many waiting jobs fit some capabilities, counting at most `most`."""
        query = waiting_for(can, self._database.now()).limit(most)
        return self._database.read(lambda: self._database.count(query))

    def current(self, job_id: str, token: int, holder: str) -> Lease:
        """Return a lease that holds and belongs to a key.

        Raises:
            LostLeaseError: It has expired, belongs to another key, or never existed.
        """
        query = JobRow.select().where(JobRow.id == job_id, JobRow.state == JobState.RUNNING)

        def find() -> Lease:
            for row in self._database.rows(query):
                if _is_held(row, token, holder):
                    return Lease(job=Job.from_row(row), token=token)
            raise LostLeaseError(job_id)

        return self._database.read(find)

    def ending(self, job_id: str, token: int, holder: str) -> Lease:
        """Return a lease of a key under which a result may be sent.

        The lease holds; or the job already has a result under it, and the request is a repetition;
        or the lease was lost, and the result is kept for comparison only.

        Raises:
            LostLeaseError: The key had no such lease.
        """
        ours = (JobState.RUNNING, JobState.SUCCEEDED)

        def find() -> Lease:
            for row in self._database.rows(JobRow.select().where(JobRow.id == job_id)):
                if row["state"] in ours and _is_held(row, token, holder):
                    return Lease(job=Job.from_row(row), token=token)
                lost = LostLeaseRow.select().where(LostLeaseRow.job_id == job_id)
                for had in self._database.rows(lost):
                    if _is_held(had, token, holder):
                        job = replace(Job.from_row(row), worker=had["worker"])
                        return Lease(job=job, token=token)
            raise LostLeaseError(job_id)

        return self._database.read(find)

    def renew(self, lease: Lease, progress: Progress | None = None) -> bool:
        """Renew a lease, record progress, and return whether the job is to be cancelled.

        Raises:
            LostLeaseError: The lease has expired and the job was requeued, or the job has ended.
        """
        changes: dict[str, Any] = {"lease_until": self._database.now() + self._lease_seconds}
        if progress is not None:
            changes |= {"progress": json.dumps(asdict(progress)), "revision": JobRow.revision + 1}

        def change() -> bool:
            self._change(lease, changes)
            query = JobRow.select(JobRow.cancel_requested).where(JobRow.id == lease.job.id)
            return any(row["cancel_requested"] for row in self._database.rows(query))

        return self._database.write(change)

    def succeed(
        self, lease: Lease, result: Mapping[str, Any], artifacts: Sequence[Artifact]
    ) -> None:
        """End a job with its result; that of a training is written to the ledger as well.

        Idempotent: a repetition with the same token changes nothing. If the result cannot belong to
        the request, the job fails.

        Raises:
            LostLeaseError: The lease has expired and the job was requeued, or the job has ended.
                The ledger then keeps a training's result for comparison, but does not count it.
        """
        try:
            self._database.write(lambda: self._succeed(lease, result, artifacts))
        except UnsoundResultError as error:
            self.fail(lease, Failure(kind="unsound-result", message=f"the result: {error}"))
        except LostLeaseError:
            if lease.job.kind == _TRAINING:
                with suppress(UnsoundResultError):
                    self._database.write(lambda: self._add_dropped_entry(lease, result))
            raise

    def _succeed(
        self, lease: Lease, result: Mapping[str, Any], artifacts: Sequence[Artifact]
    ) -> None:
        if self._is_done(lease):
            return
        if lease.job.kind == _TRAINING:
            self._add_entry(lease, EntryStatus.DONE, result)
        self._end(lease, JobState.SUCCEEDED, result=json.dumps(result), error=None)
        now = self._database.now()
        for artifact in artifacts:
            content = ContentRow.insert(
                sha256=artifact.sha256, size=artifact.size, used_at=now
            ).on_conflict(conflict_target=[ContentRow.sha256], update={"used_at": now})
            self._database.insert(content)
            row = ArtifactRow.insert(
                job_id=lease.job.id,
                name=artifact.name,
                media_type=artifact.media_type,
                sha256=artifact.sha256,
            )
            self._database.insert(row)

    def fail(self, lease: Lease, failure: Failure) -> None:
        """Fail a job whose request cannot be done; a diverged training enters the ledger as well.

        If the worker has another data set or trainer than the job needs, the job is requeued, and
        the worker gets no further job that needs them. A training that ran out of memory is retried
        once, on a worker with more memory.

        Raises:
            LostLeaseError: The lease has expired and the job was requeued, or the job has ended.
        """

        def change() -> None:
            if self._withhold(lease, failure.kind):
                self._requeue(lease, {"attempts": lease.job.attempts - 1})
                return
            if lease.job.kind == _TRAINING and failure.kind in OUT_OF_MEMORY:
                self._run_out(lease, failure)
                return
            if lease.job.kind == _TRAINING and failure.kind == _DIVERGED:
                query = JobRow.select(JobRow.progress).where(JobRow.id == lease.job.id)
                told = [row["progress"] for row in self._database.rows(query)]
                progress = Progress(**json.loads(told[0])) if told and told[0] else None
                now = self._database.now()
                row = entry_row(
                    lease, EntryStatus.DIVERGED, now=now, progress=progress, failure=failure
                )
                self._database.insert(LedgerRow.insert(row))
            self._end(lease, JobState.FAILED, error=json.dumps(asdict(failure)))

        self._database.write(change)

    def crash(self, lease: Lease, failure: Failure) -> JobState:
        """End an attempt that crashed or exceeded a limit, and return the new state of the job.

        Raises:
            LostLeaseError: The lease has expired and the job was requeued, or the job has ended.
        """
        if lease.job.kind == _TRAINING and failure.kind in OUT_OF_MEMORY:
            return self._database.write(lambda: self._run_out(lease, failure))
        crashes = lease.job.crashes + 1
        changes = {"crashes": crashes, "error": json.dumps(asdict(failure))}
        if crashes >= MAX_CRASHES:
            self._database.write(lambda: self._end(lease, JobState.PARKED, **changes))
            return JobState.PARKED
        changes |= {"not_before": self._database.now() + self._retry * 2 ** (crashes - 1)}
        return self._database.write(lambda: self._requeue(lease, changes))

    def _run_out(self, lease: Lease, failure: Failure) -> JobState:
        """Requeue a training for a worker with more memory, or fail it if there is none."""
        needs = more_memory(self._database, lease, alive_seconds=self._lease_seconds)
        if needs is None:
            told = json.dumps(asdict(failed_for_memory(failure)))
            self._end(lease, JobState.FAILED, error=told)
            return JobState.FAILED
        told = json.dumps(asdict(failure))
        changes = {"needs_memory": needs, "not_before": self._database.now(), "error": told}
        return self._requeue(lease, changes)

    def lose(self, lease: Lease) -> None:
        """Requeue or end a job whose attempt was lost with its machine.

        Raises:
            LostLeaseError: The lease has expired and the job was requeued, or the job has ended.
        """

        def change() -> None:
            if not self._free_all(is_current(lease)):
                raise LostLeaseError(lease.job.id)

        self._database.write(change)

    def release(self, lease: Lease) -> None:
        """Requeue a job because its worker shuts down; the attempt is not counted.

        If cancellation was requested, the job is cancelled, as no other worker may come.

        Raises:
            LostLeaseError: The lease has expired and the job was requeued, or the job has ended.
        """
        changes = {"attempts": lease.job.attempts - 1}
        self._database.write(lambda: self._requeue(lease, changes))

    def cancel(self, lease: Lease) -> None:
        """End a job whose cancellation was requested: as stopped if its figures are to be kept.

        Raises:
            LostLeaseError: The lease has expired and the job was requeued, or the job has ended.
        """
        self._database.write(
            lambda: self._end(lease, self._requested_end(lease) or JobState.CANCELLED)
        )

    def recover(self, dead: Collection[str] = ()) -> int:
        """Requeue or end the jobs of expired leases and dead workers; return how many."""
        gone = (JobRow.lease_until < self._database.now()) | JobRow.worker.in_(list(dead))
        lost = IS_RUNNING & gone
        if not self._database.read(lambda: self._database.rows(JobRow.select().where(lost))):
            return 0
        return self._database.write(lambda: self._free_all(lost))

    def _acquire(self, worker: str, can: Capabilities, holder: str | None) -> Lease | None:
        statement = self._claim_statement(can, has_key=holder is not None)
        for row in self._database.found(statement, worker=worker, holder=holder, drawn=draw()):
            return Lease(job=Job.from_row(row), token=row["token"])
        return None

    def _unknown_lease(
        self, worker: str, held: Collection[str], holder: str | None
    ) -> Lease | None:
        """Return, renewed, a lease of a worker for a job that is not in `held`; None: no lease."""
        has = self._database.found(self._held_statement, worker=worker)
        unknown = [row["id"] for row in has if row["holder"] == holder and row["id"] not in held]
        if not unknown:
            return None
        query = JobRow.select().where(IS_RUNNING, JobRow.worker == worker, JobRow.id == unknown[0])
        for row in self._database.rows(query):
            lease = Lease(job=Job.from_row(row), token=row["token"])
            self._change(lease, {"lease_until": self._database.now() + self._lease_seconds})
            return lease
        return None

    def _requeue(self, lease: Lease, changes: Mapping[str, Any]) -> JobState:
        if (asked := self._requested_end(lease)) is JobState.STOPPED:
            self._end(lease, asked)
            return asked
        if lease.token >= LAST_TOKEN:
            self._end(lease, JobState.PARKED, error=json.dumps(asdict(_TOO_MANY_LEASES)))
            return JobState.PARKED
        freed = {"state": JobState.QUEUED, "lease_until": None, "progress": None}
        self._change(lease, {**freed, "revision": JobRow.revision + 1, **changes})
        cancelled = JobRow.update(state=JobState.CANCELLED, finished_at=self._database.now()).where(
            JobRow.id == lease.job.id, JobRow.cancel_requested
        )
        return JobState.CANCELLED if self._database.change(cancelled) else JobState.QUEUED

    def _requested_end(self, lease: Lease) -> JobState | None:
        """Return the state in which a job is requested to end; None: no request."""
        query = JobRow.select().where(JobRow.id == lease.job.id, JobRow.cancel_requested)
        for row in self._database.rows(query):
            told = json.loads(row["progress"]) if row["progress"] else {}
            stops = row["stop_requested"] and told.get("figures")
            return JobState.STOPPED if stops else JobState.CANCELLED
        return None

    def _end(self, lease: Lease, state: JobState, **changes: Any) -> None:
        ended = {"state": state, "lease_until": None, "finished_at": self._database.now()}
        self._change(lease, {**ended, "revision": JobRow.revision + 1, **changes})

    def _change(self, lease: Lease, changes: Mapping[str, Any]) -> None:
        changed = self._database.change(JobRow.update(dict(changes)).where(is_current(lease)))
        if not changed:
            raise LostLeaseError(lease.job.id)

    def _add_entry(self, lease: Lease, status: EntryStatus, result: Mapping[str, Any]) -> None:
        row = entry_row(lease, status, now=self._database.now(), result=result)
        self._database.insert(LedgerRow.insert(row))

    def _add_dropped_entry(self, lease: Lease, result: Mapping[str, Any]) -> None:
        """Add a late result to the ledger for comparison: once, and only for a lost lease."""
        lost = LostLeaseRow.delete().where(
            LostLeaseRow.job_id == lease.job.id, LostLeaseRow.token == lease.token
        )
        if self._database.change(lost):
            self._add_entry(lease, EntryStatus.DROPPED, result)

    def _withhold(self, lease: Lease, failure: str) -> bool:
        """Record that a worker has other data or another trainer than a job needs.

        Return False if the failure does not say so, or the job needs neither.
        """
        needs = {
            OTHER_DATA: (JobRow.needs_dataset, JobRow.needs_sha256),
            # The digest of a trainer covers its name.
            OTHER_TRAINER: (JobRow.needs_trainer, JobRow.needs_trainer),
        }
        if failure not in needs:
            return False
        name, sha256 = needs[failure]
        query = JobRow.select(JobRow.worker, name.alias("name"), sha256.alias("sha256")).where(
            is_current(lease), sha256.is_null(is_null=False)
        )
        for row in self._database.rows(query):
            found = WithheldRow.insert(**row, noted_at=self._database.now())
            self._database.insert(found.on_conflict_ignore())
            return True
        return False

    def _is_done(self, lease: Lease) -> bool:
        query = JobRow.select(JobRow.id).where(
            JobRow.id == lease.job.id,
            JobRow.token == lease.token,
            JobRow.state == JobState.SUCCEEDED,
        )
        return bool(self._database.rows(query))

    def _free_all(self, lost: Expression) -> int:
        """Requeue jobs of lost leases; end those to be cancelled and those lost too often."""
        columns = (JobRow.id, JobRow.token, JobRow.worker, JobRow.holder)
        leases = JobRow.select(*columns).where(lost, JobRow.kind == _TRAINING)
        to = [LostLeaseRow.job_id, LostLeaseRow.token, LostLeaseRow.worker, LostLeaseRow.holder]
        self._database.insert(LostLeaseRow.insert_from(leases, to).on_conflict_ignore())
        too_often = (JobRow.losses + 1 >= MAX_LOSSES) | (JobRow.token >= LAST_TOKEN)
        return (
            self._free(lost & JobRow.cancel_requested, JobState.CANCELLED)
            + self._free(lost & too_often, JobState.PARKED)
            + self._free(lost, JobState.QUEUED)
        )

    def _free(self, lost: Expression, state: JobState) -> int:
        changes: dict[str, Any] = {
            "state": state,
            "lease_until": None,
            "progress": None,
            "losses": JobRow.losses + 1,
            "revision": JobRow.revision + 1,
            "error": json.dumps(asdict(_LOST_WORKER)),
        }
        if state is not JobState.QUEUED:
            changes["finished_at"] = self._database.now()
        return self._database.change(JobRow.update(changes).where(lost))


def _is_held(row: Mapping[str, Any], token: int, holder: str) -> bool:
    return is_same(row["token"], token) and row["holder"] == holder
