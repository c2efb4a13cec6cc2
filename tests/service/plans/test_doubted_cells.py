"""Cells that are trained twice, results that cannot be believed, and results withdrawn."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planned import CAN, a_plan, result_of, seeds_that_repeat

from benchmark_db.verify import verify_database
from nas_search.plans import Cell
from service.jobs.errors import LostLeaseError
from service.jobs.records import (
    DeviceState,
    JobState,
    WorkerState,
)
from service.jobs.tables import JobRow
from service.plans.errors import UnknownPlanError
from service.plans.records import PlanState
from service.plans.versions import VersionMaker

WORKER = WorkerState(
    id="w",
    host="here",
    pid=1,
    version="0",
    devices=(DeviceState(name="cpu", kind="cpu", model="a processor", memory=2**30),),
)


def test_a_cell_in_a_hundred_is_trained_twice_by_another_worker_and_counts_once(
    lab: Any, tmp_path: Path
) -> None:
    for worker in ("w", "v"):
        lab.jobs.workers.heartbeat(replace(WORKER, id=worker))
    # Of 80 cells one is to be expected; more say more of their mean.
    plan = {"select__n": 40, "protocol__epochs": [1]}
    seeds = seeds_that_repeat(2, lambda drawn: len(drawn) in range(4, 9), **plan)
    name = lab.started(**plan, protocol__seeds=seeds)
    drawn = lab.plans.open(lab.record(name)).repeated
    record = lab.until_finished(name)
    assert (record.settled, record.state) == (80, PlanState.RUNNING)
    assert (lab.outstanding(name), len(lab.trained)) == (len(drawn), 80)
    lab.plans.act(name, "pause")  # what waits is taken back, and fed again
    lab.plans.act(name, "resume")
    lab.feed(name)
    again = [lab.jobs.leases.acquire("v", CAN) for _ in drawn]
    assert all(lease.job.spec in lab.trained for lease in again)
    lab.fail(again[0])  # one that cannot be done is not tried again
    for gap, lease in enumerate(again[1:], 1):
        first = result_of(lease.job.spec)["metrics"]["accuracy"]
        result = result_of(lease.job.spec, metrics__accuracy=first - gap)
        lab.jobs.leases.succeed(lease, result, [])
    record = lab.feed(name)
    assert (record.state, len(record.done), len(record.failed)) == (PlanState.FINISHED, 80, 0)
    version = VersionMaker(lab.jobs, lab.plans, tmp_path).make(name)
    pairs = len(drawn) - 1
    mean_square = sum(gap * gap for gap in range(1, pairs + 1)) / pairs
    assert version["noise"] == {
        "cells": pairs,
        "other_worker": pairs,
        "largest": pytest.approx(pairs),
        "std": pytest.approx(math.sqrt(mean_square / 2)),
    }
    found = verify_database(tmp_path / "tiny.db")
    assert (found.contents["runs"], found.contents["noise"]["cells"]) == (80, pairs)


def test_the_same_worker_trains_a_cell_twice_where_there_is_no_other(lab: Any) -> None:
    lab.jobs.workers.heartbeat(WORKER)
    plan = {"select__n": 40, "protocol__epochs": [1]}
    seeds = seeds_that_repeat(2, lambda drawn: len(drawn) > 1, **plan)
    alone = lab.started(**plan, protocol__seeds=seeds)
    drawn = lab.plans.open(lab.record(alone)).repeated
    assert lab.until_finished(alone).state is PlanState.FINISHED
    assert len(lab.trained) == 80 + len(drawn) > 80
    # Nor does it wait for ever for others that cannot do it.
    job = lab.opened.of(a_plan(name="by-hand")).job(Cell(0, 0, 0, 1))
    lab.jobs.store.submit(replace(job, avoids_worker="w", key="0" * 64))
    assert lab.lease() is None
    old = JobRow.update(created_at=JobRow.created_at - 601)
    lab.jobs.database.write(lambda: lab.jobs.database.change(old))
    assert lab.lease() is not None


@pytest.mark.parametrize(
    "lie",
    [
        {"metrics__accuracy": math.nan},
        {"metrics__accuracy": 101.0},
        {"metrics__loss": "low"},
        {"curve": []},
        {"provenance__seed": 77},
        {"provenance__network": {"space": "NasBench101"}},
        {"provenance__network": {}},
        {"provenance__network": []},
        {"provenance__network": {"seed": 1, "checkpoint": None}},
        {"provenance__dataset_sha256": "short"},
        {"seconds": -1.0},
        {"provenance": None},
        {"shared": "many"},
        {"shared": 0},
        {"provenance__train_images": 1.5},
        {"provenance__device": {"name": "cpu"}},
        {"provenance__device": "x" * 301},
        {"provenance__versions": ["torch"]},
        {"provenance__versions": {"torch": 2}},
    ],
    ids=str,
)
def test_a_result_that_cannot_be_that_of_the_cell_is_none(lab: Any, lie: dict[str, Any]) -> None:
    name = lab.started()
    lab.feed(name)
    lab.work(1, **lie)
    record = lab.feed(name)
    assert (len(record.failed), len(record.done)) == (1, 0)
    assert "the result: " in lab.jobs.store.page(state=JobState.FAILED)[0][0].error.message


def test_a_result_of_a_lost_lease_is_dropped_and_kept_for_comparison(lab: Any) -> None:
    name = lab.started()
    lab.feed(name)
    slow = lab.lease()
    lab.jobs.leases.recover({"w"})
    assert len(lab.until_finished(name).done) == 20
    # Repeated after an answer that was lost, and under leases that never were.
    others = [replace(slow, token=slow.token + step) for step in (-1, 100)]
    for lease in (slow, slow, *others):
        with pytest.raises(LostLeaseError):
            lab.jobs.leases.succeed(lease, result_of(slow.job.spec, metrics__accuracy=1.0), [])
    dropped = lab.jobs.ledger.dropped([slow.job.key])[slow.job.key]
    assert [entry.figures["accuracy"] for entry in dropped] == [1.0]
    assert lab.jobs.ledger.of([slow.job.key])[slow.job.key].figures["accuracy"] != 1.0


def test_a_wrong_result_is_withdrawn_by_another_entry_and_measured_again(lab: Any) -> None:
    name = lab.started()
    lab.until_finished(name)
    record = lab.plans.withdraw(name, 3, "the fan was broken")
    assert (len(record.done), len(record.failed), record.withdrawn) == (19, 1, 1)
    opened = lab.plans.open(record)
    key = opened.job(opened.cells[3]).key
    assert lab.jobs.ledger.of([key]) == {}
    lab.plans.act(name, "retry")
    assert len(lab.until_finished(name).done) == 20
    assert len(lab.trained) == 21
    for wrong in (-1, 20):
        with pytest.raises(UnknownPlanError):
            lab.plans.withdraw(name, wrong, "no")
