"""What tests of the routes of jobs need: submissions, and a hand that does the jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer

from service.jobs import Jobs
from service.jobs.records import Capabilities, Failure, Lease, WorkerState

CAN: Final = Capabilities(device="cpu", datasets=frozenset({"tiny", "other"}))
_seeds = count(1)


@pytest.fixture
def submission() -> dict[str, Any]:
    """A submission to `/v1/models` that no test made before."""
    network = {"benchmark": "nasbench201", "arch": 7, "dataset": "cifar10", "seed": next(_seeds)}
    return {"network": network, "priority": 10}


@pytest.fixture
def submitted(asking: httpx.Client, submission: dict[str, Any]) -> dict[str, Any]:
    """A job that waits."""
    answer = asking.post("/v1/models", json=submission)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def claim(jobs: Jobs) -> Callable[[str], Lease]:
    """Claims a job as a worker does; what stands before it in the queue is ended."""

    def take(job_id: str) -> Lease:
        while (taken := jobs.leases.acquire("hand", CAN)) is not None:
            if taken.job.id == job_id:
                return taken
            jobs.leases.fail(taken, Failure(kind="test", message="another test's"))
        raise AssertionError("the job is not in the queue")

    return take


@pytest.fixture
def worker(jobs: Jobs) -> WorkerState:
    """A worker with a data set that is heard of now."""
    state = WorkerState(id="hand", host="here", pid=1, version="0", datasets=("tiny",))
    jobs.workers.heartbeat(state)
    return state


@pytest.fixture
def mortal_server(directory: Path, tmp_path: Path) -> Iterator[BenchServer]:
    """A server of a test's own, running, which it may kill and start again."""
    server = BenchServer(tmp_path, directory)
    server.start()
    yield server
    server.stop()
