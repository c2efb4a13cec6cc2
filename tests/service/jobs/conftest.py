"""What the tests of jobs share: a folder of them in each database there may be, and requests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forked_nbs import run_forked
from job_requests import RunProgram, Submit

from bench_client.models import JobKind
from benchmark_db.catalog import Catalog
from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.kinds import KINDS, new_job
from service.jobs.records import NewJob


@pytest.fixture(params=["sqlite", "postgresql"])
def jobs_url(request: pytest.FixtureRequest) -> str | None:
    """The address of an empty database; None for SQLite in the folder of the jobs."""
    if request.param == "sqlite":
        return None
    return str(request.getfixturevalue("postgres_server").url)


@pytest.fixture
def job_settings(tmp_path: Path, jobs_url: str | None) -> JobSettings:
    """Settings of jobs in an empty folder; what crashed is tried again at once."""
    return JobSettings(
        jobs_dir=tmp_path / "jobs", jobs_url=jobs_url, retry_seconds=0, queue_bound=100
    )


@pytest.fixture
def jobs(job_settings: JobSettings) -> Iterator[Jobs]:
    """The jobs there, none yet."""
    with open_jobs(job_settings) as opened:
        yield opened


@pytest.fixture(scope="session")
def run_program() -> RunProgram:
    """Runs a program in a process that has imported the jobs and their databases."""
    modules = ("playhouse.postgres_ext", "service.jobs.kinds", "service.jobs.notifier")

    def run(program: str, **told: Any) -> subprocess.CompletedProcess[str]:
        names = "".join(f"{name} = {value!r}\n" for name, value in told.items())
        return run_forked(names + program, modules=modules, env=dict(os.environ))

    return run


@pytest.fixture(scope="session")
def nothing_installed(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A service without databases."""
    return Catalog(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="session")
def submit(nothing_installed: Catalog) -> Submit:
    """Makes a job of a kind of a body."""

    def make(kind: JobKind = "model", catalog: Catalog = nothing_installed, **body: Any) -> NewJob:
        request = KINDS[kind].request.model_validate(body)
        return new_job(request, catalog=catalog, job_seconds=3600.0)

    return make


@pytest.fixture(scope="session")
def cells(nasbench101_folder: Path) -> Iterator[Catalog]:
    """A service with NAS-Bench-101."""
    catalog = Catalog(nasbench101_folder)
    yield catalog
    catalog.close()
