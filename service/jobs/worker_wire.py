"""Messages between servers and workers over HTTP, strictly validated on both sides.

Neither side trusts the other: ids cannot name paths, numbers are finite, everything has a bound,
and unknown members are errors. Files are sent separately, as bytes with their digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bench_client.models import JobKind
from bench_client.untrusted import finite
from service.jobs import records
from service.jobs.errors import RefusedResultError
from service.jobs.lease_tokens import TOKEN_PATTERN, text_of, token_of
from service.jobs.settings import LONGEST_JOB, LONGEST_LEASE

__all__ = [
    "ARTIFACT_TYPES",
    "MOST_HELD",
    "MOST_NAMES",
    "MOST_TRAINERS",
    "Claim",
    "ClaimedJob",
    "ClaimedLease",
    "Ending",
    "Finish",
    "Heartbeat",
    "Leave",
    "Outcome",
    "Renewal",
    "RenewalAnswer",
    "WorkerSettings",
    "check_result",
]

MOST_HELD: Final = 1000
"""Jobs that one worker may run."""
MOST_NAMES: Final = 1000
MOST_TRAINERS: Final = 64
_MOST_ARTIFACTS: Final = 32
_LARGEST: Final = 2**53
ARTIFACT_TYPES: Final = (
    *("application/json", "application/octet-stream", "application/zip"),
    "image/svg+xml",
)
"""Allowed media types of artifacts."""

JobIdText: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
WorkerIdText: TypeAlias = Annotated[str, Field(pattern="^[!-~]{1,64}$")]
TokenText: TypeAlias = Annotated[str, Field(pattern=TOKEN_PATTERN)]
_Count: TypeAlias = Annotated[int, Field(ge=0, le=_LARGEST)]
_Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
_Sha256: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Text: TypeAlias = Annotated[str, Field(max_length=300)]
_Message: TypeAlias = Annotated[str, Field(max_length=4000)]
_Word: TypeAlias = Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,63}$")]
_Object: TypeAlias = Annotated[dict[str, Any], AfterValidator(finite)]


class _StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Device(_StrictModel):
    """A device of a worker."""

    name: Annotated[str, Field(pattern="^(cpu|cuda:[0-9]{1,3})$")]
    kind: Literal["cpu", "cuda"]
    model: _Text
    memory: _Count


class Trainer(_StrictModel):
    """A trainer of a worker."""

    name: _Name
    package: Annotated[str, Field(pattern="^[!-~]{1,128}$")]
    version: Annotated[str, Field(pattern="^[!-~]{1,128}$")]
    sha256: _Sha256


class Heartbeat(_StrictModel):
    """Registers a worker, or says that it is alive and what it runs."""

    id: WorkerIdText
    host: Annotated[str, Field(max_length=255)]
    pid: _Count
    version: _Text
    devices: Annotated[list[Device], Field(max_length=64)]
    datasets: Annotated[list[_Name], Field(max_length=MOST_NAMES)]
    trainers: Annotated[list[Trainer], Field(max_length=MOST_TRAINERS)] = []
    models: Annotated[list[_Name], Field(max_length=MOST_NAMES)]
    running: Annotated[list[JobIdText], Field(max_length=MOST_HELD)]

    def state(self) -> records.WorkerState:
        """Return the state of the worker as a record."""
        told: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in self
        }
        told["devices"] = tuple(records.DeviceState(**dict(device)) for device in self.devices)
        told["trainers"] = tuple(records.TrainerState(**dict(one)) for one in self.trainers)
        return records.WorkerState(**told)


class WorkerSettings(_StrictModel):
    """The settings of a server that its workers need."""

    lease_seconds: Annotated[float, Field(gt=0, le=LONGEST_LEASE)] = Field(
        description="Seconds that a lease holds without a renewal."
    )
    job_seconds: Annotated[float, Field(gt=0, le=LONGEST_JOB)] = Field(
        description="Seconds that an attempt may take."
    )
    upload_bytes: Annotated[int, Field(gt=0, le=_LARGEST)] = Field(
        description="Largest size in bytes of a file that a worker uploads."
    )


class Leave(_StrictModel):
    """A worker has stopped."""

    id: WorkerIdText


class Claim(_StrictModel):
    """A worker asks for a job."""

    worker: WorkerIdText
    device: Literal["cpu", "cuda"]
    datasets: Annotated[list[_Name], Field(max_length=MOST_NAMES)] = []
    trainers: Annotated[list[_Sha256], Field(max_length=MOST_TRAINERS)] = []
    labels: Annotated[list[_Name], Field(max_length=64)] = []
    own_device: bool = False
    held: Annotated[list[JobIdText], Field(max_length=MOST_HELD)] = Field(
        default=[],
        description="The jobs that the worker holds. A lease of this worker for any other job is "
        "returned again.",
    )
    wait: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.0, description="Seconds that the response may be delayed until a job is there."
    )

    def capabilities(self) -> records.Capabilities:
        """Return the capabilities of the worker."""
        return records.Capabilities(
            device=self.device,
            datasets=frozenset(self.datasets),
            trainers=frozenset(self.trainers),
            labels=frozenset(self.labels),
            own_device=self.own_device,
        )


class ClaimedJob(_StrictModel):
    """The fields of a job that a worker needs."""

    id: JobIdText
    kind: JobKind
    spec: _Object
    attempts: Annotated[int, Field(ge=1, le=_LARGEST)]
    time_limit: Annotated[float, Field(gt=0)] | None
    request_id: Annotated[str, Field(max_length=128)] | None
    needs_sha256: _Sha256 | None


class ClaimedLease(_StrictModel):
    """A lease of a job, as a worker receives it."""

    token: TokenText
    job: ClaimedJob

    @classmethod
    def of(cls, lease: records.Lease) -> Self:
        """Return the message for a lease."""
        job = lease.job
        told = {name: getattr(job, name) for name in ClaimedJob.model_fields}
        return cls(token=text_of(lease.token), job=ClaimedJob(**told))

    def lease(self, worker_id: str) -> records.Lease:
        """Return the lease as a record; fields that only the server knows are empty."""
        now = datetime.now(UTC)
        job = records.Job(
            **{name: getattr(self.job, name) for name in ClaimedJob.model_fields},
            key="",
            state=records.JobState.RUNNING,
            priority=0,
            revision=0,
            created_at=now,
            started_at=now,
            finished_at=None,
            cancel_requested=False,
            progress=None,
            result=None,
            artifacts=(),
            error=None,
            worker=worker_id,
            crashes=0,
            losses=0,
            not_before=None,
        )
        return records.Lease(job=job, token=token_of(self.token))


class ProgressBody(_StrictModel):
    """The progress of an attempt."""

    stage: Annotated[str, Field(max_length=100)]
    done: _Count
    total: _Count | None
    message: _Message
    figures: (
        Annotated[dict[Annotated[str, Field(max_length=64)], float], Field(max_length=64)] | None
    )


class Renewal(_StrictModel):
    """A worker renews the lease of a job."""

    token: TokenText
    progress: ProgressBody | None = None

    def record(self) -> records.Progress | None:
        """Return the progress as a record."""
        return None if self.progress is None else records.Progress(**dict(self.progress))


class RenewalAnswer(_StrictModel):
    """The response to a renewal."""

    cancel: bool = Field(description="Whether the attempt is to be stopped.")


class ArtifactBody(_StrictModel):
    """A file that an attempt made and has uploaded."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    media_type: Annotated[str, Field(max_length=64)]
    size: _Count
    sha256: _Sha256


