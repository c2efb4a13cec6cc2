"""Queries that choose the queued job for a worker: the claim statement, and the waiting jobs.

A training that ran out of memory is retried once, on a worker with more memory, and then fails. The
memory of a worker is that of its largest device, as it registered.
"""

from __future__ import annotations

import json
from typing import Any, Final

from peewee import SQL, fn

from service.jobs.database import JobDatabase
from service.jobs.lease_tokens import is_current, next_token
from service.jobs.records import Capabilities, Failure, JobState, Lease
from service.jobs.statements import Statement, placeholder
from service.jobs.tables import IS_RUNNING, IS_WAITING, JobRow, WithheldRow, WorkerRow
from service.jobs.worker_registry import registered

__all__ = [
    "OUT_OF_MEMORY",
    "claim_statement",
    "failed_for_memory",
    "held_statement",
    "more_memory",
    "waiting_for",
]

_AVOIDED_SECONDS: Final = 600.0
"""Seconds until a job may go to the worker that it avoids, as others may be gone or unable."""
OUT_OF_MEMORY: Final = frozenset({"out-of-memory", "memory-limit"})
"""Kinds of failures: of a device's memory, and of an attempt's memory limit."""
_WAITS_SECONDS: Final = 600.0
"""Seconds after which any worker may try, as workers with more memory may be gone."""


def claim_statement(
    database: JobDatabase, can: Capabilities, *, has_key: bool, lease_seconds: float
) -> Statement:
    """Return the statement that leases the first job a worker can do, and returns its row.

    Its parameters are `worker`, `holder`, `now` and `drawn`, the random bits of the token.

    Args:
        database: The database of the jobs.
        can: The capabilities of the worker.
        has_key: Whether the worker uses an API key, which must have registered it.
        lease_seconds: Duration of the lease.
    """
    now = database.now_placeholder()
    first = _first_for(can, now)
    if has_key:
        first = first.where(fn.EXISTS(registered(placeholder("worker"), placeholder("holder"))))
    if not database.is_sqlite:
        first = first.for_update("FOR UPDATE SKIP LOCKED")
    taken = JobRow.update(
        state=JobState.RUNNING,
        worker=placeholder("worker"),
        holder=placeholder("holder"),
        token=next_token(JobRow.token, placeholder("drawn")),
        attempts=JobRow.attempts + 1,
        revision=JobRow.revision + 1,
        started_at=now,
        lease_until=now + lease_seconds,
        progress=None,
    ).where(JobRow.id == first)
    columns = JobRow._meta.sorted_fields  # noqa: SLF001 - documented by peewee
    return database.statement(taken.returning(JobRow), columns)


def held_statement(database: JobDatabase) -> Statement:
    """Return the statement that selects `id` and `holder` of the jobs that `worker` runs."""
    columns = (JobRow.id, JobRow.holder)
    query = JobRow.select(*columns).where(IS_RUNNING, JobRow.worker == placeholder("worker"))
    return database.statement(query, columns)


def waiting_for(can: Capabilities, now: Any) -> Any:
    """Return the query for the ids of the waiting jobs that fit some capabilities at a time."""
    query = JobRow.select(JobRow.id).where(
        IS_WAITING,
        JobRow.not_before <= now,
        JobRow.needs_device.in_(["any", can.device]),
        JobRow.needs_dataset.is_null() | JobRow.needs_dataset.in_(list(can.datasets)),
        JobRow.needs_trainer.is_null() | JobRow.needs_trainer.in_(list(can.trainers)),
        JobRow.needs_label.is_null() | JobRow.needs_label.in_(list(can.labels)),
    )
    return query if can.own_device else query.where(~JobRow.needs_own_device)


def _first_for(can: Capabilities, now: Any) -> Any:
    """Return the query for the id of the first job that the worker named `worker` can do."""
    worker = placeholder("worker")
    is_data = (WithheldRow.name == JobRow.needs_dataset) & (
        WithheldRow.sha256 == JobRow.needs_sha256
    )
    withheld = WithheldRow.select(SQL("1")).where(
        WithheldRow.worker == worker, is_data | (WithheldRow.sha256 == JobRow.needs_trainer)
    )
    query = waiting_for(can, now).where(
        (JobRow.needs_sha256.is_null() & JobRow.needs_trainer.is_null()) | ~fn.EXISTS(withheld),
        JobRow.avoids_worker.is_null()
        | (JobRow.avoids_worker != worker)
        | (JobRow.created_at < now - _AVOIDED_SECONDS),
        _has_memory(worker, now),
    )
    return query.order_by(JobRow.priority.desc(), JobRow.number).limit(1)


def _has_memory(worker: Any, now: Any) -> Any:
    """Return the condition that a worker has the memory that a waiting job needs."""
    memory = WorkerRow.select(WorkerRow.memory).where(WorkerRow.id == worker)
    return (
        JobRow.needs_memory.is_null()
        | (JobRow.needs_memory <= memory)
        | (JobRow.not_before < now - _WAITS_SECONDS)
    )


def more_memory(database: JobDatabase, lease: Lease, *, alive_seconds: float) -> int | None:
    """Return the bytes that the next worker of a job needs; None: the job is not retried.

    Must run within an operation on the database.

    Args:
        database: The database of the jobs.
        lease: The lease under which the job ran out of memory.
        alive_seconds: The largest age of the last heartbeat of a living worker.
    """
    query = (
        JobRow.select(WorkerRow.memory, JobRow.needs_device)
        .join(WorkerRow, on=JobRow.worker == WorkerRow.id)
        # Where it is not null, this was the retry.
        .where(is_current(lease), JobRow.needs_memory.is_null())
    )
    for row in database.rows(query):
        larger = WorkerRow.select(WorkerRow.state).where(
            WorkerRow.memory > row["memory"], WorkerRow.seen_at >= database.now() - alive_seconds
        )
        for worker in database.rows(larger):
            kinds = {device["kind"] for device in json.loads(worker["state"])["devices"]}
            if row["needs_device"] in kinds | {"any"}:
                return int(row["memory"]) + 1
    return None


def failed_for_memory(failure: Failure) -> Failure:
    """Return the final failure of a training that ran out of memory."""
    return Failure(
        kind="memory", message=f"{failure.message}; no worker that lives, or has tried, has enough"
    )
