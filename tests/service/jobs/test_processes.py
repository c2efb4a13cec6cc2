"""Several processes at one database, in SQLite and in PostgreSQL, which may be restarted."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from job_requests import RunProgram
from real_servers import PostgresServer

from service.jobs import JobSettings, open_jobs
from service.jobs.errors import DiskFullError
from service.jobs.kinds import spec_key
from service.jobs.records import Capabilities, NewJob

JOBS = 20
# Submits what the others submit, claims what there is, and says what it made and got.
PROCESS = """
import json
from pathlib import Path
from service.jobs import JobSettings, open_jobs
from service.jobs.kinds import spec_key
from service.jobs.records import Capabilities, NewJob
settings = JobSettings(jobs_dir=Path(FOLDER), jobs_url=URL)
with open_jobs(settings) as jobs:
    made, got = 0, []
    for number in range(JOBS):
        spec = {"number": number}
        new = NewJob(kind="model", spec=spec, key=spec_key("model", spec))
        made += jobs.store.submit(new)[1]
    while claim := jobs.leases.acquire("w", Capabilities(device="cpu")):
        got.append(claim.job.id)
print(json.dumps([made, got]))
"""


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_processes_that_begin_at_once_make_each_job_once_and_claim_it_once(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, run_program: RunProgram
) -> None:
    url = request.getfixturevalue("postgres_server").url if database == "postgresql" else None

    def said_by_one(_: int) -> tuple[int, list[str]]:
        done = run_program(PROCESS, FOLDER=str(tmp_path), URL=url, JOBS=JOBS)
        made, got = json.loads(done.stdout or done.stderr)
        return made, got

    with ThreadPoolExecutor(4) as threads:
        said = list(threads.map(said_by_one, range(4)))
    assert sum(made for made, _ in said) == JOBS
    got = [job_id for _, claimed in said for job_id in claimed]
    assert len(got) == len(set(got)) == JOBS


def test_operations_go_on_after_postgresql_was_restarted(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    spec = {"number": 0}
    new = NewJob(kind="model", spec=spec, key=spec_key("model", spec))
    with open_jobs(JobSettings(jobs_dir=tmp_path, jobs_url=postgres_server.url)) as jobs:
        job, _ = jobs.store.submit(new)
        postgres_server.restart()
        assert jobs.store.get(job.id) == job
        postgres_server.restart()
        claim = jobs.leases.acquire("w", Capabilities(device="cpu"))
        assert claim is not None
        postgres_server.restart()
        jobs.leases.succeed(claim, {"x": 1}, ())
        assert jobs.store.get(job.id).result == {"x": 1}


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "UTF8", "LATIN1"])
def test_a_database_of_any_encoding_keeps_jobs(
    postgres_server: PostgresServer, tmp_path: Path, encoding: str
) -> None:
    """SQL_ASCII is what PostgreSQL makes of the locale C, and gives bytes unless told otherwise."""
    name = f"jobs_{encoding.lower()}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'"
        )
    url = postgres_server.url.removesuffix("postgres") + name
    spec = {"name": "Z\u00fcrich"}
    new = NewJob(kind="model", spec=spec, key=spec_key("model", spec))
    for _ in range(2):  # the second time the tables are there
        with open_jobs(JobSettings(jobs_dir=tmp_path, jobs_url=url)) as jobs:
            job, _ = jobs.store.submit(new)
            assert jobs.store.get(job.id) == job
            assert job.spec == spec
            assert type(job.id) is str


def test_a_disk_of_postgresql_that_is_full_is_said_to_be_so(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    spec = {"number": 0}
    new = NewJob(kind="model", spec=spec, key=spec_key("model", spec))
    with open_jobs(JobSettings(jobs_dir=tmp_path, jobs_url=postgres_server.url)) as jobs:
        assert jobs.store.page() == ([], None)
        # PostgreSQL itself raises the error that it raises when it cannot extend a file.
        with psycopg.connect(postgres_server.url) as connection:
            connection.execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE SQLSTATE '53100'; END $$"
            )
            connection.execute("CREATE TRIGGER room BEFORE INSERT ON job EXECUTE FUNCTION refuse()")
        with pytest.raises(DiskFullError):
            jobs.store.submit(new)
        with psycopg.connect(postgres_server.url) as connection:
            connection.execute("DROP TRIGGER room ON job")
        assert jobs.store.submit(new)[1]
