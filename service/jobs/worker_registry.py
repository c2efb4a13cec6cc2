"""The registered workers and their capabilities.

The id of a worker over HTTP belongs to the API key that registered it, as long as the worker is
listed and the key is valid: no other key can act as that worker.
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

_LISTED_SECONDS: Final = 24 * 3600.0
"""Seconds after its last heartbeat that a worker stays listed."""


class WorkerRegistry:
    """The registered workers.

    All methods raise StoreUnavailableError if the database does not answer.

    Args:
        lease_seconds: Seconds without a heartbeat after which a worker counts as lost.
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
        """Register a worker, or record that it is alive and what it runs.

        Args:
            worker: The state that it sent.
            holder: The name of its API key; None for a worker with access to the database.
            is_key: Tells whether a key with a name is still valid. A worker id whose key is not can
                be taken over.

        Raises:
            ForeignWorkerError: The id belongs to another key or to a worker with the database.
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
            old = WorkerRow.delete().where(WorkerRow.seen_at < now - _LISTED_SECONDS)
            self._database.change(old)
            # Workers may have replaced the data set or trainer by now.
            stale = WithheldRow.delete().where(WithheldRow.noted_at < now - _LISTED_SECONDS)
            self._database.change(stale)

        self._database.write(change)

    def deregister(self, worker_id: str, *, holder: str | None = None) -> None:
        """Remove a worker that has stopped; a missing worker is no error without a holder.

        Raises:
            ForeignWorkerError: The key of the holder did not register the worker.
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
        """Do what `all` does, within an operation on the database."""
        alive = WorkerRow.seen_at >= self._database.now() - self._lease
        query = WorkerRow.select(WorkerRow, alive.alias("alive")).order_by(WorkerRow.id)
        return [_worker(row) for row in self._database.rows(query)]

    def datasets(self) -> dict[str, list[str]]:
        """Return the data sets of living workers by name, each with the ids of its workers."""
        found: dict[str, list[str]] = {}
        for worker in self.all():
            for name in worker.datasets if worker.alive else ():
                found.setdefault(name, []).append(worker.id)
        return dict(sorted(found.items()))

    def trainers(self) -> list[TrainerState]:
        """Return the distinct trainers of living workers, sorted by name and version."""
        found = {one for worker in self.all() if worker.alive for one in worker.trainers}
        return sorted(found, key=lambda one: (one.name, one.package, one.version, one.sha256))

    def refuse_unoffered(self, dataset: str, trainer: Mapping[str, Any] | None) -> None:
        """Raise if no living worker has a data set or trainer.

        Args:
            dataset: Name of the data set.
            trainer: Members of the trainer; None: none is needed.

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
        """Return the trainer that matches the stated members.

        Args:
            stated: Its `name`, and any of `package`, `version` and `sha256`.

        Raises:
            UnknownTrainerError: No trainer matches, or several do.
        """
        known = self.trainers()
        found = [one for one in known if stated.items() <= asdict(one).items()]
        if len(found) != 1:
            there = map(_describe_trainer, found or known)
            raise UnknownTrainerError(stated["name"], there, several=bool(found))
        return found[0]

    def _refuse_taken(self, worker_id: str, holder: str, is_key: Callable[[str], bool]) -> None:
        query = WorkerRow.select(WorkerRow.holder).where(WorkerRow.id == worker_id)
        for row in self._database.rows(query):
            other = row["holder"]
            if other != holder and (other is None or is_key(other)):
                raise ForeignWorkerError(worker_id)


def refuse_foreign_worker(database: JobDatabase, worker_id: str, holder: str) -> None:
    """Raise if a key did not register a worker; within an operation on the database.

    Raises:
        ForeignWorkerError: Another key registered the worker, or it does not exist.
    """
    if not database.rows(registered(worker_id, holder)):
        raise ForeignWorkerError(worker_id)


def registered(worker_id: Any, holder: Any) -> Any:
    """Return the query for a worker that a key registered: one row, or none.

    Args:
        worker_id: The id of the worker, or a placeholder for it in a statement.
        holder: The name of the key, or a placeholder for it.
    """
    return WorkerRow.select(SQL("1")).where(WorkerRow.id == worker_id, WorkerRow.holder == holder)


def _describe_trainer(trainer: TrainerState) -> str:
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
