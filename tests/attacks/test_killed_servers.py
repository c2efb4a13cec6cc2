"""kill -9 of servers in the midst of everything, and several servers and workers on one folder."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer
from forked_nbs import ForkedProcess, start_nbs
from waiting import until

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.records import Artifact, Capabilities, Job, JobState

NETWORK: Final = {"benchmark": "nasbench201", "arch": 1, "dataset": "cifar10"}
CONTENT: Final = os.urandom(2**20) * 24
"""More than sockets hold: whoever reads a part of it keeps the server sending."""
CAN: Final = Capabilities(device="cpu")
Start = Callable[..., BenchServer]


@pytest.fixture
def start(directory: Path, tmp_path: Path) -> Iterator[Start]:
    """Makes servers of one folder of jobs; they end with the test."""
    made = []

    def make(**environment: str) -> BenchServer:
        folder = tmp_path / f"server{len(made)}"
        folder.mkdir()
        told = {"NASBENCH_JOBS_DIR": str(tmp_path / "jobs"), **environment}
        made.append(BenchServer(folder, directory, **told))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Callable[..., ForkedProcess]]:
    """Starts workers of that folder."""
    started = []

    def make(**environment: str) -> ForkedProcess:
        told = {"NASBENCH_JOBS_DIR": str(tmp_path / "jobs"), **environment}
        with (tmp_path / f"worker{len(started)}.log").open("wb") as log:
            process = start_nbs("worker", "--threads", "1", env={**os.environ, **told}, stderr=log)
        started.append(process)
        return process

    yield make
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with open_jobs(JobSettings(jobs_dir=tmp_path / "jobs")) as opened:
        yield opened


def submit(url: str, arch: int = 1, **more: Any) -> httpx.Response:
    body = {"network": {**NETWORK, "arch": arch}, **more}
    return httpx.post(f"{url}/v1/models", json=body, timeout=60)


def end_of(jobs: Jobs, job_id: str) -> Job:
    """Wait for the end of a job and return it."""
    return until(lambda: jobs.store.get(job_id), lambda job: job.is_finished, what="the job ended")


def make(jobs: Jobs, folder: Path, content: bytes) -> Job:
    """Do the job that waits, as a worker does, and return it."""
    claim = jobs.leases.acquire("hand", CAN)
    assert claim is not None
    file = folder / "made"
    file.write_bytes(content)
    sha256, size = jobs.artifacts.add(file)
    artifact = Artifact(name="report.json", media_type="text/json", size=size, sha256=sha256)
    jobs.leases.succeed(claim, {}, [artifact])
    return jobs.store.get(claim.job.id)


def test_a_server_that_is_killed_in_the_midst_of_everything_loses_and_doubles_nothing(
    start: Start, work: Callable[..., Any], jobs: Jobs, tmp_path: Path
) -> None:
    server = start()
    server.start()
    first = submit(server.url, 1).json()
    made = make(jobs, tmp_path, CONTENT)
    work()
    path = f"{server.url}/v1/jobs/{first['id']}"
    key = {"Idempotency-Key": "once"}
    body = {"network": {**NETWORK, "arch": 2}}

    def broken_off(ask: Callable[[], Any]) -> None:
        with suppress(httpx.TransportError):
            ask()

    with ThreadPoolExecutor(8) as threads:
        waiting = submit(server.url, 3, priority=-10).json()
        asked: list[Callable[[], Any]] = [
            lambda: httpx.get(f"{server.url}/v1/jobs/{waiting['id']}?wait=10", timeout=60),
            lambda: httpx.get(f"{server.url}/v1/jobs/{waiting['id']}/events", timeout=60),
        ]
        asked += [
            lambda: httpx.post(f"{server.url}/v1/models", json=body, headers=key, timeout=60)
        ] * 4
        futures = [threads.submit(broken_off, ask) for ask in asked]
        with httpx.stream("GET", f"{path}/artifacts/report.json", timeout=30) as download:
            pieces = download.iter_bytes()
            got, rest = next(pieces), list[bytes]()
            time.sleep(0.02)
            server.kill()
            with pytest.raises(httpx.RemoteProtocolError):
                rest.extend(pieces)
            got += b"".join(rest)
        for future in futures:
            future.result()
    assert CONTENT.startswith(got)
    assert len(got) < len(CONTENT)

    server.start()
    answer = httpx.post(f"{server.url}/v1/models", json=body, headers=key, timeout=60)
    assert answer.status_code in {200, 202}
    listed = httpx.get(f"{server.url}/v1/jobs", timeout=60).json()["items"]
    assert len([job for job in listed if job["request"] == answer.json()["request"]]) == 1
    # The download goes on where it was broken off.
    tail = httpx.get(
        f"{path}/artifacts/report.json",
        headers={"Range": f"bytes={len(got)}-", "If-Range": f'"{made.artifacts[0].sha256}"'},
        timeout=30,
    )
    assert tail.status_code == 206
    assert hashlib.sha256(got + tail.content).hexdigest() == made.artifacts[0].sha256
    for job in (answer.json(), waiting):
        ended = end_of(jobs, job["id"])
        assert ended.state is JobState.SUCCEEDED
        assert ended.attempts == 1
    assert submit(server.url, 2).json()["id"] == answer.json()["id"]


def test_a_server_that_is_killed_again_and_again_while_many_submit_keeps_what_it_confirmed(
    start: Start, jobs: Jobs
) -> None:
    server = start()
    server.start()
    confirmed: dict[int, str] = {}

    def ask(arch: int) -> None:
        with suppress(httpx.TransportError):
            answer = submit(server.url, arch)
            if answer.is_success:
                found = confirmed.setdefault(arch, answer.json()["id"])
                assert found == answer.json()["id"]

    for delay in (0.02, 0.1, 0.3):
        with ThreadPoolExecutor(6) as threads:
            asked = [threads.submit(ask, arch % 12) for arch in range(48)]
            time.sleep(delay)
            server.kill()
            for future in asked:
                future.result()
        server.start()
    for arch in range(12):
        ask(arch)
    listed = jobs.store.page()[0]
    assert {job.id for job in listed} == set(confirmed.values())
    assert len(listed) == 12


def test_servers_that_start_at_once_on_an_empty_folder_are_one_service(
    start: Start, jobs: Jobs
) -> None:
    servers = [start() for _ in range(3)]
    for server in servers:
        # Started without waiting for each other.
        server._process = subprocess.Popen(
            server.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **server.options
        )
    for server in servers:
        server.start()
    with ThreadPoolExecutor(12) as threads:
        urls = [server.url for server in servers]
        answers = list(threads.map(lambda number: submit(urls[number % 3], 5), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [202]
    (job,) = jobs.store.page()[0]
    assert {answer.json()["id"] for answer in answers} == {job.id}


def test_two_servers_and_two_workers_on_one_folder_do_each_job_once_and_both_tell_of_it(
    start: Start, work: Callable[..., Any], jobs: Jobs
) -> None:
    one, two = start(), start()
    for server in (one, two):
        server.start()
    job = submit(one.url, 1).json()
    with ThreadPoolExecutor(2) as threads:

        def follow(url: str) -> str:
            path = f"{url}/v1/jobs/{job['id']}/events"
            with httpx.stream("GET", path, timeout=90) as events:
                return "".join(events.iter_lines())

        told = [threads.submit(follow, server.url) for server in (one, two)]
        work()
        work()
        assert submit(two.url, 1).json()["id"] == job["id"]
        others = [submit((one, two)[arch % 2].url, arch).json() for arch in range(2, 6)]
        for future in told:
            assert '"succeeded"' in future.result()
    for other in others:
        ended = end_of(jobs, other["id"])
        assert (ended.state, ended.attempts) == (JobState.SUCCEEDED, 1)
        for artifact in ended.artifacts:
            for server in (one, two):
                path = f"{server.url}/v1/jobs/{ended.id}/artifacts/{artifact.name}"
                content = httpx.get(path, timeout=30).content
                assert hashlib.sha256(content).hexdigest() == artifact.sha256
