"""Many at once: threads of a server, several workers, more of them than connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from real_servers import PostgresServer
from waiting import PATIENCE

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.errors import (
    IdempotencyConflictError,
    QueueFullError,
    StoreUnavailableError,
)
from service.jobs.kinds import spec_key
from service.jobs.records import Capabilities, JobState, NewJob
from service.jobs.tables import TABLES

CPU = Capabilities(device="cpu")
CROWD = 12
CONNECTIONS = 20
"""As many as a process has (service/jobs/database.py)."""

IN_SQLITE = """
CREATE TRIGGER refuse BEFORE INSERT ON job
BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: job.key'); END
"""
IN_POSTGRESQL = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE unique_violation; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON job FOR EACH ROW EXECUTE FUNCTION refuse()
"""

R = TypeVar("R")


def new(number: int = 0) -> NewJob:
    spec = {"number": number}
    return NewJob(kind="model", spec=spec, key=spec_key("model", spec))


def at_once(do: Callable[[int], R], crowd: int = CROWD) -> list[R]:
    """Return what each of a crowd of threads gets that begin at the same moment."""
    gate = threading.Barrier(crowd)

    def one(number: int) -> R:
        gate.wait(PATIENCE)
        return do(number)

    with ThreadPoolExecutor(crowd) as threads:
        return list(threads.map(one, range(crowd)))


def test_one_request_submitted_by_many_at_once_is_one_job(jobs: Jobs) -> None:
    said = at_once(lambda _: jobs.store.submit(new(), given_key="k"))
    assert len({job.id for job, _ in said}) == 1
    assert sum(made for _, made in said) == 1
    assert jobs.store.counts()[JobState.QUEUED] == 1


def test_one_key_given_with_many_requests_at_once_stands_for_one_of_them(jobs: Jobs) -> None:
    def submit(number: int) -> str | None:
        try:
            return jobs.store.submit(new(number), given_key="k")[0].id
        except IdempotencyConflictError:
            return None

    (job_id,) = {job_id for job_id in at_once(submit) if job_id is not None}
    assert [job.id for job in jobs.store.page()[0]] == [job_id]


def fits(jobs: Jobs, number: int) -> bool:
    """Submit one and tell whether there was room for it."""
    try:
        return jobs.store.submit(new(number))[1]
    except QueueFullError:
        return False


def test_the_bound_is_exact_however_many_submit_at_once(job_settings: JobSettings) -> None:
    with open_jobs(job_settings.model_copy(update={"queue_bound": 5})) as jobs:
        assert sum(at_once(lambda number: fits(jobs, number))) == 5
        assert jobs.store.counts()[JobState.QUEUED] == 5


def test_the_bound_is_exact_though_nobody_can_insert_while_all_would_count(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.url
    with open_jobs(JobSettings(jobs_dir=tmp_path, jobs_url=url, queue_bound=5)) as jobs:
        assert sum(jobs.store.counts().values()) == 0
        with ThreadPoolExecutor(CROWD) as threads, psycopg.connect(url) as other:
            other.execute("LOCK TABLE job IN SHARE MODE")
            fitted = [threads.submit(fits, jobs, number) for number in range(CROWD)]
            time.sleep(1)
            assert not any(future.done() for future in fitted)
            other.commit()
            assert sum(future.result(30) for future in fitted) == 5
        assert jobs.store.counts()[JobState.QUEUED] == 5


def test_each_job_is_claimed_by_one_of_many_workers(jobs: Jobs) -> None:
    for number in range(CROWD):
        jobs.store.submit(new(number))
    claims = at_once(lambda number: jobs.leases.acquire(f"w{number}", CPU))
    # A worker that met only jobs others were taking looks again.
    rest = [jobs.leases.acquire("late", CPU) for claim in claims if claim is None]
    got = [claim.job.id for claim in [*claims, *rest] if claim is not None]
    assert len(got) == len(set(got)) == CROWD


def test_a_lease_that_ran_out_is_found_by_one_of_many_workers(job_settings: JobSettings) -> None:
    with open_jobs(job_settings.model_copy(update={"lease_seconds": 0.2})) as jobs:
        job, _ = jobs.store.submit(new())
        assert jobs.leases.acquire("w", CPU) is not None
        time.sleep(0.5)
        assert sum(at_once(lambda _: jobs.leases.recover())) == 1
        found = jobs.store.get(job.id)
        assert (found.state, found.losses) == (JobState.QUEUED, 1)


def test_dead_workers_are_buried_by_many_and_their_jobs_lost_once(jobs: Jobs) -> None:
    dead = [f"w{number}" for number in range(CROWD)]
    for number, worker in enumerate(dead):
        jobs.store.submit(new(number))
        assert jobs.leases.acquire(worker, CPU) is not None
    assert sum(at_once(lambda _: jobs.leases.recover(dead))) == CROWD
    assert {job.losses for job in jobs.store.page()[0]} == {1}


def test_more_threads_than_connections_wait_for_one(jobs: Jobs) -> None:
    held = threading.Barrier(CONNECTIONS + 1)
    free = threading.Event()
    database = jobs.store._database

    def hold() -> bool:
        held.wait(PATIENCE)
        return free.wait(PATIENCE)

    with ThreadPoolExecutor(CONNECTIONS + CROWD) as threads:
        holding = [threads.submit(database.read, hold) for _ in range(CONNECTIONS)]
        held.wait(PATIENCE)
        waiting = [threads.submit(jobs.store.submit, new(n)) for n in range(CROWD)]
        time.sleep(0.5)
        assert not any(future.done() for future in waiting)
        free.set()
        assert all(future.result(30) for future in holding)
        assert all(made for _, made in (future.result(30) for future in waiting))


def test_a_database_that_refuses_each_time_is_said_not_to_answer(jobs: Jobs) -> None:
    refuse(jobs.store._database)
    with pytest.raises(StoreUnavailableError):
        jobs.store.submit(new())
    assert jobs.store.page() == ([], None)


def test_a_server_that_knows_of_no_turns_and_submits_the_same_makes_no_second_job(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.url
    with open_jobs(JobSettings(jobs_dir=tmp_path, jobs_url=url)) as jobs:
        job, _ = jobs.store.submit(new())
        assert jobs.store.cancel(job.id).state is JobState.CANCELLED
        with ThreadPoolExecutor(1) as thread, psycopg.connect(url) as earlier:
            # As if the other server had just inserted it and not yet committed.
            earlier.execute("UPDATE job SET state = 'queued' WHERE id = %s", [job.id])
            submitted = thread.submit(jobs.store.submit, new())
            time.sleep(0.5)
            assert not submitted.done()
            earlier.commit()
            found, made = submitted.result(30)
        assert (found.id, made) == (job.id, False)


def refuse(database: Any) -> None:
    """Let the database say of every job that it is there already."""
    trigger = IN_SQLITE if database.is_sqlite else IN_POSTGRESQL
    database.write(lambda: database.peewee.execute_sql(trigger))


def test_databases_of_two_kinds_that_are_opened_at_once_stay_apart(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    def use(number: int) -> int:
        # SQLite files that are new each time, and one PostgreSQL.
        url = postgres_server.url if number % 2 else None
        with open_jobs(JobSettings(jobs_dir=tmp_path / str(number), jobs_url=url)) as jobs:
            jobs.store.submit(new(number))
            return sum(jobs.store.counts().values())

    assert min(at_once(use)) >= 1
    assert {table._meta.database for table in TABLES} == {None}
