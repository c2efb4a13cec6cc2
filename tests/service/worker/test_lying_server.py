"""What a worker believes of its server: nothing that no server of this program would say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lying_server import LyingServer, answer, endless_chunks, lying

from bench_client.models import ModelRequest
from benchmark_db.catalog import Catalog
from service.jobs import JobSettings
from service.jobs.errors import RefusedResultError, StoreUnavailableError
from service.jobs.kinds import new_job
from service.jobs.records import Capabilities, WorkerState
from service.worker.http_source import HttpSource
from service.worker.server_connection import AccessRefusedError, ServerConnection

from .conftest import NETWORK

CAN = Capabilities(device="cpu")
STATE = WorkerState(id="w", host="h", pid=1, version="0")
SETTINGS = {"lease_seconds": 30.0, "job_seconds": 3600.0, "upload_bytes": 1000}
SPEC: dict[str, Any] = new_job(
    ModelRequest.model_validate({"network": NETWORK, "formats": ["report"]}),
    catalog=Catalog(Path("nowhere")),
    job_seconds=1.0,
).spec  # type: ignore[assignment]  # a dict
JOB: dict[str, Any] = {
    "id": "0" * 32,
    "kind": "model",
    "spec": SPEC,
    "attempts": 1,
    "time_limit": None,
    "request_id": None,
}


@pytest.fixture
def liar() -> Iterator[LyingServer]:
    with lying() as server:
        yield server


@pytest.fixture
def source(liar: LyingServer, tmp_path: Path) -> Iterator[HttpSource]:
    connection = ServerConnection(liar.url)
    yield HttpSource(connection, JobSettings(jobs_dir=tmp_path))
    connection.close()


def test_redirects_lead_nowhere(liar: LyingServer, source: HttpSource) -> None:
    liar.say = lambda _: [answer(b"{}", ("Location", liar.url + "/elsewhere"), status=307)]
    with pytest.raises(StoreUnavailableError):
        source.heartbeat(STATE)
    assert len(liar.asked) == 1


def test_no_access_is_told_as_such(liar: LyingServer, source: HttpSource) -> None:
    liar.say = lambda _: [answer(b"{}", status=403)]
    with pytest.raises(AccessRefusedError, match="scope worker"):
        source.heartbeat(STATE)


def test_an_endless_answer_is_not_read_to_its_end(liar: LyingServer, source: HttpSource) -> None:
    liar.say = lambda _: [answer(b"", ("Transfer-Encoding", "chunked")), *endless_chunks()]
    with pytest.raises(StoreUnavailableError):
        source.heartbeat(STATE)
    assert liar.sent < 2**28


@pytest.mark.parametrize(
    "lie",
    [
        {"id": "../../etc/passwd"},
        {"kind": "shell"},
        {"attempts": -1},
        {"spec": "x"},
        {"more": 1},
        {"request_id": "x" * 1000},
        {"time_limit": "soon"},
    ],
    ids=str,
)
def test_a_job_that_is_none_is_not_begun(
    liar: LyingServer, source: HttpSource, lie: dict[str, Any]
) -> None:
    _claims(liar, {**JOB, **lie})
    source.heartbeat(STATE)
    with pytest.raises(StoreUnavailableError):
        source.acquire("w", CAN, lambda: False)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {**SPEC, "formats": ["pickle"]},
        {**SPEC, "input_shape": [3, 10**6, 10**6]},
        {**SPEC, "network": {**SPEC["network"], "checkpoint": "../x"}},
        {**SPEC, "network": {**SPEC["network"], "space": "os.system"}},
        {**SPEC, "dataset": "/etc"},
    ],
    ids=str,
)
def test_a_request_that_no_server_takes_is_handed_back(
    liar: LyingServer, source: HttpSource, spec: dict[str, Any]
) -> None:
    _claims(liar, {**JOB, "spec": spec})
    source.heartbeat(STATE)
    with pytest.raises(StoreUnavailableError):
        source.acquire("w", CAN, lambda: False)
    assert liar.asked[-1] == f"POST /v1/worker/jobs/{'0' * 32}/end"


def test_weights_with_another_digest_are_not_taken(
    liar: LyingServer, source: HttpSource, tmp_path: Path
) -> None:
    digest = "a" * 64
    network = {**SPEC["network"], "checkpoint": digest}
    _claims(liar, {**JOB, "spec": {**SPEC, "network": network}})
    source.heartbeat(STATE)
    lease = source.acquire("w", CAN, lambda: False)
    assert lease is not None
    with pytest.raises(RefusedResultError):
        source.prepare(lease, tmp_path / "scratch")
    source.clean(lease)
    assert [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == []


def _claims(liar: LyingServer, job: dict[str, Any]) -> None:
    said = {"heartbeat": SETTINGS, "claim": {"token": 1, "job": job}}
    liar.say = lambda target: [
        answer(json.dumps(said.get(target.rpartition("/")[2], {})).encode())
        if target.startswith("POST")
        else answer(b"other bytes", ("ETag", f'"{"0" * 64}"'))
    ]
