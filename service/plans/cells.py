"""The cells of plans for clients: list them with provenance, or move them to the queue's head."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from benchmark_db.errors import InvalidQuestionError
from benchmark_spec import SpellingError
from nas_search.plans import Cell
from service.jobs import Jobs
from service.jobs.database import in_batches
from service.jobs.tables import IS_WAITING, JobRow, PlanCellRow
from service.plans.errors import PlanConflictError
from service.plans.opened import OpenPlan
from service.plans.progress_map import progress_map
from service.plans.records import PlanRecord, PlanState
from service.plans.store import PlanStore, refuse_unless

__all__ = ["PlanCells"]

_URGENT: Final = 10
"""Priority of cells that a client waits for."""


class PlanCells:
    """Reads the cells of plans and moves them to the head of the queue."""

    def __init__(self, jobs: Jobs, plans: PlanStore) -> None:
        self._jobs = jobs
        self._database = jobs.database
        self._plans = plans

    def page(
        self, name: str, *, state: str | None = None, start: int = 0, limit: int = 100
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Return cells with their ledger entries, and the first number of the next page.

        Args:
            name: The plan.
            state: `done`, `diverged`, `failed` or `left`; None: any.
            start: The first number.
            limit: The largest number of cells.
        """
        record, _ = self._plans.get(name)
        opened = self._plans.open(record)
        numbers, following = _numbers(record, state, start, limit)
        cells = [opened.cells[number] for number in numbers]
        return self._told(record, opened, cells), following

    def map(self, name: str, *, bins: int) -> dict[str, Any]:
        """Return the numbers of cells per state, by round and range of architectures.

        Args:
            name: The plan.
            bins: The largest number of ranges.
        """
        query = PlanCellRow.select(PlanCellRow.cell).where(
            PlanCellRow.plan == name, PlanCellRow.cell >= 0
        )
        numbers = self._database.read(
            lambda: [int(row["cell"]) for row in self._database.rows(query)]
        )
        record, _ = self._plans.get(name)
        # Cells that ended between the two reads are not counted twice.
        open_ones = [number for number in numbers if _state_of(record, number) == "left"]
        return progress_map(record, self._plans.open(record).cells, open_ones, bins=bins)

    def _told(
        self, record: PlanRecord, opened: OpenPlan, cells: list[Cell]
    ) -> list[dict[str, Any]]:
        keys = [opened.job(cell).key for cell in cells]
        entries = self._jobs.ledger.of(keys)
        failures = self._failures([key for key in keys if key not in entries])
        items = []
        for cell, key in zip(cells, keys, strict=True):
            entry = entries.get(key)
            items.append(
                {
                    "cell": cell.number,
                    "arch_str": opened.selection.name(cell.position),
                    "seed": cell.seed,
                    "num_epochs": cell.epochs,
                    "state": _state_of(record, cell.number),
                    "figures": None if entry is None else entry.figures,
                    "provenance": None if entry is None else entry.provenance,
                    "reason": failures.get(key) if cell.number in record.failed else None,
                }
            )
        return items

    def _failures(self, keys: list[str]) -> dict[str, str]:
        """Return the failure messages of the last failed jobs of some requests, by key."""

        def find() -> dict[str, str]:
            found = {}
            for some in in_batches(keys):
                query = (
                    JobRow.select(JobRow.key, JobRow.error)
                    .where(JobRow.key.in_(list(some)), JobRow.error.is_null(is_null=False))
                    .order_by(JobRow.number)
                )
                for row in self._database.rows(query):
                    found[row["key"]] = str(json.loads(row["error"])["message"])
            return found

        return self._database.read(find)

    def put_first(self, name: str, arch: Any, epochs: int) -> list[dict[str, Any]]:
        """Move the cells of an architecture to the head of the queue, and return them.

        Args:
            name: The plan.
            arch: The architecture, in any spelling that the table accepts.
            epochs: The budget.

        Raises:
            InvalidQuestionError: The plan does not have the architecture or the budget.
            PlanConflictError: The plan is not running, or the queue is full.
        """
        record, _ = self._plans.get(name)
        opened = self._plans.open(record)
        if epochs not in opened.plan.epochs:
            known = ", ".join(map(str, opened.plan.epochs))
            raise InvalidQuestionError("num_epochs", f"{name} has {known}, not {epochs}")
        try:
            cells = opened.cells.of(opened.selection.position(arch), epochs)
        except SpellingError as error:
            raise InvalidQuestionError("arch", str(error)) from error

        def check(record: PlanRecord) -> dict[str, Any]:
            left = [cell for cell in cells if _state_of(record, cell.number) == "left"]
            if left:
                refuse_unless(record, PlanState.RUNNING)
                self._put_first(opened, left, record.data_sha256)
            return {}

        record = self._plans.change(name, check)
        return self._told(record, opened, cells)

    def _put_first(self, opened: OpenPlan, cells: list[Cell], data_sha256: str | None) -> None:
        name = opened.plan.name
        query = PlanCellRow.select(PlanCellRow.cell, PlanCellRow.job_id).where(
            PlanCellRow.plan == name, PlanCellRow.cell.in_([cell.number for cell in cells])
        )
        jobs = {row["cell"]: row["job_id"] for row in self._database.rows(query)}
        self._database.change(
            JobRow.update(priority=_URGENT, revision=JobRow.revision + 1).where(
                JobRow.id.in_(list(jobs.values())), IS_WAITING, JobRow.priority < _URGENT
            )
        )
        new = [cell for cell in cells if cell.number not in jobs]
        if data_sha256 is None:
            # As in the feeder: a single cell determines the data set of the plan.
            outstanding = PlanCellRow.select(PlanCellRow.cell).where(PlanCellRow.plan == name)
            new = [] if self._database.rows(outstanding.limit(1)) else new[:1]
        made = self._jobs.store.submit_many(
            [replace(opened.job(cell, data_sha256=data_sha256), priority=_URGENT) for cell in new]
        )
        if len(made) < len(new):
            raise PlanConflictError("the queue of jobs is full: try again later")
        for cell, (job_id, is_new) in zip(new, made, strict=True):
            row = PlanCellRow.insert(plan=name, cell=cell.number, job_id=job_id, made=is_new)
            self._database.insert(row)


def _state_of(record: PlanRecord, number: int) -> str:
    for state in ("done", "diverged", "failed"):
        if number in getattr(record, state):
            return state
    return "left"


def _numbers(
    record: PlanRecord, state: str | None, start: int, limit: int
) -> tuple[list[int], int | None]:
    """Return the numbers of cells in a state, from `start` on, and the first of the next page."""
    if state is None:
        found = list(range(start, min(start + limit + 1, record.cells)))
    else:
        states = {"done": record.done, "diverged": record.diverged, "failed": record.failed}
        if state not in states:
            states[state] = record.done.none_of(record.diverged, record.failed)
        found = states[state].first(limit + 1, start=start)
    return found[:limit], found[limit] if len(found) > limit else None
