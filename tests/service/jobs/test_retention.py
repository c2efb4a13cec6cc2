"""Jobs that ended long ago are forgotten, with all that was noted of them, and no other is."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from real_servers import PostgresServer

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.errors import UnknownJobError
from service.jobs.kinds import spec_key
from service.jobs.records import (
    Artifact,
    Capabilities,
    Failure,
    Job,
    JobState,
    Lease,
    NewJob,
)
from service.jobs.tables import ArtifactRow, ContentRow, GivenKeyRow, JobRow
from service.worker.places import Places
from service.worker.source import DatabaseSource
from service.worker.worker import Worker

CPU = Capabilities(device="cpu")
DAY = 86400.0
DAYS = 90
ENDINGS = ["succeeded", "failed", "parked", "cancelled", "expired"]


def new(number: int = 0) -> NewJob:
    spec = {"number": number}
    return NewJob(kind="model", spec=spec, key=spec_key("model", spec))


def claimed(jobs: Jobs) -> Lease:
    claim = jobs.leases.acquire("w", CPU)
    assert claim is not None
    return claim


def ended(
    jobs: Jobs, number: int, *, days: float, content: bytes = b"", given: str | None = None
) -> Job:
    """Return a job that succeeded so many days ago, with a file if it has content."""
    jobs.store.submit(new(number), given_key=given)
    claim = claimed(jobs)
    artifacts = []
    if content:
        file = jobs.settings.folder / "made"
        file.write_bytes(content)
        sha256, size = jobs.artifacts.add(file)
        then = time.time() - 2 * 3600
        os.utime(jobs.artifact_folder.path(sha256), (then, then))
        artifacts = [Artifact(name="f", media_type="text/plain", size=size, sha256=sha256)]
    jobs.leases.succeed(claim, {}, artifacts)
    ago(jobs, claim.job.id, days)
    return jobs.store.get(claim.job.id)


def ago(jobs: Jobs, job_id: str, days: float) -> None:
    """Let a job have ended so many days ago."""
    database = jobs.store._database
    query = JobRow.update(finished_at=database.now() - days * DAY).where(JobRow.id == job_id)
    database.write(lambda: database.change(query))


def cancel_long_ago(jobs: Jobs, numbers: range) -> None:
    """Let jobs have been cancelled when time began."""
    database = jobs.store._database

    def change() -> None:
        jobs.store.submit_many([new(number) for number in numbers])
        database.change(JobRow.update(state=JobState.CANCELLED, finished_at=1.0))

    database.write(change)


def rows(jobs: Jobs, table: type) -> int:
    database = jobs.store._database
    return len(database.read(lambda: database.rows(table.select())))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_job_that_ended_too_long_ago_is_forgotten_however_it_ended(
    jobs: Jobs, ending: str
) -> None:
    job, _ = jobs.store.submit(new())
    if ending == "cancelled":
        jobs.store.cancel(job.id)
    elif ending == "failed":
        jobs.leases.fail(claimed(jobs), Failure(kind="x", message="y"))
    elif ending == "parked":
        for _ in range(3):
            jobs.leases.crash(claimed(jobs), Failure(kind="crash", message="it fell"))
    else:
        jobs.leases.succeed(claimed(jobs), {}, ())
    if ending == "expired":
        database = jobs.store._database
        database.write(lambda: database.change(JobRow.update(state=JobState.EXPIRED)))
    assert jobs.store.get(job.id).state == ending
    assert jobs.retention.forget() == 0
    ago(jobs, job.id, DAYS + 1)
    assert jobs.retention.forget() == 1
    with pytest.raises(UnknownJobError):
        jobs.store.get(job.id)
    assert jobs.store.submit(new())[1]


def test_jobs_that_wait_or_run_and_those_that_ended_lately_are_remembered(jobs: Jobs) -> None:
    lately = ended(jobs, 0, days=DAYS - 1)
    runs, _ = jobs.store.submit(new(1))
    claim = claimed(jobs)
    waits, _ = jobs.store.submit(new(2))
    database = jobs.store._database
    database.write(lambda: database.change(JobRow.update(created_at=0.0, started_at=0.0)))
    assert jobs.retention.forget() == 0
    assert {job.id for job in jobs.store.page()[0]} == {lately.id, runs.id, waits.id}
    jobs.leases.succeed(claim, {}, ())


def test_the_setting_says_how_long(job_settings: JobSettings) -> None:
    with open_jobs(job_settings.model_copy(update={"job_days": 2})) as jobs:
        kept = ended(jobs, 0, days=1.9)
        ended(jobs, 1, days=2.1)
        assert jobs.retention.forget() == 1
        assert [job.id for job in jobs.store.page()[0]] == [kept.id]


def test_with_a_job_go_its_keys_and_its_files(jobs: Jobs) -> None:
    old = ended(jobs, 0, days=DAYS + 1, content=b"old", given="old")
    young = ended(jobs, 1, days=1, content=b"young", given="young")
    assert jobs.retention.forget() == 1
    jobs.artifact_cache.evict()
    assert [rows(jobs, table) for table in (JobRow, GivenKeyRow, ArtifactRow, ContentRow)] == [
        1
    ] * 4
    assert not jobs.artifact_folder.path(old.artifacts[0].sha256).exists()
    assert jobs.artifact_folder.path(young.artifacts[0].sha256).exists()
    # The key stands for nothing any more, so it may be given for another request.
    assert jobs.store.submit(new(2), given_key="old")[1]
    assert jobs.store.submit(new(1), given_key="young")[0].id == young.id


def test_a_file_that_another_job_has_too_stays(jobs: Jobs) -> None:
    ended(jobs, 0, days=DAYS + 1, content=b"same")
    young = ended(jobs, 1, days=1, content=b"same")
    assert jobs.retention.forget() == 1
    jobs.artifact_cache.evict()
    assert jobs.store.get(young.id) == young
    assert jobs.artifact_folder.path(young.artifacts[0].sha256).read_bytes() == b"same"


@pytest.mark.usefixtures("unmeasured")
def test_many_are_forgotten_in_one_round_by_whichever_workers_begin(jobs: Jobs) -> None:
    for first in range(0, 270, 90):  # the queue takes no more at a time
        cancel_long_ago(jobs, range(first, first + 90))
    with ThreadPoolExecutor(3) as threads:
        gone = list(threads.map(lambda _: jobs.retention.forget(), range(3)))
    assert sum(gone) == 270
    assert jobs.store.page() == ([], None)


@pytest.mark.parametrize("cause", ["job too old", "too many bytes"])
def test_a_job_that_ends_with_content_that_is_being_removed_has_it_or_is_expired(
    postgres_server: PostgresServer, tmp_path: Path, cause: str
) -> None:
    url = postgres_server.url
    bound = 1 if cause == "too many bytes" else 2**30
    with open_jobs(JobSettings(jobs_dir=tmp_path, jobs_url=url, artifact_bytes=bound)) as jobs:
        old = ended(jobs, 0, days=DAYS + 1, content=b"same")
        young = ended(jobs, 1, days=0)
        with ThreadPoolExecutor(1) as thread, psycopg.connect(url) as ending:
            # As `succeed` does, and not yet committed.
            ending.execute("UPDATE content SET used_at = extract(epoch from clock_timestamp())")
            ending.execute(
                "INSERT INTO artifact SELECT %s, name, media_type, sha256 FROM artifact", [young.id]
            )
            removed = thread.submit(
                jobs.retention.forget if cause == "job too old" else jobs.artifact_cache.evict
            )
            time.sleep(0.5)
            assert not removed.done()
            ending.commit()
            assert removed.result(30) == 1
        found = jobs.store.get(young.id)
        has_it = (found.state, found.artifacts) == (JobState.SUCCEEDED, old.artifacts)
        assert has_it if cause == "job too old" else found.state is JobState.EXPIRED


def test_a_worker_forgets_them_on_its_rounds(jobs: Jobs) -> None:
    ended(jobs, 0, days=DAYS + 1)
    worker = Worker(DatabaseSource(jobs), places=Places(devices=[]))
    # Its first round comes before anything else.
    stopping = threading.Timer(0.1, worker.stop)
    stopping.start()
    worker.run()
    stopping.join()
    assert jobs.store.page() == ([], None)
