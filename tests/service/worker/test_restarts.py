"""Redis and PostgreSQL are restarted, or die, while jobs run: work goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from real_servers import PostgresServer, RedisServer

from service.jobs.records import Job, JobState

from .conftest import Lab, open_lab


@pytest.fixture
def cluster(
    tmp_path: Path, redis_server: RedisServer, postgres_server: PostgresServer
) -> Iterator[Lab]:
    """Jobs in PostgreSQL whose messages Redis carries, and a worker."""
    with open_lab(
        tmp_path / "jobs",
        NASBENCH_JOBS_URL=postgres_server.url,
        NASBENCH_REDIS_URL=redis_server.url,
        # Longer than any of them takes to come back.
        NASBENCH_LEASE_SECONDS="600",
    ) as opened:
        opened.work()
        yield opened


def test_jobs_are_done_by_redis_and_postgresql(cluster: Lab) -> None:
    cluster.work()
    ended = [cluster.end_of(job) for job in [cluster.build(seed) for seed in range(4)]]
    assert [job.state for job in ended] == [JobState.SUCCEEDED] * 4


def test_a_postgresql_that_restarts_in_mid_job_costs_nothing(
    cluster: Lab, postgres_server: PostgresServer
) -> None:
    job = cluster.begun(cluster.time())
    before = passes(cluster, job)
    postgres_server.restart()
    cluster.until(lambda: passes(cluster, job) > before)
    cluster.jobs.store.cancel(job.id)
    ended = cluster.end_of(job)
    assert (ended.state, ended.attempts) == (JobState.CANCELLED, 1)


def test_a_result_waits_for_a_postgresql_that_was_killed(
    cluster: Lab, postgres_server: PostgresServer
) -> None:
    job = cluster.time(repeats=300)
    cluster.until(lambda: cluster.jobs.store.get(job.id).attempts)
    postgres_server.kill()
    log = cluster.until(lambda: _complaint(cluster))
    postgres_server.start()
    ended = cluster.end_of(job)
    assert ended.state is JobState.SUCCEEDED
    assert "Traceback" not in log


def test_redis_may_lose_its_messages(cluster: Lab, redis_server: RedisServer) -> None:
    first = cluster.begun(cluster.time())
    redis_server.kill()
    waiting = cluster.build(seed=1)
    redis_server.start()
    last = cluster.build(seed=2)
    cluster.jobs.store.cancel(first.id)
    assert cluster.end_of(first).state is JobState.CANCELLED
    for job in (waiting, last):
        ended = cluster.end_of(job)
        assert ended.state is JobState.SUCCEEDED
        assert ended.attempts == 1


def passes(lab: Lab, job: Job) -> int:
    """Return how many passes a job has told of."""
    progress = lab.jobs.store.get(job.id).progress
    return 0 if progress is None else progress.done


def _complaint(lab: Lab) -> str:
    log = lab.log(lab.started[0])
    return log if "the store does not answer" in log else ""
