"""What a worker believes of its server: nothing that no server of this program would say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from lying_server import LyingServer, answer, endless_chunks, lying

from bench_client.models import ModelRequest
from benchmark_db.catalog import Catalog
from service.jobs import JobSettings
from service.jobs.errors import RefusedResultError, StoreUnavailableError
from service.jobs.kinds import new_job
from service.jobs.records import Capabilities, DeviceState, Lease, WorkerState
from service.worker.executor import Executor
from service.worker.http_source import HttpSource
from service.worker.offers import Offers
from service.worker.places import Places
from service.worker.server_connection import AccessRefusedError, ServerConnection
from service.worker.worker import Worker

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
    "needs_sha256": None,
}
LOST = b'{"type": "urn:x:lease-lost", "title": "x", "status": 409}'


@pytest.fixture
def liar() -> Iterator[LyingServer]:
    with lying() as server:
        yield server


@pytest.fixture
def source(liar: LyingServer, tmp_path: Path) -> Iterator[HttpSource]:
    connection = ServerConnection(liar.url)
    yield HttpSource(connection, JobSettings(jobs_dir=tmp_path))
    connection.close()


def test_a_worker_tells_of_its_gpus(liar: LyingServer, source: HttpSource) -> None:
    liar.say = lambda _: [answer(json.dumps(SETTINGS).encode())]
    gpu = DeviceState(name="cuda:0", kind="cuda", model="NVIDIA H200", memory=1)
    source.heartbeat(replace(STATE, devices=(gpu,)))
    assert liar.asked == ["POST /v1/worker/heartbeat"]


def test_redirects_lead_nowhere(liar: LyingServer, source: HttpSource) -> None:
    liar.say = lambda _: [answer(b"{}", ("Location", liar.url + "/elsewhere"), status=307)]
    with pytest.raises(StoreUnavailableError):
        source.heartbeat(STATE)
    assert len(liar.asked) == 1


def test_no_access_is_told_as_such(liar: LyingServer, source: HttpSource) -> None:
    liar.say = lambda _: [answer(b"{}", status=403)]
    with pytest.raises(AccessRefusedError, match="scope worker"):
        source.heartbeat(STATE)


def test_a_key_that_is_revoked_ends_the_worker_when_its_leases_are_over(
    liar: LyingServer, source: HttpSource
) -> None:
    told = [answer(json.dumps({**SETTINGS, "lease_seconds": 0.5}).encode())]
    liar.say = lambda _: [told.pop() if told else answer(b"{}", status=401)]
    with pytest.raises(AccessRefusedError, match="scope worker"):
        Worker(source, places=Places(devices=[])).run()
    assert liar.asked[-1] == "POST /v1/worker/leave"
    assert liar.asked.count("POST /v1/worker/heartbeat") > 1


def test_an_endless_answer_is_not_read_to_its_end(liar: LyingServer, source: HttpSource) -> None:
    liar.say = lambda _: chain([answer(b"", ("Transfer-Encoding", "chunked"))], endless_chunks())
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
    lease = _leased(liar, source)
    with pytest.raises(RefusedResultError):
        source.prepare(lease, tmp_path / "scratch")
    source.clean(lease)
    assert [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == []


def test_an_endless_redirect_in_place_of_weights_is_no_answer(
    liar: LyingServer, source: HttpSource, tmp_path: Path
) -> None:
    lease = _leased(liar, source)
    endless = answer(b"", ("Transfer-Encoding", "chunked"), status=302)
    liar.say = lambda _: chain([endless], endless_chunks())
    with pytest.raises(StoreUnavailableError):
        source.prepare(lease, tmp_path / "scratch")
    assert liar.sent < 2**28


def test_a_job_is_not_begun_twice(liar: LyingServer, source: HttpSource) -> None:
    _leased(liar, source)
    with pytest.raises(StoreUnavailableError, match="already"):
        source.acquire("w", CAN, lambda: False)


def test_a_lost_lease_of_a_refused_request_ends_no_worker(
    liar: LyingServer, source: HttpSource
) -> None:
    _claims(liar, {**JOB, "spec": {}}, end=answer(LOST, status=409))
    source.heartbeat(STATE)
    with pytest.raises(StoreUnavailableError):
        source.acquire("w", CAN, lambda: False)


@pytest.mark.parametrize("status", [204, 422])
def test_a_job_that_comes_while_draining_is_handed_back_unbegun(
    liar: LyingServer, source: HttpSource, tmp_path: Path, status: int
) -> None:
    """Whether the server takes it back or refuses: neither ends the worker by an error."""
    drain = threading.Event()
    _claims(liar, JOB, end=answer(b"", status=status))
    source.heartbeat(STATE)
    lies = liar.say

    def say(target: str) -> Iterable[bytes]:
        if target.endswith("/claim"):
            drain.set()
        return lies(target)

    liar.say = say
    executor = Executor(
        source=source,
        worker_id="w",
        device=DeviceState(name="cpu", kind="cpu", model="x", memory=1),
        threads=1,
        scratch=tmp_path / "scratch",
        offers=Offers,
        stop=threading.Event(),
        drain=drain,
    )
    executor.run()
    assert liar.asked[1:] == ["POST /v1/worker/claim", f"POST /v1/worker/jobs/{'0' * 32}/end"]
    assert not (tmp_path / "scratch").exists()


def _leased(liar: LyingServer, source: HttpSource) -> Lease:
    """Return the lease of a job that needs weights."""
    network = {**SPEC["network"], "checkpoint": "a" * 64}
    _claims(liar, {**JOB, "spec": {**SPEC, "network": network}})
    source.heartbeat(STATE)
    lease = source.acquire("w", CAN, lambda: False)
    assert lease is not None
    return lease


def _claims(liar: LyingServer, job: dict[str, Any], *, end: bytes = answer(b"{}")) -> None:
    said = {"heartbeat": SETTINGS, "claim": {"token": f"{1:016x}", "job": job}}

    def say(target: str) -> Iterable[bytes]:
        if target.endswith("/end"):
            return [end]
        if target.startswith("POST"):
            return [answer(json.dumps(said[target.rpartition("/")[2]]).encode())]
        return [answer(b"other bytes", ("ETag", f'"{"0" * 64}"'))]

    liar.say = say
