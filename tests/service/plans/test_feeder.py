"""The feeder: what is fed, what is settled, what stops a plan."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from planned import ANY_DATA, CAN, DATA, TRAINER, a_plan, result_of

from service.jobs.lease_tokens import leases_of
from service.jobs.ledger import CURVES, EntryStatus
from service.jobs.records import (
    OTHER_DATA,
    OTHER_TRAINER,
    DeviceState,
    Failure,
    Job,
    JobState,
    Lease,
    Progress,
    WorkerState,
)
from service.jobs.tables import JobRow, WithheldRow
from service.jobs.worker_wire import ClaimedLease
from service.plans import feeder
from service.plans.cells import PlanCells
from service.plans.errors import PlanConflictError, UnknownPlanError
from service.plans.feeder import Feeder
from service.plans.records import PlanState

WORKER = WorkerState(
    id="w",
    host="here",
    pid=1,
    version="0",
    devices=(DeviceState(name="cpu", kind="cpu", model="a processor", memory=2**30),),
)


def test_a_plan_is_fed_and_finished(lab: Any) -> None:
    name = lab.started()
    record = lab.until_finished(name)
    assert (record.state, record.cells, len(record.done)) == (PlanState.FINISHED, 20, 20)
    assert len(lab.trained) == 20
    opened = lab.plans.open(record)
    keys = [opened.job(cell).key for cell in opened.cells]
    entries = lab.jobs.ledger.of(keys)
    assert set(entries) == set(keys)
    for cell, key in zip(opened.cells, keys, strict=True):
        found = result_of(opened.job(cell).spec)
        entry = entries[key]
        assert (entry.status, entry.epochs, entry.seed) == (
            EntryStatus.DONE,
            cell.epochs,
            cell.seed,
        )
        assert entry.figures["accuracy"] == found["metrics"]["accuracy"]
        assert entry.curves["loss"] == [epoch["loss"] for epoch in found["curve"]]
        assert entry.provenance["versions"] == {"torch": "2.10"}
        assert entry.provenance["dataset_sha256"] == DATA == record.data_sha256
    assert lab.trained[0]["epochs"] == 1
    assert record.estimate["hours"] > 0  # type: ignore[index]  # there is one
    assert lab.plans.act(name, "seal").state is PlanState.SEALED


def test_what_another_plan_or_a_person_has_trained_is_shared(lab: Any) -> None:
    first = lab.started()
    lab.feed(first)
    second = lab.started(name="other", protocol__seeds=[1, 2])
    lab.feed(second)
    assert lab.jobs.store.counts()[JobState.QUEUED] == 30
    lab.work(15)
    lab.plans.act(first, "stop")
    assert lab.jobs.store.counts()[JobState.QUEUED] >= 20 - 15
    assert lab.until_finished(second).state is PlanState.FINISHED
    third = lab.started(name="third", protocol__seeds=[2])
    assert lab.feed(third).state is PlanState.FINISHED
    assert lab.record(third).seconds == 0


def test_a_window_is_kept_and_no_cell_is_a_row(lab: Any) -> None:
    name = lab.started(select__n=40)
    lab.feeder = Feeder(lab.jobs, lab.plans, window=7)
    lab.feed(name)
    assert lab.jobs.store.counts()[JobState.QUEUED] == 7
    assert lab.plans.get(name)[1] == 7
    lab.work(3)
    lab.feed(name)
    assert lab.jobs.store.counts()[JobState.QUEUED] == 7
    limited = lab.started(name="limited", limits={"running": 2}, protocol__seeds=[9])
    lab.feed(limited)
    assert lab.plans.get(limited)[1] == 2


def test_a_full_queue_is_waited_for(lab: Any) -> None:
    name = lab.started(select__n=30)
    record = lab.feed(name)
    assert lab.jobs.store.counts()[JobState.QUEUED] == 100
    assert record.cells == 120
    assert lab.until_finished(name).state is PlanState.FINISHED
    assert len({str(spec) for spec in lab.trained}) == 120
    assert len(lab.trained) == 120 + len(lab.plans.open(record).repeated)


def test_two_feeders_at_once_feed_no_cell_twice(lab: Any) -> None:
    name = lab.started(select__n=20)
    others = [Feeder(lab.jobs, lab.plans, window=10) for _ in range(4)]

    def feed(feeder: Feeder) -> None:
        while feeder.step(name, lease_seconds=0):
            pass

    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            list(pool.map(feed, others))
            lab.work(10)
    record = lab.feed(name)
    assert record.state is PlanState.FINISHED
    assert len(lab.trained) == 80 + len(lab.plans.open(record).repeated)


def test_one_feeder_looks_at_a_plan_at_a_time(lab: Any) -> None:
    name = lab.started()
    while lab.feeder.step(name, lease_seconds=60):
        pass
    lab.work()
    assert not lab.feeder.step(name)
    assert lab.record(name).settled == 0


def test_pause_takes_back_what_waits_and_resume_goes_on(lab: Any) -> None:
    name = lab.started()
    lab.feed(name)
    lab.work(4)
    running = lab.lease()
    lab.plans.act(name, "pause")
    assert lab.jobs.store.counts()[JobState.QUEUED] == 0
    lab.jobs.leases.succeed(running, result_of(running.job.spec), [])
    record = lab.feed(name)
    assert (record.state, record.settled, record.reason) == (PlanState.PAUSED, 5, None)
    lab.plans.act(name, "resume")
    assert lab.until_finished(name).state is PlanState.FINISHED
    assert len(lab.trained) == 19


def test_a_job_that_a_person_submitted_is_not_taken_back(lab: Any) -> None:
    name = lab.submit()
    opened = lab.opened.of(a_plan())
    job, _ = lab.jobs.store.submit(opened.job(opened.cells[0]))
    lab.plans.act(name, "start")
    lab.feed(name)
    lab.plans.act(name, "stop")
    assert lab.jobs.store.counts()[JobState.QUEUED] == 1
    assert lab.jobs.store.get(job.id).state is JobState.QUEUED


def test_divergence_is_a_result_and_not_tried_again(lab: Any) -> None:
    name = lab.started()
    lab.feed(name)
    lab.fail(lab.lease(), "diverged", epoch=1)
    record = lab.until_finished(name)
    assert (len(record.done), len(record.diverged), len(record.failed)) == (19, 1, 0)
    assert record.state is PlanState.FINISHED
    opened = lab.plans.open(record)
    key = opened.job(opened.cells[next(iter(record.diverged))]).key
    entry = lab.jobs.ledger.of([key])[key]
    assert entry.figures == {"epoch": 1.0, "train_loss": 1.0, "diverged_at": 2.0}


def test_what_fails_for_good_is_counted_and_tried_again_when_asked(lab: Any) -> None:
    name = lab.started()
    lab.feed(name)
    lab.fail(lab.lease())
    for _ in range(3):
        lab.jobs.leases.crash(lab.lease(), Failure(kind="crash", message="it fell"))
    record = lab.until_finished(name)
    assert (record.state, len(record.failed)) == (PlanState.FINISHED, 2)
    lab.plans.act(name, "retry")
    assert len(lab.until_finished(name).done) == 20


def test_more_than_5_percent_of_the_last_200_pause_the_plan(lab: Any) -> None:
    name = lab.started()
    lab.feed(name)
    for _ in range(11):
        lab.fail(lab.lease())
    record = lab.feed(name)
    assert record.state is PlanState.PAUSED
    assert record.reason == ("11 of the last 11 cells failed; the last one: it cannot be done")
    assert lab.jobs.store.counts()[JobState.QUEUED] == 0
    lab.plans.act(name, "resume")
    lab.plans.act(name, "retry")
    assert lab.until_finished(name).state is PlanState.FINISHED


def test_the_hours_of_a_plan_are_its_limit(lab: Any) -> None:
    name = lab.started(limits={"hours": 1e-9})
    lab.feed(name)
    lab.work(1)
    record = lab.feed(name)
    assert (record.state, lab.work()) == (PlanState.PAUSED, 0)
    assert record.reason == "it has taken the 1e-09 worker hours of its limit"


def test_a_plan_is_estimated_by_a_pilot_and_does_not_start_beyond_its_hours(lab: Any) -> None:
    name = lab.submit(pilot=True, select__n=40, protocol__epochs=[5])
    with pytest.raises(PlanConflictError, match="the pilot of tiny is running"):
        lab.plans.act(name, "start")
    assert lab.feed(name).state is PlanState.PILOT
    assert lab.work() == 8
    record = lab.feed(name)
    assert (record.state, record.settled) == (PlanState.READY, 0)
    assert record.estimate == record.first_estimate
    assert record.estimate["timings"] == 8  # type: ignore[index]  # there is one
    assert record.estimate["hours"] == pytest.approx(80 * 5 * 0.3 / 3600, rel=0.3)  # type: ignore[index]  # as above
    lab.plans.act(name, "start")
    dear = lab.submit(pilot=True, name="dear", limits={"hours": 0.001}, protocol__epochs=[50])
    lab.work()
    lab.feed(dear)
    with pytest.raises(PlanConflictError, match=r"worker hours, and its limit is 0\.001"):
        lab.plans.act(dear, "start")


@pytest.mark.parametrize("seconds", [1e300, 1e-300])
def test_seconds_that_nobody_believes_are_not_fitted(lab: Any, seconds: float) -> None:
    name = lab.submit(pilot=True)
    lab.feed(name)
    epoch = {**dict.fromkeys(CURVES, 50.0), "seconds": seconds}
    lab.work(curve=[epoch, epoch])
    record = lab.feed(name)
    assert (record.state, record.timings) == (PlanState.READY, [])
    assert "none of its trainings reports how long" in record.reason  # type: ignore[operator]  # there is one


def test_other_data_of_the_same_name_is_no_cell(lab: Any) -> None:
    name = lab.started(data__sha256=DATA)
    lab.feed(name)
    lab.work(1, provenance__dataset_sha256="e" * 64)
    record = lab.until_finished(name)
    assert (len(record.failed), len(record.done)) == (1, 19)


def test_a_stopped_cell_is_not_a_finished_one(lab: Any) -> None:
    name = lab.started()
    lab.feed(name)
    lease = lab.lease()
    lab.jobs.leases.renew(lease, Progress(stage="training", done=1, figures={"epoch": 1.0}))
    lab.jobs.store.cancel(lease.job.id, stop=True)
    lab.jobs.leases.cancel(lease)
    assert lab.jobs.store.get(lease.job.id).state is JobState.STOPPED
    record = lab.until_finished(name)
    assert (len(record.done), len(record.failed)) == (19, 1)
    assert set(lab.jobs.ledger.of([lease.job.key])) == set()


def test_a_worker_with_other_data_gets_no_cell_of_the_plan(lab: Any) -> None:
    name = lab.started(data=ANY_DATA)  # which is that of the first cell
    lab.feed(name)
    lab.work(1)
    lab.feed(name)
    lease = lab.lease()
    assert lease.job.needs_sha256 == DATA
    assert ClaimedLease.of(lease).lease("w").job.needs_sha256 == DATA
    lab.fail(lease, OTHER_DATA)
    lab.fail(lab.jobs.leases.acquire("v", CAN), OTHER_DATA)
    assert lab.lease() is None
    assert lab.jobs.leases.acquire("v", CAN) is None
    freed = lab.jobs.leases.acquire("other", CAN)
    assert (freed.job.id, freed.job.attempts, leases_of(freed.token)) == (lease.job.id, 1, 3)
    lab.jobs.leases.release(freed)
    record = lab.feed(name)
    assert (len(record.failed), record.settled) == (0, 1)
    # Jobs that need other data, or any, are done here as before.
    urgent = lab.started(name="any", data=ANY_DATA, protocol__seeds=[7])
    lab.feed(urgent)
    # Who needs no digest fails as ever, whatever a worker says.
    for failed in (1, 2):
        lease = lab.lease()
        assert lease.job.needs_sha256 is None
        lab.fail(lease, OTHER_DATA)
        assert len(lab.feed(urgent).failed) == failed
    # By the next day the data of a worker may be another.
    day_old = WithheldRow.update(noted_at=WithheldRow.noted_at - 2 * 86_400)
    lab.jobs.database.write(lambda: lab.jobs.database.change(day_old))
    lab.jobs.workers.heartbeat(WORKER)
    assert lab.lease().job.needs_sha256 == DATA


def test_a_cell_that_runs_out_of_memory_is_tried_once_by_a_worker_with_more(lab: Any) -> None:
    leases = lab.jobs.leases
    large = replace(WORKER.devices[0], memory=2**33)
    bigger = replace(WORKER, id="large", devices=(large,))
    for worker in (WORKER, bigger):
        lab.jobs.workers.heartbeat(worker)
    name = lab.started()
    lab.feed(name)

    def runs_out(lease: Lease, kind: str) -> Job:
        if any(worker.id == "large" for worker in lab.jobs.workers.all()):
            lab.jobs.workers.heartbeat(bigger)
        end = leases.fail if kind == "out-of-memory" else leases.crash
        end(lease, Failure(kind=kind, message="it is too large"))
        job: Job = lab.jobs.store.get(lease.job.id)
        return job

    for failed, kind in enumerate(("out-of-memory", "memory-limit"), 1):
        first = lab.lease()
        assert runs_out(first, kind).state is JobState.QUEUED
        other = lab.lease()
        assert other.job.id != first.job.id
        leases.release(other)
        again = leases.acquire("large", CAN)
        assert (again.job.id, again.job.attempts) == (first.job.id, 2)
        ended = runs_out(again, kind)
        assert (ended.state, ended.error.kind) == (JobState.FAILED, "memory")  # type: ignore[union-attr]  # it failed
        assert len(lab.feed(name).failed) == failed
    # Where those with more are gone, anybody tries after ten minutes.
    third = lab.lease()
    assert runs_out(third, "out-of-memory").state is JobState.QUEUED
    lab.jobs.workers.deregister("large")
    long_ago = JobRow.update(not_before=JobRow.not_before - 700).where(JobRow.id == third.job.id)
    lab.jobs.database.write(lambda: lab.jobs.database.change(long_ago))
    last = lab.lease()
    assert last.job.id == third.job.id
    assert runs_out(last, "out-of-memory").state is JobState.FAILED
    # Where nobody has more it has failed at once, without a second try.
    assert runs_out(lab.lease(), "memory-limit").state is JobState.FAILED
    assert len(lab.feed(name).failed) == 4
    # Memory of another kind of device is none.
    gpu = replace(large, name="cuda:0", kind="cuda")
    lab.jobs.workers.heartbeat(replace(WORKER, id="gpu", devices=(gpu,)))
    for needed, state in (("cpu", JobState.FAILED), ("any", JobState.QUEUED)):
        lease = lab.lease()
        of_a_kind = JobRow.update(needs_device=needed).where(JobRow.id == lease.job.id)
        lab.jobs.database.write(lambda change=of_a_kind: lab.jobs.database.change(change))
        assert runs_out(lease, "out-of-memory").state is state


def test_no_second_cell_is_begun_before_the_first_tells_the_data(lab: Any) -> None:
    name = lab.started(data=ANY_DATA)
    record = lab.feed(name)
    assert (record.data_sha256, lab.outstanding(name)) == (None, 1)
    # Neither what somebody waits for, nor other feeders, begin another.
    cells = PlanCells(lab.jobs, lab.plans)
    arch = lab.plans.open(record).selection.name(3)
    for _ in range(2):
        assert {one["state"] for one in cells.put_first(name, arch, 2)} == {"left"}
        lab.feed(name)
        assert lab.outstanding(name) == 1
    first = lab.lease()
    assert lab.lease() is None
    # What ends without telling the data is followed by another, and again by one.
    lab.fail(first, "diverged", epoch=1)
    lab.feed(name)
    assert lab.outstanding(name) == 1
    lab.fail(lab.lease())
    lab.feed(name)
    assert lab.outstanding(name) == 1
    other = lab.lease()
    lab.jobs.leases.succeed(
        other, result_of(other.job.spec, provenance__dataset_sha256="e" * 64), []
    )
    record = lab.feed(name)
    assert (record.data_sha256, lab.outstanding(name)) == ("e" * 64, 17)
    assert lab.lease().job.needs_sha256 == "e" * 64
    assert {one["state"] for one in cells.put_first(name, arch, 2)} == {"left"}


def test_a_pilot_on_different_data_is_of_the_first(lab: Any) -> None:
    name = lab.submit(pilot=True, data=ANY_DATA, select__n=40, protocol__epochs=[5])
    leases = [lab.lease(), lab.lease()]
    for lease, digest in zip(leases, ("d" * 64, "e" * 64), strict=True):
        result = result_of(lease.job.spec, provenance__dataset_sha256=digest)
        lab.jobs.leases.succeed(lease, result, [])
        lab.feed(name)
    record = lab.record(name)
    assert (record.data_sha256, len(record.timings)) == ("d" * 64, 1)
    assert lab.lease().job.needs_sha256 == "d" * 64


def test_cells_go_to_workers_with_the_trainer_of_the_plan_alone(lab: Any) -> None:
    name = lab.started(protocol__trainer=TRAINER)
    lab.feed(name)
    can = replace(CAN, trainers=frozenset({TRAINER["sha256"]}))
    assert lab.lease() is None
    assert lab.jobs.leases.acquire("w", replace(CAN, trainers=frozenset({"e" * 64}))) is None
    lease = lab.jobs.leases.acquire("w", can)
    assert lease.job.spec["trainer"] == TRAINER
    # One that finds other code than it reported gets none of them, which costs no attempt.
    lab.fail(lease, OTHER_TRAINER)
    assert lab.jobs.leases.acquire("w", can) is None
    again = lab.jobs.leases.acquire("v", can)
    assert (again.job.id, again.job.attempts) == (lease.job.id, 1)
    other = result_of(again.job.spec, provenance__trainer={**TRAINER, "version": "2"})
    lab.jobs.leases.succeed(again, other, [])
    assert "its trainer is not that" in lab.jobs.store.get(again.job.id).error.message
    lease = lab.jobs.leases.acquire("v", can)
    without = result_of(lease.job.spec)
    for epoch in without["curve"]:
        del epoch["lr"]  # a trainer need not have one
    lab.jobs.leases.succeed(lease, without, [])
    entry = lab.jobs.ledger.of([lease.job.key])[lease.job.key]
    assert entry.provenance["trainer"] == TRAINER
    assert "lr" not in entry.curves
    # A plan without the trainer shares no cell with this one.
    plain = lab.started(name="plain")
    lab.feed(plain)
    assert lab.record(plain).settled == 0
    assert "trainer" not in lab.lease().job.spec


def test_a_plan_keeps_to_its_workers_and_its_hours(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        hour_now = 12

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2026, 1, 1, cls.hour_now, 30, tzinfo=tz)

    monkeypatch.setattr(feeder, "datetime", Clock)
    name = lab.started(limits={"label": "night", "daily": ["20:00", "06:00"]})
    assert (lab.feed(name).settled, lab.outstanding(name)) == (0, 0)
    Clock.hour_now = 23
    lab.feed(name)
    assert lab.outstanding(name) == 20
    assert lab.lease() is None
    assert lab.jobs.leases.acquire("w", replace(CAN, labels=frozenset({"night"}))) is not None
    arch = lab.plans.open(lab.record(name)).selection.name(4)
    assert len(PlanCells(lab.jobs, lab.plans).put_first(name, arch, 2)) == 2
    Clock.hour_now = 6
    record = lab.feed(name)
    # What runs, and what somebody waits for.
    assert (record.state, lab.outstanding(name)) == (PlanState.RUNNING, 3)
    Clock.hour_now = 5
    lab.feed(name)
    assert lab.outstanding(name) == 20


def test_cells_that_are_timed_go_to_no_worker_that_shares_its_device(lab: Any) -> None:
    name = lab.started(limits={"timing": "alone"}, protocol__seeds=[3, 1], protocol__epochs=[1])
    lab.feed(name)
    shares = replace(CAN, own_device=False)
    taken = []
    while lease := lab.jobs.leases.acquire("w", shares):
        taken.append(lease.job.spec["seed"])
    assert taken == [1] * 5
    while lease := lab.lease():
        taken.append(lease.job.spec["seed"])
    assert taken == [1] * 5 + [3] * 5


def test_a_name_is_that_of_one_plan(lab: Any) -> None:
    name = lab.submit()
    assert lab.plans.submit(lab.opened.of(a_plan()), pilot=False, large=False)[1] is False
    with pytest.raises(PlanConflictError, match="another plan tiny"):
        lab.submit(protocol__seeds=[5])
    lab.plans.act(name, "start")
    for refused in ("start", "seal", "version"):
        with pytest.raises(PlanConflictError):
            lab.plans.act(name, refused)
    with pytest.raises(UnknownPlanError):
        lab.plans.get("none")
