"""The workers that registered, and what they can do.

The name of a worker over HTTP belongs to the API key that registered it, for as long as the worker
is listed and the key is taken: with another key nobody is that worker.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from peewee import SQL

from service.jobs.database import AdvisoryLock, JobDatabase
from service.jobs.errors import ForeignWorkerError, UnknownDatasetError, UnknownTrainerError
from service.jobs.records import DeviceState, TrainerState, WorkerState, utc_time
from service.jobs.tables import WithheldRow, WorkerRow

__all__ = ["WorkerRegistry", "refuse_foreign_worker", "registered"]

_REMEMBERED: Final = 24 * 3600.0
"""Seconds that a worker is listed after its last heartbeat."""


class WorkerRegistry:
    """The workers that registered.

    All methods raise StoreUnavailableError where the database does not answer.

    Args:
        lease_seconds: Without a heartbeat for so long, a worker counts as lost.
    """

    def __init__(self, database: JobDatabase, *, lease_seconds: float) -> None:
        self._database = database
        self._lease = lease_seconds

    def heartbeat(
        self,
        worker: WorkerState,
        *,
        holder: str | None = None,
        is_key: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Register a worker, or record that it is alive and what it does.

        Args:
            worker: What it tells.
            holder: The name of the key by which it tells; None: it has the database.
            is_key: Tells whether a key of a name is taken still. What one registered that is not
                is free for others.

        Raises:
            ForeignWorkerError: Another key, or a worker with the database, has the name.
        """
        state = asdict(worker)
        for given in ("id", "started_at", "seen_at", "alive"):
            del state[given]
        text = json.dumps(state)

        def change() -> None:
            now = self._database.now()
            self._database.lock(AdvisoryLock.REGISTER)
            if holder is not None:
                self._refuse_taken(worker.id, holder, is_key)
            memory = max((device.memory for device in worker.devices), default=0)
            told = {"state": text, "seen_at": now, "holder": holder, "memory": memory}
            row = WorkerRow.insert(id=worker.id, started_at=now, **told)
            self._database.insert(row.on_conflict(conflict_target=[WorkerRow.id], update=told))
            old = WorkerRow.delete().where(WorkerRow.seen_at < now - _REMEMBERED)
            self._database.change(old)
            # Its data set may be another one by now, and so may its trainer.
            stale = WithheldRow.delete().where(WithheldRow.noted_at < now - _REMEMBERED)
            self._database.change(stale)

        self._database.write(change)

    def deregister(self, worker_id: str, *, holder: str | None = None) -> None:
        """Remove a worker that has stopped; one that is not there is gone already.

        Raises:
            ForeignWorkerError: The key of the holder did not register it.
        """

        def change() -> None:
            if holder is not None:
                refuse_foreign_worker(self._database, worker_id, holder)
            self._database.change(WorkerRow.delete().where(WorkerRow.id == worker_id))

        self._database.write(change)

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

    def trainers(self) -> list[TrainerState]:
        """Return the trainers of the workers that live, each once, by name and version."""
        found = {one for worker in self.all() if worker.alive for one in worker.trainers}
        return sorted(found, key=lambda one: (one.name, one.package, one.version, one.sha256))

    def refuse_unoffered(self, dataset: str, trainer: Mapping[str, Any] | None) -> None:
        """Refuse what no worker that lives has.

        Args:
            dataset: Name of a data set.
            trainer: Members of a trainer; None: none is needed.

        Raises:
            UnknownDatasetError: No worker has the data set.
            UnknownTrainerError: No worker has the trainer.
        """
        known = self.datasets()
        if dataset not in known:
            raise UnknownDatasetError(dataset, known)
        if trainer is not None:
            self.trainer({name: trainer[name] for name in trainer if name != "options"})

    def trainer(self, stated: Mapping[str, str]) -> TrainerState:
        """Return the trainer that a caller means.

        Args:
            stated: Its `name`, and of `package`, `version` and `sha256` what the caller knows.

        Raises:
            UnknownTrainerError: No worker has it, or they have several and the caller does not say
                which.
        """
        known = self.trainers()
        found = [one for one in known if stated.items() <= asdict(one).items()]
        if len(found) != 1:
            there = map(_told, found or known)
            raise UnknownTrainerError(stated["name"], there, several=bool(found))
        return found[0]

    def _refuse_taken(self, worker_id: str, holder: str, is_key: Callable[[str], bool]) -> None:
        query = WorkerRow.select(WorkerRow.holder).where(WorkerRow.id == worker_id)
        for row in self._database.rows(query):
            other = row["holder"]
            if other != holder and (other is None or is_key(other)):
                raise ForeignWorkerError(worker_id)


def refuse_foreign_worker(database: JobDatabase, worker_id: str, holder: str) -> None:
    """Refuse a worker that a key did not register; within an operation on the database.

    Raises:
        ForeignWorkerError: It is one, or there is no such worker.
    """
    if not database.rows(registered(worker_id, holder)):
        raise ForeignWorkerError(worker_id)


def registered(worker_id: Any, holder: Any) -> Any:
    """Return the query for a worker that a key registered: one row, or none.

    Args:
        worker_id: Its id, or the name of that in a statement.
        holder: The name of the key, or the name of that in a statement.
    """
    return WorkerRow.select(SQL("1")).where(WorkerRow.id == worker_id, WorkerRow.holder == holder)


def _told(trainer: TrainerState) -> str:
    about = f"{trainer.package} {trainer.version}, sha256 {trainer.sha256}"
    return f"{trainer.name} ({about})"


def _worker(row: dict[str, Any]) -> WorkerState:
    state = json.loads(row["state"])
    state["devices"] = tuple(DeviceState(**device) for device in state["devices"])
    state["trainers"] = tuple(TrainerState(**trainer) for trainer in state["trainers"])
    for name in ("datasets", "models", "running"):
        state[name] = tuple(state[name])
    return WorkerState(
        **state,
        id=row["id"],
        started_at=utc_time(row["started_at"]),
        seen_at=utc_time(row["seen_at"]),
        alive=bool(row["alive"]),
    )
