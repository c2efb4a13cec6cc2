"""Records of jobs, workers and checkpoints, and their conversion from rows and to JSON.

`bench_client.models.Job` documents what clients see of a job; `Job` here has the same fields and
four more that are not sent. A new field of a job is a column of `JobRow`, a field of both classes,
and an entry of `_FROM_COLUMN` if the column needs a conversion; a test compares the three.

Times are by the clock of the database, in UTC; digests are SHA-256 as 64 hexadecimal digits.

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
"""Kinds of failures: the worker's data set or trainer is not the one that the job needs."""

DeviceKind: TypeAlias = Literal["cpu", "cuda"]
DeviceNeed: TypeAlias = Literal["any", "cpu", "cuda"]


class JobState(StrEnum):
    """The states of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    EXPIRED = "expired"


FINISHED: Final = frozenset(JobState) - {JobState.QUEUED, JobState.RUNNING}
"""Final states, except that a succeeded job expires when its artifacts are evicted."""

ANSWERING: Final = (JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED)
"""States in which a job is the answer to another submission of the same request."""

_WIRE: Final = "sent"
"""Key in the metadata of a field: its name on the wire, or None if it is not sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A file that a job made, stored by its digest.

    Args:
        name: Its name among the artifacts of the job, such as `report.json`.
        media_type: Its media type, such as `application/json`.
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
        kind: A short code for programs, such as `time_limit`, `memory`, `crash` or `lost_worker`.
        message: What went wrong and where, for people.
    """

    kind: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The progress of a running job.

    Args:
        stage: A word for the current stage, such as `evaluating`.
        done: How much of the stage is done, in its units.
        total: The size of the stage; None if unknown.
        message: A sentence for people.
        figures: Figures of the latest epoch of a training.
    """

    stage: str
    done: int = 0
    total: int | None = None
    message: str = ""
    figures: dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewJob:
    """A submitted request before it has a row.

    Args:
        spec: The canonical request: plain JSON, all defaults stated.
        needs_sha256: The required digest of the data set.
        needs_trainer: The digest of the required trainer.
        needs_own_device: Whether no other attempt may use the device at the same time.
        avoids_worker: A worker that gets the job only after it has waited for ten minutes.
        priority: -10 to 10; higher runs first.
        time_limit: Seconds an attempt may take; None for the setting.
        key: Digest that is equal for equal requests; see `service.jobs.kinds`.
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
    """A job as stored in the table; `bench_client.models.Job` documents its fields.

    Args:
        spec: The canonical request, `request` on the wire.
        time_limit: Seconds an attempt may take; None for the setting.
        crashes: Attempts that crashed, exceeded a limit or found the disk full. Not sent.
        losses: Attempts whose lease expired or whose worker died. Not sent.
        needs_sha256: The required digest of its data set. Not sent.
        not_before: When its next attempt may begin; None unless queued. Not sent.
    """

    id: str
    key: str
    kind: JobKind
    state: JobState
    spec: dict[str, Any] = field(metadata={_WIRE: "request"})
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
    crashes: int = field(metadata={_WIRE: None})
    losses: int = field(metadata={_WIRE: None})
    needs_sha256: str | None = field(metadata={_WIRE: None})
    not_before: datetime | None = field(metadata={_WIRE: None})

    @classmethod
    def from_row(cls, row: Mapping[str, Any], artifacts: Iterable[Mapping[str, Any]] = ()) -> Self:
        """Return the job from a row of `JobRow` and the rows of its artifacts.

        Raises:
            ValueError: A column is damaged; KeyError and TypeError mean the same.
        """
        values: dict[str, Any] = {
            name: None if row[name] is None else _FROM_COLUMN.get(name, _unchanged)(row[name])
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
        """Whether the job is in a final state."""
        return self.state in FINISHED

    def artifact(self, name: str) -> Artifact | None:
        """Return the artifact with a name; None if there is none."""
        return next((artifact for artifact in self.artifacts if artifact.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """A worker's lease of a job; until it expires, no other worker gets the job.

    Args:
        job: The job as it was when it was leased.
        token: Fencing token, larger than those of earlier leases of the job; only the latest token
            is valid. See `service.jobs.lease_tokens`.
    """

    job: Job
    token: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """The capabilities of a worker, which decide the jobs it gets.

    Args:
        trainers: The digests of its trainers.
        own_device: Whether an attempt has the device to itself.
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
        model: Product name, such as `NVIDIA H200`.
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
        name: The name in requests.
        package: The distribution that contains it.
        version: Version of the distribution.
        sha256: Digest of its code.
    """

    name: str
    package: str
    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerState:
    """A worker as it registers itself and as it is listed.

    Args:
        id: Its id, unique for each start.
        pid: Its process id on the host.
        version: Version of this package.
        datasets: Names of its data sets.
        models: Searched models whose weights it has.
        running: Ids of the jobs it runs.
        started_at: When it registered; None before.
        seen_at: Its last heartbeat; None before.
        alive: Whether the last heartbeat is recent enough.
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
        name: Name given at the upload.
        size: Bytes.
        tensors: Number of tensors.
        created_at: When it was first uploaded.
    """

    sha256: str
    name: str
    size: int
    tensors: int
    created_at: datetime


def utc_time(seconds: float) -> datetime:
    """Convert a time of the database, in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def to_json(value: Any) -> Any:
    """Return a record as JSON for the wire, with times as ISO 8601 in UTC with milliseconds.

    Fields keep their order and names, except where their metadata say otherwise.
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
            named = ((each.metadata.get(_WIRE, each.name), each.name) for each in fields(value))
            return {sent: to_json(getattr(value, name)) for sent, name in named if sent}
    return value


def _known_kind(text: str) -> str:
    if text not in get_args(JobKind):
        raise ValueError("a job of an unknown kind")
    return text


def _unchanged(value: Any) -> Any:
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
"""Conversions of columns by name; the other columns are used as they are."""
