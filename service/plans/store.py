"""Plans as clients see them: submit, read, start, pause, stop, seal; and withdraw cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from bench_client.models import PlanAction
from nas_search.plans import CellMap, Estimate, Plan
from service.jobs import Jobs
from service.jobs.database import in_batches
from service.jobs.records import JobState
from service.jobs.statements import Statement, placeholder
from service.jobs.tables import IS_WAITING, JobRow, PlanCellRow, PlanRow
from service.plans.errors import PlanConflictError, UnknownPlanError
from service.plans.opened import PRIORITY, OpenPlan, OpenPlans
from service.plans.records import PlanRecord, PlanState

__all__ = ["PlanStore", "is_free", "refuse_unless"]

_MOST_PLANS: Final = 1_000
_WITHDRAWABLE: Final = frozenset({PlanState.RUNNING, PlanState.PAUSED, PlanState.FINISHED})
_TARGET_STATES: Final[Mapping[PlanAction, PlanState]] = MappingProxyType(
    {
        "pause": PlanState.PAUSED,
        "resume": PlanState.RUNNING,
        "stop": PlanState.STOPPED,
        "seal": PlanState.SEALED,
    }
)
"""States in which an action has nothing left to do."""


class PlanStore:
    """The plans in the database of the jobs.

    All methods raise StoreUnavailableError if the database does not answer, and UnknownPlanError if
    no plan has the name.
    """

    def __init__(self, jobs: Jobs, opened: OpenPlans) -> None:
        self._jobs = jobs
        self._database = jobs.database
        self._opened = opened

    @cached_property
    def _by_name(self) -> Statement:
        """The query for a plan by name, compiled once as it is used often."""
        query = PlanRow.select().where(PlanRow.name == placeholder("name"))
        columns = PlanRow._meta.sorted_fields  # noqa: SLF001 - documented by peewee
        return self._database.statement(query, columns)

    def submit(self, plan: OpenPlan, *, pilot: bool, large: bool) -> tuple[PlanRecord, bool]:
        """Return a plan, and whether it is new; submitting it again returns the existing one.

        Args:
            plan: The plan.
            pilot: Whether its cost is estimated by a few trainings.
            large: Whether it may have more than a million cells.

        Raises:
            PlanConflictError: Another plan has the name, or there are too many plans.
        """
        name = plan.plan.name
        size = len(plan.cells)
        first = plan.first_estimate

        def change() -> tuple[PlanRecord, bool]:
            same = self._same(plan.plan)
            if same is not None:
                return same, False
            if self._database.count(PlanRow.select()) >= _MOST_PLANS:
                raise PlanConflictError(f"there are {_MOST_PLANS} plans, the largest number")
            empty = bytes(CellMap(size))
            values = {
                "name": name,
                "digest": plan.plan.digest,
                "content": json.dumps(plan.plan.content()),
                "large": large,
                "state": PlanState.PILOT if pilot else PlanState.READY,
                "created_at": self._database.now(),
                "revision": 1,
                "cells": size,
                **dict.fromkeys(("cursor", "withdrawn", "seconds", "fed_until", "built_until"), 0),
                **dict.fromkeys(("done", "diverged", "failed"), empty),
                "recent": "",
                "timings": "[]",
                "versions": "[]",
                "version_wanted": False,
                "estimate": json.dumps(first.as_dict()),
                "data_sha256": plan.plan.sha256,
            }
            self._database.insert(PlanRow.insert(values))
            if pilot:
                cells = plan.pilot()
                made = self._jobs.store.submit_many(
                    [plan.job(cell, data_sha256=plan.plan.sha256) for cell in cells]
                )
                for cell, (job_id, new) in zip(cells, made, strict=False):
                    self._database.insert(
                        PlanCellRow.insert(plan=name, cell=cell.number, job_id=job_id, made=new)
                    )
            return self._record(name), True

        return self._database.write(change)

    def same(self, plan: Plan) -> PlanRecord | None:
        """Return the existing record of a plan; None: no plan has its name.

        Raises:
            PlanConflictError: Another plan has the name.
        """
        return self._database.read(lambda: self._same(plan))

    def get(self, name: str) -> tuple[PlanRecord, int]:
        """Return a plan, and the number of its queued and running cells."""
        return self._database.read(lambda: (self._record(name), self.outstanding(name)))

    def all(self) -> list[tuple[PlanRecord, int]]:
        """Return the plans, latest first, each with the number of its queued and running cells."""

        def find() -> list[tuple[PlanRecord, int]]:
            rows = self._database.rows(PlanRow.select().order_by(PlanRow.created_at.desc()))
            return [(PlanRecord.from_row(row), self.outstanding(row["name"])) for row in rows]

        return self._database.read(find)

    def open(self, record: PlanRecord) -> OpenPlan:
        """Return the loaded plan of a record."""
        return self._opened.of_content(record.content, digest=record.digest, large=record.large)

    def act(self, name: str, action: PlanAction) -> PlanRecord:
        """Do an action on a plan and return the plan; repeating an action changes nothing.

        Raises:
            PlanConflictError: The state of the plan does not allow the action.
        """
        acts: dict[PlanAction, Callable[[PlanRecord], dict[str, Any]]] = {
            "start": _started,
            "pause": self._paused,
            "resume": _resumed,
            "stop": self._stopped,
            "retry": _retried,
            "seal": self._sealed,
            "version": _with_version,
        }

        def check(record: PlanRecord) -> dict[str, Any]:
            return {} if record.state is _TARGET_STATES.get(action) else acts[action](record)

        return self.change(name, check)

    def _paused(self, record: PlanRecord) -> dict[str, Any]:
        refuse_unless(record, PlanState.RUNNING)
        return {"state": PlanState.PAUSED, "reason": None, **self.withdraw_queued(record)}

    def _stopped(self, record: PlanRecord) -> dict[str, Any]:
        refuse_unless(record, PlanState.PILOT, PlanState.READY, PlanState.RUNNING, PlanState.PAUSED)
        return {"state": PlanState.STOPPED, "reason": None, **self.withdraw_queued(record)}

    def _sealed(self, record: PlanRecord) -> dict[str, Any]:
        refuse_unless(record, PlanState.FINISHED, PlanState.STOPPED)
        if self.outstanding(record.name):
            raise PlanConflictError(f"cells of {record.name} still run: wait for them")
        if not record.there:
            raise PlanConflictError(f"{record.name} has no results to seal")
        return {"state": PlanState.SEALED, "reason": None, "version_wanted": True}

    def keep(self, name: str, number: int, *, kept: bool = True) -> PlanRecord:
        """Keep a version for good, or no longer; sealed versions are always kept.

        Raises:
            UnknownPlanError: The version does not exist, or was deleted already.
        """

        def check(record: PlanRecord) -> dict[str, Any]:
            versions = [dict(one) for one in record.versions]
            one = next((one for one in versions if one["version"] == number), None)
            if one is None:
                known = ", ".join(str(one["version"]) for one in versions) or "none"
                raise UnknownPlanError(f"version {number} of {name} is not kept; kept are: {known}")
            one["kept"] = kept
            return {} if versions == record.versions else {"versions": json.dumps(versions)}

        return self.change(name, check)

    def withdraw(self, name: str, number: int, reason: str) -> PlanRecord:
        """Withdraw the result of a cell, so that its ledger entry no longer counts.

        The cell counts as failed until it is retried.

        Raises:
            PlanConflictError: The plan is sealed, or the cell has no result.
            UnknownPlanError: The cell does not exist.
        """

        def check(record: PlanRecord) -> dict[str, Any]:
            refuse_unless(record, *_WITHDRAWABLE)
            if not 0 <= number < record.cells:
                raise UnknownPlanError(f"{name} has no cell {number}; it has {record.cells}")
            if number not in record.done and number not in record.diverged:
                raise PlanConflictError(f"cell {number} of {name} has no result")
            opened = self.open(record)
            key = opened.job(opened.cell(number)).key
            entry = self._jobs.ledger.within([key]).get(key)
            if entry is not None:
                self._jobs.ledger.withdraw(entry, reason)
            # Otherwise its job would answer the next submission of the same request.
            self._database.change(
                JobRow.update(state=JobState.EXPIRED, revision=JobRow.revision + 1).where(
                    JobRow.key == key, JobRow.state == JobState.SUCCEEDED
                )
            )
            record.done.discard(number)
            record.diverged.discard(number)
            record.failed.add(number)
            return {
                "withdrawn": record.withdrawn + 1,
                "done": bytes(record.done),
                "diverged": bytes(record.diverged),
                "failed": bytes(record.failed),
            }

        return self.change(name, check)

    def withdraw_queued(self, record: PlanRecord, *, urgent: bool = True) -> dict[str, Any]:
        """Withdraw the queued cells of a plan, within `write`; return the changed columns.

        Args:
            record: The plan.
            urgent: Whether to include cells that a client waits for.
        """
        mine = (
            PlanCellRow.select(PlanCellRow.cell, PlanCellRow.job_id, PlanCellRow.made)
            .join(JobRow, on=(PlanCellRow.job_id == JobRow.id))
            .where(PlanCellRow.plan == record.name, IS_WAITING)
        )
        if not urgent:
            mine = mine.where(JobRow.priority <= PRIORITY)
        rows = self._database.rows(mine)
        numbers = [row["cell"] for row in rows]
        jobs = [row["job_id"] for row in rows if row["made"]]
        for some in in_batches(jobs):
            others = PlanCellRow.select(PlanCellRow.job_id).where(
                PlanCellRow.job_id.in_(some), PlanCellRow.plan != record.name
            )
            wanted = {row["job_id"] for row in self._database.rows(others)}
            ended = JobRow.update(
                state=JobState.CANCELLED,
                finished_at=self._database.now(),
                revision=JobRow.revision + 1,
            ).where(
                JobRow.id.in_([one for one in some if one not in wanted]),
                JobRow.state == JobState.QUEUED,
            )
            self._database.change(ended)
        for some in in_batches(numbers):
            self._database.change(
                PlanCellRow.delete().where(
                    PlanCellRow.plan == record.name, PlanCellRow.cell.in_(some)
                )
            )
        cells = [number for number in numbers if number >= 0]
        return {"cursor": min([record.cursor, *cells])}

    def set_estimate(self, record: PlanRecord, found: Estimate) -> None:
        """Store the estimate of a plan; the first one, after the pilot, makes the plan ready."""
        text = json.dumps(found.as_dict())
        changes: dict[str, Any] = {"estimate": text, "revision": PlanRow.revision + 1}
        if record.first_estimate is None:
            changes["first_estimate"] = text
        mine = PlanRow.name == record.name
        ready = PlanRow.update(state=PlanState.READY).where(mine, PlanRow.state == PlanState.PILOT)

        def change() -> None:
            self._database.change(PlanRow.update(**changes).where(mine))
            self._database.change(ready)

        self._database.write(change)

    def change(self, name: str, check: Callable[[PlanRecord], dict[str, Any]]) -> PlanRecord:
        """Change the columns of a plan that `check` returns, in a transaction; return the plan."""

        def change() -> PlanRecord:
            query = self._database.for_update(PlanRow.select().where(PlanRow.name == name))
            rows = self._database.rows(query)
            if not rows:
                raise UnknownPlanError(f"there is no plan {name}")
            changes = check(PlanRecord.from_row(rows[0]))
            if changes:
                self._database.change(
                    PlanRow.update(**changes, revision=PlanRow.revision + 1).where(
                        PlanRow.name == name
                    )
                )
            return self._record(name)

        return self._database.write(change)

    def _same(self, plan: Plan) -> PlanRecord | None:
        for row in self._rows(plan.name):
            if row["digest"] == plan.digest:
                return PlanRecord.from_row(row)
            raise PlanConflictError(
                f"there is another plan {plan.name} ({row['digest'][:19]}): plans never change, "
                "call the new one something else"
            )
        return None

    def _record(self, name: str) -> PlanRecord:
        for row in self._rows(name):
            return PlanRecord.from_row(row)
        raise UnknownPlanError(f"there is no plan {name}")

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return self._database.found(self._by_name, name=name)

    def outstanding(self, name: str) -> int:
        """Return the number of queued and running cells; within an operation on the database."""
        return self._database.count(PlanCellRow.select().where(PlanCellRow.plan == name))


def _started(record: PlanRecord) -> dict[str, Any]:
    if record.state is PlanState.PILOT:
        raise PlanConflictError(f"the pilot of {record.name} is running: wait for its estimate")
    if record.state is not PlanState.READY:
        raise PlanConflictError(f"{record.name} is {record.state}: it was started before")
    hours = record.content["limits"].get("hours")
    expected = (record.estimate or {}).get("hours")
    if hours is not None and expected is not None and expected > hours:
        raise PlanConflictError(
            f"{record.name} is estimated to take {expected:.3g} worker hours, and its limit is "
            f"{hours:g}: select fewer cells, or raise the limit"
        )
    return {"state": PlanState.RUNNING, "reason": None}


def _resumed(record: PlanRecord) -> dict[str, Any]:
    refuse_unless(record, PlanState.PAUSED)
    return {"state": PlanState.RUNNING, "reason": None, "recent": ""}


def _retried(record: PlanRecord) -> dict[str, Any]:
    refuse_unless(record, PlanState.RUNNING, PlanState.PAUSED, PlanState.FINISHED)
    first = next(iter(record.failed), None)
    if first is None:
        return {}
    return {
        "state": PlanState.RUNNING,
        "reason": None,
        "recent": "",
        "failed": bytes(CellMap(record.cells)),
        "cursor": min(first, record.cursor),
    }


def _with_version(record: PlanRecord) -> dict[str, Any]:
    if not record.there:
        raise PlanConflictError(f"{record.name} has no results yet")
    return {"version_wanted": True}


def refuse_unless(record: PlanRecord, *states: PlanState) -> None:
    """Raise unless a plan is in one of some states.

    Raises:
        PlanConflictError: The plan is in another state.
    """
    if record.state not in states:
        raise PlanConflictError(f"{record.name} is {record.state}, not {' or '.join(states)}")


def is_free(until: Any, now: Any, longest: float) -> Any:
    """Return the condition that no lease with its expiry time in a column is held.

    An expiry time too far in the future is ignored: it was set before the clock was set back.

    Args:
        until: The column.
        now: The current time.
        longest: Seconds of the longest lease.
    """
    return (until <= now) | (until > now + longest)
