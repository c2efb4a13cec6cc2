"""Settings of jobs, read from environment variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import quote, unquote_to_bytes, urlsplit

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from service.secret_files import SettingsWithSecretFiles

__all__ = [
    "LONGEST_JOB",
    "LONGEST_LEASE",
    "MAX_CRASHES",
    "MAX_LOSSES",
    "JobSettings",
    "sqlite_path",
]

LONGEST_JOB: Final = 1e9
LONGEST_LEASE: Final = 86_400.0
"""Upper bounds, in seconds; a worker rejects larger values from its server."""

MAX_CRASHES: Final = 3
"""Attempts that crash or exceed their time limit before a job is parked."""

MAX_LOSSES: Final = 10
"""Attempts with a lost lease before a job is parked; more, as the job is rarely the cause."""


class JobSettings(SettingsWithSecretFiles):
    """Settings of jobs; each comes from the environment variable `NASBENCH_NAME`.

    Server and workers find each other through the folders and databases named here.
    """

    model_config = SettingsConfigDict(env_prefix="NASBENCH_", frozen=True, extra="ignore")

    jobs_dir: Annotated[
        Path, Field(description="Folder of the jobs, the queue and the artifacts.")
    ] = Path("~/.nasbenchmark/jobs")
    jobs_url: Annotated[
        str | None,
        Field(
            pattern=r"^(postgresql|postgres|sqlite)://",
            description="Job database, `postgresql://…`; by default SQLite in the jobs folder.",
        ),
    ] = None
    artifacts_url: Annotated[
        str | None,
        Field(
            pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,8}$",
            description="Bucket of the artifacts, `s3://BUCKET/PREFIX`; by default the jobs "
            "folder.",
        ),
    ] = None
    redis_url: Annotated[
        str | None,
        Field(
            pattern=r"^(redis|rediss|unix)://",
            description="Redis of the message queue; by default SQLite in the jobs folder.",
        ),
    ] = None
    datasets_dir: Annotated[
        Path, Field(description="Folder of a worker's data sets: folders and .tar files by name.")
    ] = Path("~/.nasbenchmark/datasets")
    trainers: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9._-]{0,64}(\s*,\s*[A-Za-z0-9._-]{1,64}){0,31}$",
            description="Comma-separated trainers of installed packages that a worker offers.",
        ),
    ] = ""
    queue_bound: Annotated[
        int, Field(gt=0, description="Jobs that may be queued; more submissions get a 429.")
    ] = 10_000
    job_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=LONGEST_JOB,
            description="Seconds that an attempt of a job may take; also the largest `time_limit`.",
        ),
    ] = 3600.0
    job_memory: Annotated[int, Field(gt=0, description="Bytes of memory that a job may use.")] = (
        8 * 2**30
    )
    attempt_priority: Annotated[
        Literal["idle", "normal"],
        Field(
            description="CPU priority of a worker's attempts: `idle` yields to every other process "
            "on the machine, `normal` competes with them.",
        ),
    ] = "idle"
    lease_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=LONGEST_LEASE,
            description="Seconds without a heartbeat after which a worker loses its leases.",
        ),
    ] = 30.0
    retry_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=86_400,
            description="Seconds before a crashed job is retried; then doubled each time.",
        ),
    ] = 5.0
    job_days: Annotated[
        float, Field(gt=0, description="Days after its end that a job is kept.")
    ] = 90.0
    artifact_bytes: Annotated[
        int, Field(gt=0, description="Bytes of artifacts kept; the least recently used go first.")
    ] = 20 * 2**30
    checkpoints_bytes: Annotated[
        int,
        Field(
            gt=0,
            description="Bytes of all uploaded checkpoints, uploads in progress included; more are "
            "answered with 507.",
        ),
    ] = 100 * 2**30
    trainings_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Bytes of the checkpoints of all unfinished trainings; a training "
            "continues without a checkpoint that does not fit.",
        ),
    ] = 20 * 2**30
    checkpoint_seconds: Annotated[
        float,
        Field(
            ge=0,
            description="Minimum seconds between two checkpoints of a training that a worker sends "
            "to its server or to the bucket of the artifacts.",
        ),
    ] = 10.0
    artifact_days: Annotated[
        float, Field(gt=0, description="Days after its last use that an artifact is kept.")
    ] = 30.0

    @property
    def folder(self) -> Path:
        """The folder of the jobs, with `~` expanded."""
        return self.jobs_dir.expanduser()

    @property
    def trainer_names(self) -> tuple[str, ...]:
        """Names of the trainers that a worker offers."""
        return tuple(name.strip() for name in self.trainers.split(",") if name.strip())

    @property
    def database_url(self) -> str:
        """URL of the job database."""
        path = (self.folder / "jobs.db").absolute()
        return self.jobs_url or f"sqlite://{quote(os.fsencode(path))}"

    @property
    def database_file(self) -> Path | None:
        """The SQLite file of the job database; None with PostgreSQL."""
        url = self.database_url
        return sqlite_path(url) if url.startswith("sqlite:") else None

    @property
    def queue_path(self) -> Path:
        """The SQLite file of the message queue, used without Redis."""
        return self.folder / "queue.db"

    @property
    def artifacts_dir(self) -> Path:
        """The folder of the artifacts."""
        return self.folder / "artifacts"

    @property
    def checkpoints_dir(self) -> Path:
        """The folder of uploaded checkpoints."""
        return self.folder / "checkpoints"

    @property
    def trainings_dir(self) -> Path:
        """The folder of the checkpoints of unfinished trainings."""
        return self.folder / "trainings"

    @property
    def workers_dir(self) -> Path:
        """The folder of the lock files of running workers."""
        return self.folder / "workers"

    @property
    def scratch_dir(self) -> Path:
        """The folder of temporary files of attempts, with one subfolder per worker."""
        return self.folder / "scratch"


def sqlite_path(url: str) -> Path:
    """Return the file of a URL `sqlite:///PATH`, whose path is percent-decoded (`%23` is `#`)."""
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path)))