class Finish(_StrictModel):
    """The result of an attempt.

    Attributes:
        most_values: Limit of members, values, lists and objects in the message: ten thousand epochs
            of a training with nine figures each, or an evaluation with as many classes as images.
    """

    most_values: ClassVar[int] = 120_000

    token: TokenText
    kind: JobKind
    result: _Object
    artifacts: Annotated[list[ArtifactBody], Field(max_length=_MOST_ARTIFACTS)]

    def made(self) -> tuple[records.Artifact, ...]:
        """Return the files as records.

        Raises:
            RefusedResultError: Two files have one name, or a media type is not allowed.
        """
        if len({artifact.name.lower() for artifact in self.artifacts}) < len(self.artifacts):
            raise RefusedResultError("artifacts", "two artifacts have one name")
        for artifact in self.artifacts:
            if artifact.media_type not in ARTIFACT_TYPES:
                raise RefusedResultError(
                    "artifacts", f"an artifact is one of {', '.join(ARTIFACT_TYPES)}"
                )
        return tuple(records.Artifact(**dict(artifact)) for artifact in self.artifacts)


class FailureBody(_StrictModel):
    """The reason why an attempt ended without a result."""

    kind: _Word
    message: _Message


Outcome: TypeAlias = Literal["failed", "crashed", "lost", "released", "cancelled"]
"""How an attempt without a result ended; `Ending` explains each value."""


class Ending(_StrictModel):
    """The end of an attempt without a result."""

    token: TokenText
    outcome: Outcome = Field(
        description="failed: the request cannot be done; crashed: the next attempt may succeed; "
        "lost: the machine of the attempt is gone; "
        "released: the worker returns the job; cancelled: as requested."
    )
    failure: FailureBody | None = Field(
        default=None, description="The reason; required for `failed` and `crashed`."
    )


class _Result(BaseModel):
    """The members that a result must have; it may have more."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)


_Figures: TypeAlias = dict[str, float]
_Percent: TypeAlias = Annotated[float, Field(ge=0, le=100)]
_Seconds: TypeAlias = Annotated[float, Field(ge=0)]


class _ModelResult(_Result):
    parameters: _Count
    macs: _Count
    input_shape: list[_Count]
    input_dtype: _Text


class _EvaluationResult(_Result):
    top1: _Percent
    top5: _Percent | None
    loss: float
    count: _Count
    classes: list[dict[str, Any]]
    provenance: dict[str, Any]


class _LatencyResult(_Result):
    minimum: _Seconds
    median: _Seconds
    batch_size: _Count
    repeats: _Count
    device: _Text
    input_shape: list[_Count]


class _TrainingResult(_Result):
    metrics: _Figures
    seconds: _Seconds
    processor_seconds: _Seconds
    resumed: _Count
    resumed_after: _Count | None
    peak_memory: _Count
    curve: list[_Figures]
    parameters: _Count
    provenance: dict[str, Any]


_RESULTS: Final[Mapping[JobKind, type[_Result]]] = MappingProxyType(
    {
        "model": _ModelResult,
        "evaluation": _EvaluationResult,
        "latency": _LatencyResult,
        "training": _TrainingResult,
        "supernet": _TrainingResult,
    }
)


def check_result(kind: JobKind, finish: Finish) -> None:
    """Refuse a result that is invalid for the kind of its job.

    Raises:
        RefusedResultError: It is for another kind, or lacks members of this kind.
    """
    if finish.kind != kind:
        raise RefusedResultError("kind", f"the job is of kind {kind}")
    try:
        _RESULTS[kind].model_validate(finish.result)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(("result", *map(str, first["loc"])))
        raise RefusedResultError(place[:200], first["msg"]) from None
