"""Trainings that ran out of memory: tried once more by a worker with more, and then failed.

A worker tells the memory of its devices when it registers; what it has is that of the largest.
"""

from __future__ import annotations

import json
from typing import Any, Final

from service.jobs.database import JobDatabase
from service.jobs.records import Failure, JobState, Lease
from service.jobs.tables import JobRow, WorkerRow

__all__ = ["OUT_OF_MEMORY", "failed_for_memory", "has_memory", "more_memory"]

OUT_OF_MEMORY: Final = frozenset({"out-of-memory", "memory-limit"})
"""Kinds of failures: of a device, and of an attempt that passed its limit."""
_WAITS_SECONDS: Final = 600.0
"""After which any worker may try: those with more may be gone."""


def more_memory(database: JobDatabase, lease: Lease, *, alive_seconds: float) -> int | None:
    """Return the bytes that the next worker of a job needs; None: there is to be no next one.

    Within an operation on the database.

    Args:
        database: That of the jobs.
        lease: Under which the job ran out of memory.
        alive_seconds: A worker lives whose last heartbeat is no older.
    """
    query = (
        JobRow.select(WorkerRow.memory, JobRow.needs_device)
        .join(WorkerRow, on=JobRow.worker == WorkerRow.id)
        .where(
            JobRow.id == lease.job.id,
            JobRow.token == lease.token,
            JobRow.state == JobState.RUNNING,
            # The second worker has run out of it as well.
            JobRow.needs_memory.is_null(),
        )
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


def has_memory(worker: Any, now: Any) -> Any:
    """Return the condition that a worker has the memory that a waiting job needs.

    Args:
        worker: Its id, or the name of that in a statement.
        now: This moment, by the clock of the database.
    """
    memory = WorkerRow.select(WorkerRow.memory).where(WorkerRow.id == worker)
    return (
        JobRow.needs_memory.is_null()
        | (JobRow.needs_memory <= memory)
        | (JobRow.not_before < now - _WAITS_SECONDS)
    )


def failed_for_memory(failure: Failure) -> Failure:
    """Return why a training has failed for good that ran out of memory."""
    return Failure(
        kind="memory", message=f"{failure.message}; no worker that lives, or has tried, has enough"
    )
