"""The workers that registered, and what they can do."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

from service.jobs.database import JobDatabase
from service.jobs.records import DeviceState, WorkerState, utc_time
from service.jobs.tables import OtherDataRow, WorkerRow

__all__ = ["WorkerRegistry"]

_REMEMBERED: Final = 24 * 3600.0
"""Seconds that a worker is listed after its last heartbeat."""


class WorkerRegistry:
    """The workers that registered.

    All methods raise StoreUnavailableError where the database does not answer.

    Args:
        database: Where they are kept.
        lease_seconds: Without a heartbeat for so long, a worker counts as lost.
    """

    def __init__(self, database: JobDatabase, *, lease_seconds: float) -> None:
        self._database = database
        self._lease = lease_seconds

    def heartbeat(self, worker: WorkerState) -> None:
        """Register a worker, or record that it is alive and what it does."""
        state = asdict(worker)
        for given in ("id", "started_at", "seen_at", "alive"):
            del state[given]
        text = json.dumps(state)

        def change() -> None:
            now = self._database.now()
            row = WorkerRow.insert(id=worker.id, state=text, started_at=now, seen_at=now)
            self._database.insert(
                row.on_conflict(
                    conflict_target=[WorkerRow.id], update={"state": text, "seen_at": now}
                )
            )
            old = WorkerRow.delete().where(WorkerRow.seen_at < now - _REMEMBERED)
            self._database.change(old)
            # Its data set may be another one by now.
            stale = OtherDataRow.delete().where(OtherDataRow.noted_at < now - _REMEMBERED)
            self._database.change(stale)

        self._database.write(change)

    def deregister(self, worker_id: str) -> None:
        """Remove a worker that has stopped."""
        query = WorkerRow.delete().where(WorkerRow.id == worker_id)
        self._database.write(lambda: self._database.change(query))

    def all(self) -> list[WorkerState]:
        """Return the workers, by id; those without a recent heartbeat are not alive."""
        return self._database.read(self.within)

    def within(self) -> list[WorkerState]:
        """Do what `all` does; within an operation on the database."""
        alive = WorkerRow.seen_at >= self._database.now() - self._lease
        query = WorkerRow.select(WorkerRow, alive.alias("alive")).order_by(WorkerRow.id)
        return [_worker(row) for row in self._database.rows(query)]

    def datasets(self) -> dict[str, list[str]]:
        """Return the data sets of the workers that live, each with the ids of those."""
        found: dict[str, list[str]] = {}
        for worker in self.all():
            for name in worker.datasets if worker.alive else ():
                found.setdefault(name, []).append(worker.id)
        return dict(sorted(found.items()))


def _worker(row: dict[str, Any]) -> WorkerState:
    state = json.loads(row["state"])
    state["devices"] = tuple(DeviceState(**device) for device in state["devices"])
    for name in ("datasets", "models", "running"):
        state[name] = tuple(state[name])
    return WorkerState(
        **state,
        id=row["id"],
        started_at=utc_time(row["started_at"]),
        seen_at=utc_time(row["seen_at"]),
        alive=bool(row["alive"]),
    )
