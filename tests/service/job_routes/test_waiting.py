"""Clients that wait for a job, whatever becomes of the server meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import pytest
from bench_server import BenchServer

from bench_client import AsyncBenchClient, BenchClient, Job
from service.jobs import JobSettings, open_jobs
from service.jobs.records import Capabilities

Wait: TypeAlias = Callable[..., Future[Job]]


def wait_blocking(url: str, job_id: str, **options: Any) -> Job:
    with BenchClient(url) as bench:
        return bench.wait(job_id, **options)


def wait_awaiting(url: str, job_id: str, **options: Any) -> Job:
    async def waited() -> Job:
        async with AsyncBenchClient(url) as bench:
            return await bench.wait(job_id, **options)

    return asyncio.run(waited())


@pytest.fixture(params=[wait_blocking, wait_awaiting], ids=["blocking", "awaited"])
def waiting(request: pytest.FixtureRequest) -> Iterator[Wait]:
    """Begins to wait for a job of a server, with either client."""
    with ThreadPoolExecutor() as threads:
        yield lambda *job, **options: threads.submit(request.param, *job, **options)


def test_a_server_that_is_killed_and_started_anew_is_waited_for(
    waiting: Wait, mortal_server: BenchServer
) -> None:
    with BenchClient(mortal_server.url) as bench:
        job = bench.latency("nasbench201", 0, dataset="cifar10", wait=False)
    seen = threading.Event()
    done = waiting(mortal_server.url, job.id, progress=lambda _: seen.set())
    assert seen.wait(30)
    mortal_server.kill()
    with open_jobs(JobSettings(jobs_dir=mortal_server.jobs_folder)) as jobs:
        claimed = jobs.leases.claim("hand", Capabilities(device="cpu", datasets=frozenset()))
        assert claimed is not None
        jobs.leases.succeed(claimed, {"median": 0.5}, [])
    assert not done.done()
    mortal_server.start()
    assert done.result(30).result == {"median": 0.5}
