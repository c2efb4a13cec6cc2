"""The feeder of plans: submits cells as jobs, up to a window, and records those that have ended.

A step is one transaction that locks the row of the plan, so that feeders of several servers never
submit a cell twice; a lease of a second keeps the others from trying. The work of a step is
bounded; the caller repeats it while there is more to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, Final

from peewee import JOIN

from nas_search.plans import Timing, estimate, fit_seconds
from service.jobs import Jobs
from service.jobs.ledger import Entry, EntryStatus
from service.jobs.records import FINISHED, JobState
from service.jobs.tables import IS_WAITING, JobRow, PlanCellRow, PlanRow
from service.plans.opened import OpenPlan
from service.plans.records import PlanRecord, PlanState
from service.plans.repeats import FIRST_REPEAT, repeat_of, repeated_key
from service.plans.store import PlanStore, is_free

__all__ = ["WINDOW", "Feeder"]

WINDOW: Final = 2_000
"""Queued and running cells of a plan."""
_BATCH: Final = 200
"""Cells recorded and submitted in a transaction, for which submissions wait."""
_SKIPPED_BATCH: Final = 2_000
"""Cells skipped in a transaction because they have ended before."""
_RECENT: Final = 200
_MOST_FAILURES: Final = 10
"""Failures among the recent cells that pause a plan: 5 %."""
_MOST_TIMINGS: Final = 200
_LEASE_SECONDS: Final = 0.8
_LONGEST_LEASE: Final = 60.0
_LEAST_OFTEN: Final = 8
_MOST_OFTEN: Final = 100
"""Cells between two fits of the cost model: a fiftieth of all, within these bounds."""
_NOTIFIED_WORKERS: Final = 32
"""Workers notified of new cells in a step; the others poll."""
_PLAUSIBLE_SECONDS: Final = (1e-9, 1e9)
"""Plausible seconds of an epoch; other values of workers are ignored, as they break the fit."""
_HOUR: Final = 3600.0
_FEEDING: Final = (PlanState.PILOT, PlanState.RUNNING)


@dataclass(slots=True)
class _Step:
    """The findings of a step, to be written at its end."""

    record: PlanRecord
    opened: OpenPlan
    recent: str
    timings: list[list[float]]
    seconds: float
    cursor: int
    data_sha256: str | None
    reason: str | None = None
    settled: int = 0
    fed: list[str] = field(default_factory=list)
    new: list[int] = field(default_factory=list)
    more: bool = False
    refit: bool = False
    changes: dict[str, Any] = field(default_factory=dict)

    def written(self) -> dict[str, Any]:
        """Return the columns of the plan that may have changed."""
        record = self.record
        return {
            "done": bytes(record.done),
            "diverged": bytes(record.diverged),
            "failed": bytes(record.failed),
            "recent": self.recent,
            "timings": json.dumps(self.timings),
            "seconds": self.seconds,
            "cursor": self.cursor,
            "data_sha256": self.data_sha256,
            **self.changes,
            "revision": PlanRow.revision + 1,
        }


class Feeder:
    """Feeds the plans of a database of jobs.

    Args:
        window: Queued and running cells of a plan.
    """

    def __init__(self, jobs: Jobs, plans: PlanStore, *, window: int = WINDOW) -> None:
        self._jobs = jobs
        self._database = jobs.database
        self._plans = plans
        self._window = window

    def names(self) -> list[str]:
        """Return the names of plans with cells to submit or to record."""
        waiting = PlanCellRow.select(PlanCellRow.plan)
        query = PlanRow.select(PlanRow.name).where(
            PlanRow.state.in_(list(_FEEDING)) | PlanRow.name.in_(waiting)
        )
        return [row["name"] for row in self._database.read(lambda: self._database.rows(query))]

    def step(self, name: str, *, lease_seconds: float = _LEASE_SECONDS) -> bool:
        """Record and submit some cells of a plan, and tell whether there is more to do at once.

        Args:
            name: The plan.
            lease_seconds: Time during which other feeders skip the plan.

        Raises:
            StoreUnavailableError: The database does not answer.
        """
        # Loaded before the transaction, which blocks others.
        opened = self._plans.open(self._plans.get(name)[0])
        _ = opened.repeated  # computed now, and cached
        step = self._database.write(lambda: self._step(name, opened, lease_seconds))
        if step is None:
            return False
        for job_id in step.fed[:_NOTIFIED_WORKERS]:
            self._jobs.notifier.notify(job_id)
        if step.refit:
            self._estimate(name)
        return step.more

    def _step(self, name: str, opened: OpenPlan, lease_seconds: float) -> _Step | None:
        query = self._database.for_update(
            PlanRow.select().where(
                PlanRow.name == name,
                is_free(PlanRow.fed_until, self._database.now(), _LONGEST_LEASE),
            )
        )
        rows = self._database.rows(query)
        if not rows:
            return None
        record = PlanRecord.from_row(rows[0])
        step = _Step(
            record,
            opened,
            recent=record.recent,
            timings=list(record.timings),
            seconds=record.seconds,
            cursor=record.cursor,
            data_sha256=record.data_sha256,
        )
        before = record.settled
        self._settle(step)
        if record.data_sha256 is None and step.data_sha256 is not None:
            self._require_data(record.name, step.data_sha256)
        if record.state is PlanState.PILOT:
            self._end_pilot(step)
        elif record.state is PlanState.RUNNING:
            self._limit(step)
            if "state" not in step.changes:
                if _is_outside_hours(step.opened.plan.daily) and record.settled < record.cells:
                    self._withdraw_outside_hours(step)
                else:
                    self._feed(step)
        often = max(_LEAST_OFTEN, min(_MOST_OFTEN, record.cells // 50))
        step.refit = step.refit or before // often != record.settled // often
        # With more to do, any feeder may continue at once.
        changes = {"fed_until": self._database.now() + (0.0 if step.more else lease_seconds)}
        if step.settled or step.fed or step.changes or step.cursor != record.cursor:
            changes |= step.written()
        self._database.change(PlanRow.update(**changes).where(PlanRow.name == name))
        return step

    def _settle(self, step: _Step) -> None:
        """Record the cells whose jobs have ended and remove them from the window."""
        job = (JobRow.key, JobRow.state, JobRow.started_at, JobRow.finished_at, JobRow.attempts)
        query = (
            PlanCellRow.select(PlanCellRow.cell, *job, JobRow.error)
            .join(JobRow, JOIN.LEFT_OUTER, on=(PlanCellRow.job_id == JobRow.id))
            .where(
                PlanCellRow.plan == step.record.name,
                JobRow.state.is_null() | JobRow.state.in_(list(FINISHED)),
            )
            .limit(_BATCH)
        )
        rows = self._database.rows(query)
        if not rows:
            return
        entries = self._jobs.ledger.within([row["key"] for row in rows if row["key"]])
        for row in rows:
            self._settle_one(step, row, entries.get(row["key"] or ""))
        numbers = [row["cell"] for row in rows]
        self._database.change(
            PlanCellRow.delete().where(
                PlanCellRow.plan == step.record.name, PlanCellRow.cell.in_(numbers)
            )
        )
        step.settled += len(rows)
        step.more = len(rows) == _BATCH
        failures = step.recent.count("1")
        if failures > _MOST_FAILURES and step.record.state is PlanState.RUNNING:
            last = f"{failures} of the last {len(step.recent)} cells failed"
            self._pause(step, f"{last}; the last one: {step.reason}")

    def _settle_one(self, step: _Step, row: Mapping[str, Any], entry: Entry | None) -> None:
        number = row["cell"]
        if entry is None and row["state"] in {None, JobState.EXPIRED}:
            # Deleted or evicted before it was recorded: submitted again.
            step.cursor = min(step.cursor, number) if number >= 0 else step.cursor
            return
        if row["started_at"] is not None and row["finished_at"] is not None:
            # The clock may have been set back in between.
            step.seconds += max(0.0, row["finished_at"] - row["started_at"])
        wrong = self._fault_of(step, entry, row)
        if number >= 0:
            step.recent = f"{step.recent}{int(wrong is not None)}"[-_RECENT:]
            self._mark(step, number, entry, wrong)
        step.reason = wrong or step.reason
        timing = None if entry is None or wrong else _timing(step.opened, number, entry, row)
        if timing is not None:
            step.timings = [*step.timings[1 - _MOST_TIMINGS :], timing]

    def _require_data(self, name: str, sha256: str) -> None:
        """Require the data set of the first cell for all queued cells."""
        mine = PlanCellRow.select(PlanCellRow.job_id).where(
            PlanCellRow.plan == name, PlanCellRow.made
        )
        self._database.change(
            JobRow.update(needs_sha256=sha256).where(
                JobRow.id.in_(mine), IS_WAITING, JobRow.needs_sha256.is_null()
            )
        )

    def _fault_of(self, step: _Step, entry: Entry | None, row: Mapping[str, Any]) -> str | None:
        """Return why the result of an ended cell does not count; None: it does."""
        if entry is None:
            told = json.loads(row["error"]) if row["error"] else {}
            return str(told.get("message") or f"its job was {row['state']}")
        digest = entry.provenance.get("dataset_sha256")
        wanted = step.data_sha256 or digest
        step.data_sha256 = wanted
        if digest is None or digest == wanted:
            return None
        return f"it was trained on other data: {digest[:12]}, not {str(wanted)[:12]}"

    def _mark(self, step: _Step, number: int, entry: Entry | None, wrong: str | None) -> None:
        record = step.record
        if entry is None or wrong is not None:
            record.failed.add(number)
        elif entry.status is EntryStatus.DIVERGED:
            record.diverged.add(number)
        else:
            record.done.add(number)
            if number in step.opened.repeated:
                step.new.append(number)

    def _end_pilot(self, step: _Step) -> None:
        """End the pilot when all of its jobs have ended."""
        if self._plans.outstanding(step.record.name):
            return
        if step.timings:
            # The plan becomes ready with its estimate, which is made after the transaction.
            step.refit = True
            return
        why = step.reason or "none of its trainings reports how long it took"
        reason = f"there is no estimate, as the pilot has failed: {why}"
        step.changes |= {"state": PlanState.READY, "reason": reason}

    def _limit(self, step: _Step) -> None:
        hours = step.record.content["limits"].get("hours")
        if hours is not None and step.seconds >= hours * _HOUR and "state" not in step.changes:
            self._pause(step, f"it has taken the {hours:g} worker hours of its limit")

    def _pause(self, step: _Step, reason: str) -> None:
        step.cursor = min(step.cursor, self._plans.withdraw_queued(step.record)["cursor"])
        step.changes |= {"state": PlanState.PAUSED, "reason": reason}
        step.more = False

    def _withdraw_outside_hours(self, step: _Step) -> None:
        """Withdraw the queued cells outside the hours of the plan; running cells end normally."""
        if self._plans.outstanding(step.record.name):
            back = self._plans.withdraw_queued(step.record, urgent=False)
            step.cursor = min(step.cursor, back["cursor"])

    def _feed(self, step: _Step) -> None:
        """Submit cells from the cursor on, and record those that are in the ledger already."""
        record, opened = step.record, step.opened
        window = min(self._window, record.content["limits"].get("running", self._window))
        if step.data_sha256 is None:
            # Workers may have different data of one name: one cell determines the data set.
            window = 1
        outstanding = self._plans.outstanding(record.name)
        room = min(_BATCH, window - outstanding)
        wanted, end = self._next_cells(record, step.cursor, room)
        jobs = [opened.job(opened.cells[number], data_sha256=step.data_sha256) for number in wanted]
        entries = self._jobs.ledger.within([job.key for job in jobs])
        new = []
        for number, job in zip(wanted, jobs, strict=True):
            entry = entries.get(job.key)
            if entry is not None and self._fault_of(step, entry, {}) is None:
                self._mark(step, number, entry, None)
                step.settled += 1
            else:
                new.append((number, job))
        made = self._jobs.store.submit_many([job for _, job in new]) if new else []
        rows = [
            {"plan": record.name, "cell": number, "job_id": job_id, "made": is_new}
            for (number, _), (job_id, is_new) in zip(new, made, strict=False)
        ]
        self._database.insert_all(PlanCellRow, rows)
        step.fed += [job_id for job_id, is_new in made if is_new]
        if len(made) < len(new):  # the queue is full
            end = new[len(made)][0]
        step.cursor = end
        outstanding += len(made)
        if step.new and len(made) == len(new):
            outstanding += self._repeat(step, step.new)
        step.more = step.more or (
            end < record.cells and outstanding < window and len(made) == len(new)
        )
        if end >= record.cells:
            self._end(step, outstanding)

    def _end(self, step: _Step, outstanding: int) -> None:
        """Finish a plan whose cells have all been submitted, or look for missing cells."""
        record = step.record
        if record.settled == record.cells:
            # Including repeats that were withdrawn, or for which the queue had no room.
            if not self._repeat(step, step.opened.repeated) and not outstanding:
                step.changes |= {"state": PlanState.FINISHED, "reason": None}
                step.refit = True
        elif not outstanding:  # a cell behind the cursor is missing: start from the beginning
            step.cursor = 0

    def _repeat(self, step: _Step, numbers: Iterable[int]) -> int:
        """Submit the second trainings of some cells, and return how many there are."""
        record, opened = step.record, step.opened
        jobs = {
            number: opened.job(opened.cells[number], data_sha256=step.data_sha256)
            for number in sorted(numbers)
            if number in record.done
        }
        firsts = self._jobs.ledger.within([job.key for job in jobs.values()])
        keys = {number: repeated_key(job.key) for number, job in jobs.items()}
        settled = {*self._jobs.ledger.within(list(keys.values())), *self._failed(keys.values())}
        workers = {one.id for one in self._jobs.workers.within() if one.alive}
        wanted, news = [], []
        for number, job in jobs.items():
            first = firsts.get(job.key)
            if first is None or keys[number] in settled:
                continue
            by = first.provenance.get("worker")
            wanted.append(number)
            news.append(repeat_of(job, avoids_worker=by if workers - {by} else None))
        made = self._jobs.store.submit_many(news) if news else []
        for number, (job_id, is_new) in zip(wanted, made, strict=False):
            row = PlanCellRow.insert(
                plan=record.name, cell=FIRST_REPEAT - number, job_id=job_id, made=is_new
            )
            self._database.insert(row.on_conflict_ignore())
            step.fed += [job_id] * is_new
        return len(wanted)

    def _failed(self, keys: Iterable[str]) -> list[str]:
        """Return the keys whose jobs failed: a second training is not retried."""
        query = JobRow.select(JobRow.key).where(
            JobRow.key.in_(list(keys)), JobRow.state.in_([JobState.FAILED, JobState.PARKED])
        )
        return [row["key"] for row in self._database.rows(query)]

    def _next_cells(self, record: PlanRecord, cursor: int, count: int) -> tuple[list[int], int]:
        """Return the next cells to train, and the cursor after them."""
        if count <= 0:
            return [], cursor
        end = min(record.cells, cursor + _SKIPPED_BATCH)
        query = PlanCellRow.select(PlanCellRow.cell).where(
            PlanCellRow.plan == record.name, PlanCellRow.cell >= cursor, PlanCellRow.cell < end
        )
        waiting = {row["cell"] for row in self._database.rows(query)}
        found: list[int] = []
        for number in range(cursor, end):
            ended = number in record.done or number in record.diverged or number in record.failed
            if not ended and number not in waiting:
                if len(found) == count:
                    return found, number
                found.append(number)
        return found, end

    def _estimate(self, name: str) -> None:
        """Fit the cost model of a plan to the times of its cells."""
        record, _ = self._plans.get(name)
        if not record.timings:
            return
        opened = self._plans.open(record)
        model = fit_seconds([Timing(*one) for one in record.timings])
        workers = sum(
            max(1, len(worker.devices)) for worker in self._jobs.workers.all() if worker.alive
        )
        found = estimate(opened.cells, model, workers=workers)
        self._plans.set_estimate(record, found)


def _is_outside_hours(daily: tuple[int, int] | None) -> bool:
    """Tell whether it is outside the daily hours in which a plan begins cells."""
    if daily is None:
        return False
    now = datetime.now(UTC)
    minute, (begin, end) = 60 * now.hour + now.minute, daily
    within = begin <= minute < end if begin < end else minute >= begin or minute < end
    return not within


def _timing(
    opened: OpenPlan, number: int, entry: Entry, row: Mapping[str, Any]
) -> list[float] | None:
    """Return the time of a cell as arguments of `Timing`; None if it is unusable."""
    seconds: Sequence[float | None] = entry.curves.get("seconds") or []
    shortest, longest = _PLAUSIBLE_SECONDS
    told = [one for one in (seconds[1:] or seconds) if one and shortest <= one <= longest]
    if entry.status is not EntryStatus.DONE or not told or row["attempts"] != 1:
        return None
    counts = opened.selection.counts(opened.cell(number).position)
    wall = row["finished_at"] - row["started_at"]
    return [
        entry.figures["macs"],
        0.0 if counts is None else float(counts.activations),
        fmean(told),
        max(0.0, wall - entry.figures["seconds"]),
    ]
