"""Clients that wait for a job, whatever becomes of the server meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from bench_server import BenchServer
from prometheus_client.parser import text_string_to_metric_families
from waiting import PATIENCE

from bench_client import AsyncBenchClient, BenchClient, Job, JobCancelledError, JobWaitError
from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.records import Capabilities, Lease

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


def do(server: BenchServer, result: dict[str, Any]) -> None:
    """Do the next job of a server as a worker does."""
    with open_jobs(JobSettings(jobs_dir=server.jobs_folder)) as jobs:
        claimed = jobs.leases.acquire("hand", Capabilities(device="cpu", datasets=frozenset()))
        assert claimed is not None
        jobs.leases.succeed(claimed, result, [])


def submit(url: str, arch: int = 0) -> Job:
    with BenchClient(url) as bench:
        return bench.latency("nasbench201", arch, dataset="cifar10", wait=False)


def looks(url: str) -> float:
    """Return how often a server was asked how a job is."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
        for sample in family.samples
        if sample.name == "nasbench_requests_total"
        and sample.labels["route"] == "/v1/jobs/{job_id}"
    )


def test_the_end_of_a_job_is_noticed_at_once_however_long_it_took(
    waiting: Wait,
    job_server: Any,
    jobs: Jobs,
    claim: Callable[[str], Lease],
    submitted: dict[str, Any],
) -> None:
    before = looks(job_server.url)
    done = waiting(job_server.url, submitted["id"])
    claimed = claim(submitted["id"])
    time.sleep(3)
    began = time.monotonic()
    jobs.leases.succeed(claimed, {"parameters": 5}, [])
    assert done.result(30).result == {"parameters": 5}
    # About 0.05 s; more where other tests run beside.
    assert time.monotonic() - began < 2
    # At first, and held until it was claimed and until it had ended.
    assert looks(job_server.url) - before <= 3


def test_a_wait_has_an_end_although_the_server_may_be_silent_for_less(
    job_server: Any, submitted: dict[str, Any]
) -> None:
    with (
        BenchClient(job_server.url, timeout=0.5, retries=0) as bench,
        pytest.raises(JobWaitError, match="still queued"),
    ):
        bench.wait(submitted["id"], timeout=1.5)


def test_those_who_wait_leave_connections_to_questions(
    job_server: Any, jobs: Jobs, submitted: dict[str, Any]
) -> None:
    async def asked() -> float:
        async with AsyncBenchClient(job_server.url) as bench:
            waiting = [asyncio.create_task(bench.wait(submitted["id"])) for _ in range(20)]
            await asyncio.sleep(1)
            began = time.monotonic()
            await bench.workers()
            took = time.monotonic() - began
            jobs.store.cancel(submitted["id"])
            ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(end) for end in ends} == {JobCancelledError}
        return took

    assert asyncio.run(asked()) < 2


def test_a_server_that_holds_no_more_answers_is_asked_now_and_then(
    waiting: Wait, directory: Path, tmp_path: Path
) -> None:
    server = BenchServer(tmp_path, directory, NASBENCH_JOB_STREAMS="1")
    server.start()
    try:
        submitted = [submit(server.url, arch) for arch in range(3)]
        all_done = [waiting(server.url, job.id) for job in submitted]
        for number in range(3):
            do(server, {"median": number})
        assert [done.result(30).result for done in all_done] == [
            {"median": number} for number in range(3)
        ]
    finally:
        server.stop()


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_a_server_that_ends_and_is_started_anew_is_waited_for(
    waiting: Wait, mortal_server: BenchServer, way: str
) -> None:
    job = submit(mortal_server.url)
    seen = threading.Event()
    done = waiting(mortal_server.url, job.id, progress=lambda _: seen.set())
    assert seen.wait(PATIENCE)
    began = time.monotonic()
    getattr(mortal_server, way)()
    # One that is told to stop keeps nobody waiting.
    assert time.monotonic() - began < 8
    do(mortal_server, {"median": 0.5})
    assert not done.done()
    mortal_server.start()
    assert done.result(30).result == {"median": 0.5}
