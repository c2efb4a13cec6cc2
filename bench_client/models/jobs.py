"""Wire models of jobs, workers, data sets and uploaded weights.

The `request` and `result` of a job are JSON objects that depend on the kind of job; docs/api.md
lists their fields.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, Field

from bench_client.models.answers import Listed, WireModel
from bench_client.models.quantities import UNIT
from bench_client.untrusted import check_distinct_names, finite, plain_file_name

__all__ = [
    "Checkpoint",
    "CheckpointList",
    "DatasetList",
    "Job",
    "JobArtifact",
    "JobError",
    "JobKind",
    "JobPage",
    "JobProgress",
    "JobState",
    "RegisteredDataset",
    "RegisteredTrainer",
    "RegisteredWorker",
    "WorkerDevice",
    "WorkerList",
]

JobKind: TypeAlias = Literal["model", "evaluation", "latency", "training", "supernet"]

JobState: TypeAlias = Literal[
    "queued", "running", "succeeded", "failed", "parked", "cancelled", "stopped", "expired"
]
"""`queued` and `running` jobs are active; the other states are final."""

_Bytes: TypeAlias = Annotated[int, Field(ge=0, json_schema_extra={UNIT: "bytes"})]
_Sha256: TypeAlias = Annotated[
    str,
    Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the content, in 64 hexadecimal digits.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    ),
]
_Object: TypeAlias = Annotated[dict[str, Any], AfterValidator(finite)]


class JobProgress(WireModel):
    """Progress of a running job."""

    stage: str = Field(description="Current stage.", examples=["evaluating"])
    done: int = Field(description="Completed steps of the stage.")
    total: int | None = Field(description="All steps of the stage; null: not known yet.")
    message: str = Field("", description="Message for people.")
    figures: Annotated[dict[str, Any], AfterValidator(finite)] | None = Field(
        None, description="Metrics of a training's latest epoch; null: none."
    )


class JobError(WireModel):
    """Reason why a job has no result."""

    kind: str = Field(description="Kind of error.", examples=["time-limit", "out-of-memory"])
    message: str = Field(description="What happened and what to do about it, for people.")


class JobArtifact(WireModel):
    """A file that a job made; `GET /v1/jobs/{id}/artifacts/{name}` returns it."""

    name: Annotated[str, AfterValidator(plain_file_name)] = Field(
        description="File name without a folder; unique in the job, even if case is ignored.",
        examples=["network.safetensors"],
    )
    media_type: str = Field(description="Media type.", examples=["application/json"])
    size: _Bytes = Field(description="Size, in bytes.")
    sha256: _Sha256


def _of_different_names(artifacts: list[JobArtifact]) -> list[JobArtifact]:
    """Check that artifacts can be separate files of one folder."""
    check_distinct_names([artifact.name for artifact in artifacts])
    return artifacts


class Job(WireModel):
    """A job for the workers, from its submission to its result."""

    id: str = Field(
        pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$",
        description="Id of the job in URLs; opaque.",
    )
    key: str = Field(
        description="Equal for identical requests: while a job with the same key is active or has "
        "its result, a new submission returns that job."
    )
    kind: JobKind = Field(description="Kind of job.")
    request: _Object = Field(
        description="The request with defaults filled in and the architecture in canonical form. "
        "Submitting it again returns the same job."
    )
    state: JobState = Field(
        description="queued; running; succeeded: has `result` and `artifacts`; failed: the request "
        "cannot be carried out; parked: given up after several failed attempts; cancelled; "
        "stopped: a training that was stopped early, with the metrics of its last epoch in "
        "`progress`; expired: the result was deleted to free space, submit again. `error` says why."
    )
    priority: int = Field(description="Higher first, then in order of submission.")
    attempts: int = Field(ge=0, description="Number of attempts that workers have started.")
    revision: int = Field(ge=0, description="Grows with every change of the job.")
    created_at: AwareDatetime = Field(description="Time of submission: UTC.")
    started_at: AwareDatetime | None = Field(description="Start of the latest attempt; null: none.")
    finished_at: AwareDatetime | None = Field(description="End of the job; null: not ended.")
    progress: JobProgress | None = Field(description="Progress of the attempt; null: not known.")
    result: _Object | None = Field(description="Result, by kind of job; null without success.")
    artifacts: Annotated[Listed[JobArtifact], AfterValidator(_of_different_names)] = Field(
        description="Files that the job made."
    )
    cancel_requested: bool = Field(default=False, description="Whether its worker is to stop.")
    error: JobError | None = Field(
        description="Why the job failed or was parked; while it waits for another attempt, why the "
        "last one ended."
    )
    worker: str | None = Field(description="Id of the current or last worker; null: none.")
    request_id: str | None = Field(description="Id of the request that submitted the job.")
    time_limit: float = Field(
        description="Time limit of one attempt, in seconds.", json_schema_extra={UNIT: "seconds"}
    )


class JobPage(WireModel):
    """A page of jobs, latest first."""

    items: Listed[Job] = Field(description="The jobs; empty if none matches.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor`, with the same filters, for the next page; null: last "
        "page."
    )


class WorkerDevice(WireModel):
    """A device of a worker."""

    name: str = Field(description="Name in PyTorch.", examples=["cpu", "cuda:0"])
    kind: Literal["cpu", "cuda"] = Field(description="Value of `device` in requests of jobs.")
    model: str = Field(description="Model of the device.", examples=["NVIDIA H200"])
    memory: _Bytes = Field(description="Memory, in bytes.")


class RegisteredTrainer(WireModel):
    """A trainer that a worker has from another package."""

    name: str = Field(description="Value of `trainer` in a training request.", examples=["quick"])
    package: str = Field(description="Distribution that provides the trainer.")
    version: str = Field(description="Version of the distribution.")
    sha256: _Sha256 = Field(description="SHA-256 of its code, in 64 hexadecimal digits.")


class RegisteredWorker(WireModel):
    """A worker with a recent heartbeat."""

    id: str = Field(description="Id of the worker, as in `worker` of a job.")
    host: str = Field(description="Host name of its machine.")
    pid: int = Field(description="Process id on the machine.")
    version: str = Field(description="Version of its program.")
    devices: Listed[WorkerDevice] = Field(description="Devices; each runs one job at a time.")
    datasets: Listed[str] = Field(description="Names of its data sets.")
    trainers: Listed[RegisteredTrainer] = Field(description="Its trainers from other packages.")
    models: Listed[str] = Field(description="Names of the searched models whose weights it has.")
    running: Listed[str] = Field(description="Ids of the jobs that it runs.")
    started_at: AwareDatetime = Field(description="Time of registration: UTC.")
    seen_at: AwareDatetime = Field(description="Time of the latest heartbeat: UTC.")
    alive: bool = Field(description="Whether the heartbeat is recent enough to be given jobs.")


class WorkerList(WireModel):
    """The registered workers."""

    items: Listed[RegisteredWorker] = Field(description="The workers, by id.")


class RegisteredDataset(WireModel):
    """A data set of one or more workers."""

    name: str = Field(description="Value of `dataset` in requests.", examples=["imagenet-val"])
    workers: Listed[str] = Field(description="Ids of the workers that have the data set.")


class DatasetList(WireModel):
    """The data sets of all workers."""

    items: Listed[RegisteredDataset] = Field(description="The data sets, by name.")


class Checkpoint(WireModel):
    """Weights that an administrator uploaded; requests refer to them by their SHA-256."""

    sha256: _Sha256
    name: str = Field(description="Name given at the upload.", examples=["mine.safetensors"])
    size: _Bytes = Field(description="Size, in bytes.")
    tensors: int = Field(ge=0, description="Number of tensors.")
    created_at: AwareDatetime = Field(description="Time of the first upload: UTC.")


class CheckpointList(WireModel):
    """The uploaded checkpoints."""

    items: Listed[Checkpoint] = Field(description="The checkpoints, latest first.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null: last page."
    )
