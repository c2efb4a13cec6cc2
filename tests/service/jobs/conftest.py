"""A folder of jobs that the tests of the store share, in each database there may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.jobs import Jobs, JobSettings, open_jobs


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
