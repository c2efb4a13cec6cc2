"""A job is one definition: the table, the record, the wire and the kinds agree."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from importlib import import_module
from typing import get_args

import pytest
from pydantic import BaseModel

from bench_client import models
from service.jobs.kinds import KINDS
from service.jobs.records import (
    Artifact,
    Checkpoint,
    DeviceState,
    Failure,
    Job,
    JobState,
    Progress,
    WorkerState,
    to_json,
)
from service.jobs.tables import CheckpointRow, JobRow

INSIDE = {"crashes", "losses", "not_before", "needs_sha256"}
NOT_READ = {
    "number",
    "subject",
    "needs_device",
    "needs_dataset",
    "needs_trainer",
    "needs_label",
    "stop_requested",
    "avoids_worker",
    "token",
    "holder",
    "needs_memory",
    "needs_own_device",
    "lease_until",
}
MOMENT = datetime(2026, 3, 1, 12, 0, 0, 1500, UTC)

JOB = Job(
    id="0" * 32,
    key="k",
    kind="model",
    state=JobState.RUNNING,
    spec={"network": {}},
    priority=0,
    time_limit=60.0,
    attempts=1,
    revision=2,
    created_at=MOMENT,
    started_at=MOMENT,
    finished_at=None,
    cancel_requested=False,
    progress=Progress(stage="building"),
    result=None,
    artifacts=(Artifact(name="a", media_type="text/plain", size=1, sha256="0" * 64),),
    error=Failure(kind="crash", message="it crashed"),
    worker="w",
    request_id=None,
    crashes=1,
    losses=0,
    needs_sha256=None,
    not_before=None,
)
WORKER = WorkerState(
    id="w",
    host="h",
    pid=1,
    version="1",
    devices=(DeviceState(name="cpu", kind="cpu", model="m", memory=1),),
    started_at=MOMENT,
    seen_at=MOMENT,
)
CHECKPOINT = Checkpoint(sha256="0" * 64, name="n", size=1, tensors=1, created_at=MOMENT)


@pytest.mark.parametrize(
    ("record", "wire"),
    [(JOB, models.Job), (WORKER, models.RegisteredWorker), (CHECKPOINT, models.Checkpoint)],
)
def test_what_is_sent_is_what_the_wire_declares(
    record: Job | WorkerState | Checkpoint, wire: type[BaseModel]
) -> None:
    sent = to_json(record)
    assert set(sent) == set(wire.model_fields)
    wire.model_validate(sent)


def test_times_are_sent_with_milliseconds_and_requests_by_their_name() -> None:
    sent = to_json(JOB)
    assert sent["created_at"] == "2026-03-01T12:00:00.001Z"
    assert sent["finished_at"] is None
    assert sent["request"] == JOB.spec


def test_a_job_has_the_columns_of_its_table() -> None:
    columns = set(JobRow._meta.fields)
    record = {field.name for field in fields(Job)}
    assert record - {"artifacts"} == columns - NOT_READ
    assert {name.replace("spec", "request") for name in record - INSIDE} == set(
        models.Job.model_fields
    )
    assert set(CheckpointRow._meta.fields) == {field.name for field in fields(Checkpoint)}


def test_every_kind_of_the_wire_has_an_entry_whose_handler_is_there() -> None:
    assert set(KINDS) == set(get_args(models.JobKind))
    for kind in KINDS.values():
        module, _, name = kind.handler.partition(":")
        assert callable(getattr(import_module(module), name))
