"""A folder of jobs that the tests of the store share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.jobs import Jobs, JobSettings, open_jobs


@pytest.fixture
def job_settings(tmp_path: Path) -> JobSettings:
    """Settings of jobs in an empty folder; what crashed is tried again at once."""
    return JobSettings(jobs_dir=tmp_path / "jobs", retry_seconds=0, queue_bound=100)


@pytest.fixture
def jobs(job_settings: JobSettings) -> Iterator[Jobs]:
    """The jobs there, none yet."""
    with open_jobs(job_settings) as opened:
        yield opened
