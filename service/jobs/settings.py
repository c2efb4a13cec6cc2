"""What an operator may set about jobs, by environment variable."""

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
"""Seconds; a server tells its workers both, which believe no more."""

MAX_CRASHES: Final = 3
"""Attempts that crash or take too long, before a job is parked."""

MAX_LOSSES: Final = 10
"""Attempts whose lease is lost, before a job is parked: mostly not the job's fault."""


class JobSettings(SettingsWithSecretFiles):
    """Settings of jobs, each from the environment variable of its name.

    Server and workers read the same variables; they find each other by them.
    """

    model_config = SettingsConfigDict(env_prefix="NASBENCH_", frozen=True, extra="ignore")

    jobs_dir: Annotated[
        Path, Field(description="Folder of the jobs, the queue and the artifacts.")
    ] = Path("~/.nasbenchmark/jobs")
    jobs_url: Annotated[
        str | None,
        Field(
            pattern=r"^(postgresql|postgres|sqlite)://",
            description="Database of the jobs, `postgresql://…`; by default SQLite in that folder.",
        ),
    ] = None
    artifacts_url: Annotated[
        str | None,
        Field(
            pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,8}$",
            description="Bucket of the artifacts, `s3://BUCKET/PREFIX`; by default they are in "
            "that folder.",
        ),
    ] = None
    redis_url: Annotated[
        str | None,
        Field(
            pattern=r"^(redis|rediss|unix)://",
            description="Redis that carries the messages; by default SQLite in that folder.",
        ),
    ] = None
    datasets_dir: Annotated[
        Path, Field(description="Folder of a worker's data sets: folders and .tar files by name.")
    ] = Path("~/.nasbenchmark/datasets")
    trainers: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9._-]{0,64}(\s*,\s*[A-Za-z0-9._-]{1,64}){0,31}$",
            description="Trainers of installed packages that a worker offers, with commas between.",
        ),
    ] = ""
    queue_bound: Annotated[
        int, Field(gt=0, description="Jobs that may wait; more are answered by 429.")
    ] = 10_000
    job_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=LONGEST_JOB,
            description="Seconds an attempt of a job may take, and the longest limit.",
        ),
    ] = 3600.0
    job_memory: Annotated[int, Field(gt=0, description="Bytes of memory a job may take.")] = (
        8 * 2**30
    )
    attempt_priority: Annotated[
        Literal["idle", "normal"],
        Field(
            description="How attempts of a worker share the processor: `idle` lets everything else "
            "on the machine go first, `normal` competes with it.",
        ),
    ] = "idle"
    lease_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=LONGEST_LEASE,
            description="Seconds without a heartbeat after which a worker is lost.",
        ),
    ] = 30.0
    retry_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=86_400,
            description="Seconds before a job that crashed is tried again, then doubled.",
        ),
    ] = 5.0
    job_days: Annotated[
        float, Field(gt=0, description="Days after its end that a job is remembered.")
    ] = 90.0
    artifact_bytes: Annotated[
        int, Field(gt=0, description="Bytes of artifacts that are kept; the oldest go first.")
    ] = 20 * 2**30
    checkpoints_bytes: Annotated[
        int,
        Field(
            gt=0,
            description="Bytes of all uploaded checkpoints, those on their way included; more are "
            "answered by 507.",
        ),
    ] = 100 * 2**30
    trainings_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Bytes of what all trainings that run keep to go on from; a training goes "
            "on without what would be more.",
        ),
    ] = 20 * 2**30
    checkpoint_seconds: Annotated[
        float,
        Field(
            ge=0,
            description="Seconds between two checkpoints of a training that a worker hands over: "
            "to its server, or into the bucket of the artifacts.",
        ),
    ] = 10.0
    artifact_days: Annotated[
        float, Field(gt=0, description="Days after its last use that an artifact is kept.")
    ] = 30.0

    @property
    def folder(self) -> Path:
        """The folder of the jobs, with `~` spelled out."""
        return self.jobs_dir.expanduser()

    @property
    def trainer_names(self) -> tuple[str, ...]:
        """The trainers that a worker offers."""
        return tuple(name.strip() for name in self.trainers.split(",") if name.strip())

    @property
    def database_url(self) -> str:
        """The database of the jobs."""
        path = (self.folder / "jobs.db").absolute()
        return self.jobs_url or f"sqlite://{quote(os.fsencode(path))}"

    @property
    def database_file(self) -> Path | None:
        """The file of that database; None: it is in PostgreSQL."""
        url = self.database_url
        return sqlite_path(url) if url.startswith("sqlite:") else None

    @property
    def queue_path(self) -> Path:
        """The SQLite file of the messages, where no Redis carries them."""
        return self.folder / "queue.db"

    @property
    def artifacts_dir(self) -> Path:
        """The folder of the artifacts."""
        return self.folder / "artifacts"

    @property
    def checkpoints_dir(self) -> Path:
        """The folder of the weights that were uploaded."""
        return self.folder / "checkpoints"

    @property
    def trainings_dir(self) -> Path:
        """The folder of the checkpoints of trainings that have not ended."""
        return self.folder / "trainings"

    @property
    def workers_dir(self) -> Path:
        """The folder of the locks that living workers hold."""
        return self.folder / "workers"

    @property
    def scratch_dir(self) -> Path:
        """The folder where attempts make their files, a folder for each worker."""
        return self.folder / "scratch"


def sqlite_path(url: str) -> Path:
    """Return the file of `sqlite:///PATH`, in which `%23` is `#`, as in every address."""
    return Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path)))
