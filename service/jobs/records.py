"""The values of jobs, workers and checkpoints, and the one way from rows to them and to JSON.

`bench_client.models.Job` documents what callers see of a job; `Job` here is the same with three
figures that stay inside. A new field of a job is a column of `JobRow`, a field of both, and an
entry of `_FROM_COLUMN` where the column is not the value itself; a test compares the three.

Times are of the database's clock, in UTC; digests are SHA-256 in 64 hexadecimal digits.

    queued ⇄ running → succeeded → expired
       │        ├───→ failed       the request cannot be done
       │        ├───→ parked       too many attempts crashed, timed out or lost their worker
       └────────┼───→ cancelled
                └───→ stopped      ended early, with the figures of its last epoch as its progress
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal, Self, TypeAlias, get_args

from bench_client.models import JobKind

__all__ = [
    "ANSWERING",
    "FINISHED",
    "OTHER_DATA",
    "OTHER_TRAINER",
    "Artifact",
    "Capabilities",
    "Checkpoint",
    "DeviceKind",
    "DeviceNeed",
    "DeviceState",
    "Failure",
    "Job",
    "JobState",
    "Lease",
    "NewJob",
    "Progress",
    "TrainerState",
    "WorkerState",
    "to_json",
    "utc_time",
]

OTHER_DATA: Final = "other-data"
OTHER_TRAINER: Final = "other-trainer"
"""Kinds of the failure of a worker whose data set or trainer is not the one that a job needs."""

DeviceKind: TypeAlias = Literal["cpu", "cuda"]
DeviceNeed: TypeAlias = Literal["any", "cpu", "cuda"]


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    EXPIRED = "expired"


FINISHED: Final = frozenset(JobState) - {JobState.QUEUED, JobState.RUNNING}
"""States in which nothing more happens, but that artifacts of a succeeded job may be evicted."""

ANSWERING: Final = (JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED)
"""States in which a job answers another submission of the same request."""

_SENT: Final = "sent"
"""In the metadata of a field: its name on the wire; None: it is not sent."""


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
    """Why the last attempt of a job ended without a result.

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
        figures: Of a training, those of its latest epoch.
    """

    stage: str
    done: int = 0
    total: int | None = None
    message: str = ""
    figures: dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewJob:
    """A request as it is submitted.

    Args:
        spec: The canonical request: plain JSON, all defaults stated.
        needs_sha256: The digest that this data set must have.
        needs_trainer: The digest of a trainer that the worker must have.
        needs_own_device: Whether no other attempt may have the device at the same time.
        avoids_worker: The worker that gets it only when no other has taken it for ten minutes.
        priority: -10 to 10; higher runs first.
        time_limit: Seconds an attempt may take; None for the setting.
        key: What makes two submissions the same job; see `service.jobs.kinds`.
    """

    kind: JobKind
    spec: Mapping[str, Any]
    key: str
    needs_device: DeviceNeed = "any"
    needs_dataset: str | None = None
    needs_sha256: str | None = None
    needs_trainer: str | None = None
    needs_label: str | None = None
    needs_own_device: bool = False
    avoids_worker: str | None = None
    priority: int = 0
    time_limit: float | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job as the table has it; `bench_client.models.Job` says what each field means.

    Args:
        spec: The canonical request, `request` on the wire.
        time_limit: Seconds an attempt may take; None for the setting.
        crashes: Attempts that crashed, met a limit or found the disk full. Not sent.
        losses: Attempts whose lease ran out or whose worker died. Not sent.
        needs_sha256: The digest that its data set must have. Not sent.
        not_before: When its next attempt may begin; None unless it is queued. Not sent.
    """

    id: str
    key: str
    kind: JobKind
    state: JobState
    spec: dict[str, Any] = field(metadata={_SENT: "request"})
    priority: int
    time_limit: float | None
    attempts: int
    revision: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool
    progress: Progress | None
    result: dict[str, Any] | None
    artifacts: tuple[Artifact, ...]
    error: Failure | None
    worker: str | None
    request_id: str | None
    crashes: int = field(metadata={_SENT: None})
    losses: int = field(metadata={_SENT: None})
    needs_sha256: str | None = field(metadata={_SENT: None})
    not_before: datetime | None = field(metadata={_SENT: None})

    @classmethod
    def from_row(cls, row: Mapping[str, Any], artifacts: Iterable[Mapping[str, Any]] = ()) -> Self:
        """Return the job of a row of `JobRow` and the rows of its artifacts.

        Raises:
            ValueError: A column is damaged; KeyError and TypeError mean the same.
        """
        values: dict[str, Any] = {
            name: None if row[name] is None else _FROM_COLUMN.get(name, _as_it_is)(row[name])
            for name in (field.name for field in fields(cls))
            if name != "artifacts"
        }
        if row["state"] != JobState.QUEUED:
            values["not_before"] = None
        columns = [field.name for field in fields(Artifact)]
        made = tuple(Artifact(**{name: found[name] for name in columns}) for found in artifacts)
        return cls(**values, artifacts=made)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in FINISHED

    def artifact(self, name: str) -> Artifact | None:
        """Return the artifact of a name; None if there is none."""
        return next((artifact for artifact in self.artifacts if artifact.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """A worker's lease of a job: until it expires, no other worker gets the job.

    Args:
        job: The job as it was when it was leased.
        token: Fencing token, larger than those of earlier leases of the job; only that of the
            last one is valid. See `service.jobs.lease_tokens`.
    """

    job: Job
    token: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What a worker can do, of which depends which jobs it gets.

    Args:
        trainers: The digests of the trainers it has.
        own_device: Whether an attempt has the device for itself.
    """

    device: DeviceKind
    datasets: frozenset[str] = frozenset()
    trainers: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    own_device: bool = True


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
class TrainerState:
    """A trainer of a worker.

    Args:
        name: What a request has.
        package: The distribution that has it.
        version: Of the distribution.
        sha256: Digest of its code.
    """

    name: str
    package: str
    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerState:
    """A worker as it registers itself, and as it is listed.

    Args:
        id: Its name, unique for each start.
        pid: Its process there.
        version: Of this package.
        datasets: The data sets it has, by name.
        models: Searched models whose weights it has.
        running: Jobs it runs, by id.
        started_at: When it registered; None before.
        seen_at: Its last heartbeat; None before.
        alive: Whether that is recent enough.
    """

    id: str
    host: str
    pid: int
    version: str
    devices: tuple[DeviceState, ...] = ()
    datasets: tuple[str, ...] = ()
    trainers: tuple[TrainerState, ...] = ()
    models: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    started_at: datetime | None = field(default=None, compare=False)
    seen_at: datetime | None = field(default=None, compare=False)
    alive: bool = field(default=True, compare=False)


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


def utc_time(seconds: float) -> datetime:
    """Return a time of the database, in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def to_json(value: Any) -> Any:
    """Return a record as JSON, as it is sent: times as ISO 8601 in UTC, with milliseconds.

    Fields keep their order and names, but for those whose metadata say otherwise.
    """
    match value:
        case datetime():
            text = value.astimezone(UTC).isoformat(timespec="milliseconds")
            return text.replace("+00:00", "Z")
        case StrEnum():
            return value.value
        case tuple():
            return [to_json(item) for item in value]
        case _ if is_dataclass(value):
            named = ((each.metadata.get(_SENT, each.name), each.name) for each in fields(value))
            return {sent: to_json(getattr(value, name)) for sent, name in named if sent}
    return value


def _known_kind(text: str) -> str:
    if text not in get_args(JobKind):
        raise ValueError("a job of an unknown kind")
    return text


def _as_it_is(value: Any) -> Any:
    return value


_FROM_COLUMN: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "kind": _known_kind,
        "state": JobState,
        "spec": json.loads,
        "created_at": utc_time,
        "started_at": utc_time,
        "finished_at": utc_time,
        "not_before": utc_time,
        "cancel_requested": bool,
        "progress": lambda text: Progress(**json.loads(text)),
        "result": json.loads,
        "error": lambda text: Failure(**json.loads(text)),
    }
)
"""What makes a value of a column, by the name of both; the other columns are values already."""
