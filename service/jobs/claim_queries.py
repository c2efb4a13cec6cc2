"""Which waiting job a worker gets, as queries for its id."""

from __future__ import annotations

from typing import Any, Final

from peewee import SQL, fn

from service.jobs.database import JobDatabase
from service.jobs.memory_needs import has_memory
from service.jobs.records import Capabilities
from service.jobs.tables import IS_WAITING, JobRow, WithheldRow

__all__ = ["first_for", "waiting_for"]

_AVOIDED_SECONDS: Final = 600.0
"""After which a job goes to the worker that it avoids: others may be gone, or unable to do it."""


def first_for(database: JobDatabase, worker: str, can: Capabilities) -> Any:
    """Return the query for the id of the first job that a worker can do."""
    is_data = (WithheldRow.name == JobRow.needs_dataset) & (
        WithheldRow.sha256 == JobRow.needs_sha256
    )
    withheld = WithheldRow.select(SQL("1")).where(
        WithheldRow.worker == worker, is_data | (WithheldRow.sha256 == JobRow.needs_trainer)
    )
    query = waiting_for(database, can).where(
        (JobRow.needs_sha256.is_null() & JobRow.needs_trainer.is_null()) | ~fn.EXISTS(withheld),
        JobRow.avoids_worker.is_null()
        | (JobRow.avoids_worker != worker)
        | (JobRow.created_at < database.now() - _AVOIDED_SECONDS),
        has_memory(worker, database.now()),
    )
    return query.order_by(JobRow.priority.desc(), JobRow.number).limit(1)


def waiting_for(database: JobDatabase, can: Capabilities) -> Any:
    """Return the query for the ids of the jobs that one can do."""
    query = JobRow.select(JobRow.id).where(
        IS_WAITING,
        JobRow.not_before <= database.now(),
        JobRow.needs_device.in_(["any", can.device]),
        JobRow.needs_dataset.is_null() | JobRow.needs_dataset.in_(list(can.datasets)),
        JobRow.needs_trainer.is_null() | JobRow.needs_trainer.in_(list(can.trainers)),
        JobRow.needs_label.is_null() | JobRow.needs_label.in_(list(can.labels)),
    )
    return query if can.own_device else query.where(~JobRow.needs_own_device)
