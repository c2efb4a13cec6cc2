"""Whatever callers, workers and two feeders do, in whatever order: a simple model says the same."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from peewee import fn
from planned import CAN, a_plan, result_of

from benchmark_db.catalog import Catalog
from nas_search.plans import Plan, plan_of
from service.jobs import JobSettings, open_jobs
from service.jobs.records import Failure, Lease, Progress
from service.jobs.tables import LedgerRow, PlanCellRow
from service.plans.feeder import Feeder
from service.plans.opened import OpenPlans
from service.plans.records import PlanState
from service.plans.store import PlanStore

WINDOW = 4
NAMES = st.sampled_from(["tiny", "other", "more"])
"""The third is there once the first was extended."""


class Plans(RuleBasedStateMachine):
    """Two plans that share cells, one that extends the first, two feeders, workers with leases."""

    url: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.leases: list[Lease] = []
        # What is known of a request, by key: its last outcome.
        self.outcomes: dict[str, str] = {}
        self.states: dict[str, PlanState] = {}
        self.entries = 0

    @initialize()
    def open(self) -> None:
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        options = JobSettings(jobs_dir=folder, jobs_url=self.url, retry_seconds=0, queue_bound=6)
        self.jobs = self.stack.enter_context(open_jobs(options))
        self.opened = OpenPlans(Catalog(folder), job_seconds=3600.0)
        self.plans = PlanStore(self.jobs, self.opened)
        self.feeders = [Feeder(self.jobs, self.plans, window=WINDOW) for _ in range(2)]
        self.keys: dict[str, list[str]] = {}
        for name, seeds in (("tiny", [0, 1]), ("other", [1, 2])):
            self.begin(a_plan(name=name, select__n=2, protocol__seeds=seeds, protocol__epochs=[1]))

    def begin(self, file: Plan) -> None:
        plan = self.opened.of(file)
        self.plans.submit(plan, pilot=False, large=False)
        self.plans.act(file.name, "start")
        self.states[file.name] = PlanState.RUNNING
        self.keys[file.name] = [plan.job(cell).key for cell in plan.cells]

    @precondition(lambda self: "more" not in self.keys)
    @rule(seed=st.integers(2, 3))
    def extend(self, seed: int) -> None:
        # The second plan has the cells of seed 2, too; nobody has those of seed 3.
        plan = plan_of(self.plans.get("tiny")[0].content)
        self.begin(plan.extended("more", seeds=[seed]))

    @rule(feeder=st.integers(0, 1), name=NAMES)
    def feed(self, feeder: int, name: str) -> None:
        if name in self.keys:
            self.feeders[feeder].step(name, lease_seconds=0)

    @rule()
    def lease(self) -> None:
        if (lease := self.jobs.leases.acquire("w", CAN)) is not None:
            self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(how=st.sampled_from(["done", "done", "diverged", "failed", "lost"]), data=st.data())
    def end(self, how: str, data: st.DataObject) -> None:
        lease = self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1)))
        if how == "lost":
            self.jobs.leases.release(lease)
            return
        if how == "done":
            self.jobs.leases.succeed(lease, result_of(lease.job.spec), [])
        else:
            told = Progress(stage="training", figures={"epoch": 1.0})
            self.jobs.leases.renew(lease, told)
            kind = "diverged" if how == "diverged" else "crash"
            self.jobs.leases.fail(lease, Failure(kind=kind, message="it fell"))
        # A failure is no entry: what was known before counts on.
        if how != "failed":
            self.outcomes[lease.job.key] = how

    @rule(name=NAMES)
    def pause(self, name: str) -> None:
        if name in self.keys and self.plans.get(name)[0].state is PlanState.RUNNING:
            self.plans.act(name, "pause")

    @rule(name=NAMES)
    def resume(self, name: str) -> None:
        if name in self.keys and self.plans.get(name)[0].state is PlanState.PAUSED:
            self.plans.act(name, "resume")

    @rule(name=NAMES)
    def retry(self, name: str) -> None:
        if name in self.keys and self.plans.get(name)[0].state is not PlanState.READY:
            self.plans.act(name, "retry")

    @rule(name=NAMES, number=st.integers(0, 5))
    def withdraw(self, name: str, number: int) -> None:
        if number >= len(self.keys.get(name, ())):
            return
        record, _ = self.plans.get(name)
        if number in record.done or number in record.diverged:
            self.plans.withdraw(name, number, "it is wrong")
            self.outcomes.pop(self.keys[name][number], None)

    @invariant()
    def holds(self) -> None:
        if not self.leases and not self.states:
            return
        database = self.jobs.database
        known = self.jobs.ledger.of([key for keys in self.keys.values() for key in keys])
        # The ledger says what happened last, and only grows.
        assert {key: entry.status.value for key, entry in known.items()} == self.outcomes
        counting = LedgerRow.select(fn.COUNT(1).alias("n"))
        cells = PlanCellRow.select(PlanCellRow.plan, PlanCellRow.cell)
        (counted,), waits = database.read(lambda: (database.rows(counting), database.rows(cells)))
        assert counted["n"] >= self.entries
        self.entries = counted["n"]
        found = self.plans.all()
        assert {record.name for record, _ in found} == self.keys.keys()
        for record, outstanding in found:
            parts = [set(record.done), set(record.diverged), set(record.failed)]
            waiting = {row["cell"] for row in waits if row["plan"] == record.name}
            # A cell is in one place at most, and the window is kept.
            assert sum(map(len, [*parts, waiting])) == len(set().union(*parts, waiting))
            assert len(waiting) == outstanding <= WINDOW
            if record.state is PlanState.FINISHED:
                assert record.settled == record.cells
                assert not waiting

    def teardown(self) -> None:
        """Whatever happened: fed and worked on to the end, every cell has a result."""
        if not self.states:
            self.stack.close()
            return
        for lease in self.leases:
            self.jobs.leases.release(lease)
        for name in self.keys:
            self.resume(name)
            # What has failed and is not settled yet cannot be tried again.
            while self.feeders[0].step(name, lease_seconds=0):
                pass
            self.retry(name)
            for _ in range(60):
                while self.feeders[0].step(name, lease_seconds=0):
                    pass
                if self.plans.get(name)[0].state is PlanState.FINISHED:
                    break
                while (lease := self.jobs.leases.acquire("w", CAN)) is not None:
                    self.jobs.leases.succeed(lease, result_of(lease.job.spec), [])
            record, outstanding = self.plans.get(name)
            assert record.state is PlanState.FINISHED, record
            assert (record.there, outstanding) == (record.cells, 0)
        self.stack.close()


TestPlans = Plans.TestCase
TestPlans.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)


def test_in_postgresql(postgres_server: Any) -> None:
    """A few runs: each has a database of its own."""

    class Here(Plans):
        url = str(postgres_server.url)

    run_state_machine_as_test(Here, settings=settings(max_examples=1, stateful_step_count=40))
