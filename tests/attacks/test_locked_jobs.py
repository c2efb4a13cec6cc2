"""A database of jobs that somebody else locks, or a PostgreSQL that stands still: one deadline."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from bench_server import BenchServer, ending_together
from real_servers import PostgresServer
from waiting import until

DEADLINE: Final = 10.0
GENEROUS: Final = 8.0
"""Seconds beyond the deadline that a busy machine may take: less than a second deadline."""
NETWORK: Final = {"benchmark": "nasbench201", "arch": 1, "dataset": "cifar10"}
Start = Callable[..., BenchServer]


@pytest.fixture
def start(directory: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a server that ends with the test."""
    with ending_together() as started:
        yield lambda **told: started(BenchServer(tmp_path, directory, **told))


def submit(url: str, arch: int) -> httpx.Response:
    body = {"network": {**NETWORK, "arch": arch}}
    return httpx.post(f"{url}/v1/models", json=body, timeout=60)


@contextmanager
def locked(path: Path, *statements: str) -> Iterator[sqlite3.Connection]:
    """Hold a lock on a SQLite file as another process would."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    for statement in statements:
        connection.execute(statement)
    try:
        yield connection
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.close()


def timed(ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    begun = time.monotonic()
    return ask(), time.monotonic() - begun


def assert_in_time(answer: httpx.Response, seconds: float) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["type"].endswith(":jobs-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert seconds < DEADLINE + GENEROUS


def metric(url: str, name: str) -> float:
    answer = httpx.get(f"{url}/metrics", timeout=30)
    assert answer.status_code == 200
    lines = (line.split() for line in answer.text.splitlines())
    return next(float(line[1]) for line in lines if line[0] == name)


def test_a_writer_who_never_ends_delays_writing_to_one_deadline_and_reading_not_at_all(
    start: Start,
) -> None:
    server = start()
    job = submit(server.url, 1).json()
    path = f"{server.url}/v1/jobs/{job['id']}"
    with (
        ThreadPoolExecutor(13) as threads,
        locked(server.jobs_folder / "jobs.db", "BEGIN EXCLUSIVE"),
    ):
        asked = [lambda arch=arch: submit(server.url, arch) for arch in range(12)]
        asked.append(lambda: httpx.post(f"{path}/cancel", timeout=60))
        waiting = [threads.submit(timed, ask) for ask in asked]
        time.sleep(0.5)
        # All of this while more wait to write than there are threads for it.
        begun = time.monotonic()
        for name in ("jobs", "workers", "datasets", "checkpoints", f"jobs/{job['id']}"):
            assert httpx.get(f"{server.url}/v1/{name}", timeout=30).status_code == 200
        with httpx.stream("GET", f"{path}/events", timeout=30) as events:
            assert '"queued"' in next(one for one in events.iter_lines() if one[:5] == "data:")
        assert httpx.get(f"{path}?wait=0.2", timeout=30).json() == job
        assert metric(server.url, "nasbench_jobs_available") == 1
        for name in ("livez", "readyz", "v1/nasbench201/computed-stats?arch=0"):
            assert httpx.get(f"{server.url}/{name}", timeout=30).status_code == 200
        assert time.monotonic() - begun < DEADLINE
        assert not any(future.done() for future in waiting)
        for future in waiting:
            assert_in_time(*future.result())
    assert submit(server.url, 2).status_code in {200, 202}
    assert httpx.post(f"{path}/cancel", timeout=30).json()["state"] == "cancelled"


def test_a_lock_that_ends_before_the_deadline_costs_nothing_but_time(start: Start) -> None:
    server = start()
    assert submit(server.url, 1).status_code == 202
    with locked(server.jobs_folder / "jobs.db", "BEGIN EXCLUSIVE") as other:
        release = threading.Timer(5, lambda: other.execute("ROLLBACK"))
        release.start()
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda _: submit(server.url, 2), range(2)))
        release.join()
    assert sorted(answer.status_code for answer in answers) == [200, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_file_that_another_has_for_itself_alone_is_503_everywhere_within_one_deadline(
    start: Start,
) -> None:
    server = start()
    path = server.jobs_folder / "jobs.db"
    server.jobs_folder.mkdir()
    alone = ("PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = wal", "BEGIN EXCLUSIVE")
    with locked(path, *alone, "CREATE TABLE t (x)"), ThreadPoolExecutor(4) as threads:
        url = f"{server.url}/v1"
        asked = [
            lambda: submit(server.url, 1),
            lambda: httpx.get(f"{url}/jobs", timeout=60),
            lambda: httpx.get(f"{url}/workers", timeout=60),
            lambda: httpx.get(f"{url}/jobs/x/events", timeout=60),
        ]
        waiting = [threads.submit(timed, ask) for ask in asked]
        time.sleep(0.5)
        begun = time.monotonic()
        assert metric(server.url, "nasbench_jobs_available") == 0
        assert time.monotonic() - begun < DEADLINE
        assert httpx.get(f"{url}/nasbench201/computed-stats?arch=0").status_code == 200
        for future in waiting:
            assert_in_time(*future.result())
    # 200 where the thread of the refused one found the lock gone in its last moment.
    assert submit(server.url, 1).status_code in {200, 202}


def test_a_locked_queue_delays_no_submission_beyond_the_deadline(start: Start) -> None:
    server = start()
    assert submit(server.url, 1).status_code == 202
    with locked(server.jobs_folder / "queue.db", "BEGIN EXCLUSIVE"):
        answer, seconds = timed(lambda: submit(server.url, 2))
    assert answer.status_code == 202
    assert seconds < DEADLINE


def test_a_postgresql_that_stands_still_is_503_within_one_deadline_and_comes_back(
    start: Start, postgres_server: PostgresServer
) -> None:
    server = start(NASBENCH_JOBS_URL=postgres_server.url)
    job = submit(server.url, 1).json()
    path = f"{server.url}/v1/jobs/{job['id']}"
    with standing_still(postgres_server), ThreadPoolExecutor(6) as threads:
        asked: list[Callable[[], httpx.Response]] = [
            lambda: submit(server.url, 2),
            lambda: httpx.post(f"{path}/cancel", timeout=60),
        ]
        asked += [lambda: httpx.get(path, timeout=60)] * 4
        waiting = [threads.submit(timed, ask) for ask in asked]
        time.sleep(0.5)
        begun = time.monotonic()
        assert metric(server.url, "nasbench_jobs_available") == 0
        assert httpx.get(f"{server.url}/v1/nasbench201/computed-stats?arch=0").status_code == 200
        assert time.monotonic() - begun < DEADLINE
        for future in waiting:
            assert_in_time(*future.result())
    assert until_right(lambda: httpx.get(path, timeout=60)).json()["id"] == job["id"]
    assert until_right(lambda: submit(server.url, 2)).status_code in {200, 202}


def test_a_lock_in_postgresql_is_503_within_one_deadline(
    start: Start, postgres_server: PostgresServer
) -> None:
    psycopg = pytest.importorskip("psycopg")
    server = start(NASBENCH_JOBS_URL=postgres_server.url)
    assert submit(server.url, 1).status_code == 202
    with psycopg.connect(postgres_server.url) as other, ThreadPoolExecutor(3) as threads:
        other.execute("LOCK TABLE job IN ACCESS EXCLUSIVE MODE")
        asked = [
            lambda: submit(server.url, 2),
            lambda: submit(server.url, 3),
            lambda: httpx.get(f"{server.url}/v1/jobs", timeout=60),
        ]
        for future in [threads.submit(timed, ask) for ask in asked]:
            assert_in_time(*future.result())
    assert until_right(lambda: submit(server.url, 2)).status_code in {200, 202}


def until_right(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Ask again until the answer is no 503 any more."""
    return until(ask, lambda answer: answer.status_code != 503, what="no 503 any more")


@contextmanager
def standing_still(postgres: PostgresServer) -> Iterator[None]:
    """Stop a PostgreSQL with all its processes, which keep their connections."""
    assert postgres._process is not None
    parent = postgres._process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    pids = [parent, *map(int, children.split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
