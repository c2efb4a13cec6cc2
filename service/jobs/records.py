"""What the table of jobs holds, as plain values.

Times are of the database's clock, in UTC; digests are SHA-256 in 64 hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from service.jobs.states import FINISHED, JobKind, JobState

__all__ = [
    "Artifact",
    "Capabilities",
    "Checkpoint",
    "Claim",
    "DeviceKind",
    "DeviceNeed",
    "DeviceState",
    "Failure",
    "Job",
    "NewJob",
    "Progress",
    "WorkerState",
    "iso_time",
]

DeviceKind: TypeAlias = Literal["cpu", "cuda"]
DeviceNeed: TypeAlias = Literal["any", "cpu", "cuda"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A file that a job made; its content is kept by its digest.

    Args:
        name: Its name among the artifacts of the job, such as `report.json`.
        media_type: What it is, such as `application/json`.
        size: Bytes.
        sha256: Digest of its content.
    """

    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why the last try of a job ended without a result.

    Args:
        kind: A word for programs, such as `time_limit`, `memory`, `crash` or `lost_worker`.
        message: What went wrong and where, for people.
    """

    kind: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a running job is.

    Args:
        stage: A word for what is being done, such as `evaluating`.
        done: How much of it is done, in the units of the stage.
        total: How much there is to do; None if nobody knows.
        message: A sentence for people.
    """

    stage: str
    done: int = 0
    total: int | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewJob:
    """A request as it is submitted.

    Args:
        kind: What to do.
        spec: The canonical request: plain JSON, all defaults stated.
        needs_device: Where it can run.
        needs_dataset: The data set that the worker must have.
        priority: -10 to 10; higher runs first.
        time_limit: Seconds an attempt may take; None for the setting.
        request_id: The HTTP request that submitted it.
        key: What makes two submissions the same job; see `service.jobs.keys`.
    """

    kind: JobKind
    spec: Mapping[str, Any]
    key: str
    needs_device: DeviceNeed = "any"
    needs_dataset: str | None = None
    priority: int = 0
    time_limit: float | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job as the table has it.

    Args:
        id: Its name, 32 hexadecimal digits.
        key: What made its submission the same as another.
        kind: What it does.
        spec: The canonical request.
        state: Where it is.
        priority: -10 to 10; higher runs first.
        attempts: Attempts that were begun; those handed back by a worker that stopped do not count.
        crashes: Attempts that ended in a crash, at a limit or with a full disk.
        losses: Attempts whose worker fell silent.
        revision: Counts the changes of this record, from 1.
        created_at: When it was submitted.
        started_at: When its last try began.
        finished_at: When it ended.
        not_before: When its next try may begin; None unless it is queued.
        cancel_requested: Whether a worker is about to be told to stop.
        progress: How far its last try is.
        result: What it found out; None unless it succeeded.
        artifacts: The files it made.
        error: Why its last try ended without a result.
        worker: Who runs it, or ran it last.
        request_id: The HTTP request that submitted it.
        time_limit: Seconds an attempt may take; None for the setting.
    """

    id: str
    key: str
    kind: JobKind
    spec: dict[str, Any]
    state: JobState
    priority: int
    attempts: int
    crashes: int
    losses: int
    revision: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    not_before: datetime | None
    cancel_requested: bool
    progress: Progress | None
    result: dict[str, Any] | None
    artifacts: tuple[Artifact, ...]
    error: Failure | None
    worker: str | None
    request_id: str | None
    time_limit: float | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in FINISHED

    def artifact(self, name: str) -> Artifact | None:
        """Return the artifact of a name; None if there is none."""
        return next((artifact for artifact in self.artifacts if artifact.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the form that is sent: `spec` as `request`, times as ISO 8601 in UTC."""
        return {
            "id": self.id,
            "key": self.key,
            "kind": self.kind.value,
            "state": self.state.value,
            "request": self.spec,
            "priority": self.priority,
            "time_limit": self.time_limit,
            "attempts": self.attempts,
            "revision": self.revision,
            "created_at": iso_time(self.created_at),
            "started_at": iso_time(self.started_at),
            "finished_at": iso_time(self.finished_at),
            "cancel_requested": self.cancel_requested,
            "progress": asdict(self.progress) if self.progress else None,
            "result": self.result,
            "artifacts": [asdict(artifact) for artifact in self.artifacts],
            "error": asdict(self.error) if self.error else None,
            "worker": self.worker,
            "request_id": self.request_id,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A worker's right to speak for a job.

    Args:
        job: The job as it was when it was claimed.
        token: Counts the claims of the job; only the last one is heard.
    """

    job: Job
    token: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What the one who claims can do.

    Args:
        device: Where it runs jobs.
        datasets: The data sets it has.
    """

    device: DeviceKind
    datasets: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceState:
    """A device of a worker.

    Args:
        name: `cpu`, `cuda:0`, …
        kind: `cpu` or `cuda`.
        model: What it is, such as `NVIDIA H200`.
        memory: Bytes.
    """

    name: str
    kind: DeviceKind
    model: str
    memory: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerState:
    """A worker as it registers itself, and as it is listed.

    Args:
        id: Its name, unique for each start.
        host: Where it runs.
        pid: Its process there.
        version: Of this package.
        devices: What it runs jobs on.
        datasets: The data sets it has, by name.
        models: Searched models whose weights it has.
        running: Jobs it runs, by id.
        started_at: When it registered; None before.
        seen_at: When it was last heard of; None before.
        alive: Whether that is recent enough.
    """

    id: str
    host: str
    pid: int
    version: str
    devices: tuple[DeviceState, ...] = ()
    datasets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    started_at: datetime | None = field(default=None, compare=False)
    seen_at: datetime | None = field(default=None, compare=False)
    alive: bool = field(default=True, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the form that is sent."""
        return asdict(self) | {
            "started_at": iso_time(self.started_at),
            "seen_at": iso_time(self.seen_at),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Weights that an administrator uploaded; never evicted.

    Args:
        sha256: Digest of the safetensors file.
        name: What it was called.
        size: Bytes.
        tensors: How many tensors it holds.
        created_at: When it was first uploaded.
    """

    sha256: str
    name: str
    size: int
    tensors: int
    created_at: datetime

    def to_dict(self) -> dict[str, Any]:
        """Return the form that is sent."""
        return asdict(self) | {"created_at": iso_time(self.created_at)}


def iso_time(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601 in UTC with milliseconds, such as 2026-03-01T12:00:00.000Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
