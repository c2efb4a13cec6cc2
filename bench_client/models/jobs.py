"""The wire of jobs: what runs beside the server, how far it is, and what came out of it.

What a job was asked for (`request`) and what it found (`result`) are JSON objects that differ by
kind of job; docs/api.md has their members.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, Field

from bench_client.models.answers import Listed, WireModel
from bench_client.models.quantities import UNIT
from bench_client.untrusted import finite, one_file_name, unlike_each_other

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
"""`queued` and `running` are on their way; the others are final."""

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
    """How far a running job is."""

    stage: str = Field(description="What is being done.", examples=["evaluating"])
    done: int = Field(description="How much of the stage is done, in its own steps.")
    total: int | None = Field(
        description="How many steps the stage has; null where nobody knows yet."
    )
    message: str = Field("", description="What there is to say about it, for people.")
    figures: Annotated[dict[str, Any], AfterValidator(finite)] | None = Field(
        None, description="Of a training, the figures of its latest epoch; null: none."
    )


class JobError(WireModel):
    """Why a job has no result."""

    kind: str = Field(description="For programs.", examples=["time-limit", "out-of-memory"])
    message: str = Field(description="What happened and what to do about it, for people.")


class JobArtifact(WireModel):
    """A file that a job made; `GET /v1/jobs/{id}/artifacts/{name}` sends it."""

    name: Annotated[str, AfterValidator(one_file_name)] = Field(
        description="Its name, unique in the job whatever the case of its letters: one plain "
        "component of a path.",
        examples=["network.safetensors"],
    )
    media_type: str = Field(description="Its media type.", examples=["application/json"])
    size: _Bytes = Field(description="Its size, in bytes.")
    sha256: _Sha256


def _of_different_names(artifacts: list[JobArtifact]) -> list[JobArtifact]:
    """Return files that have their places beside each other in one folder."""
    unlike_each_other([artifact.name for artifact in artifacts])
    return artifacts


class Job(WireModel):
    """A piece of work for the workers, from its submission to its result."""

    id: str = Field(
        pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$",
        description="Names the job in addresses; opaque.",
    )
    key: str = Field(
        description="Equal for identical requests: as long as one job with a key is on its way or "
        "has its result, asking again gives that job."
    )
    kind: JobKind = Field(description="What is asked for.")
    request: _Object = Field(
        description="What was asked for, spelled out: defaults filled in, the architecture in "
        "canonical form. Submitting it again asks for the same job."
    )
    state: JobState = Field(
        description="queued, running; succeeded: `result` and `artifacts` are there; failed: what "
        "was asked cannot be done; parked: given up after several attempts that ended badly; "
        "cancelled; stopped: a training that was ended early, `progress` having the figures of its "
        "last epoch; expired: the result was thrown away to make room, ask again. `error` says why."
    )
    priority: int = Field(description="Higher first; jobs of one priority in order of submission.")
    attempts: int = Field(ge=0, description="How many times a worker has begun it.")
    revision: int = Field(ge=0, description="Grows with everything that happens to the job.")
    created_at: AwareDatetime = Field(description="When it was submitted: UTC.")
    started_at: AwareDatetime | None = Field(description="When the latest try began; null: none.")
    finished_at: AwareDatetime | None = Field(description="When it ended; null: it has not.")
    progress: JobProgress | None = Field(description="How far it is; null: not known.")
    result: _Object | None = Field(
        description="What was found, by kind of job; null without success."
    )
    artifacts: Annotated[Listed[JobArtifact], AfterValidator(_of_different_names)] = Field(
        description="The files that it made."
    )
    cancel_requested: bool = Field(
        default=False, description="Whether its worker is being told to stop."
    )
    error: JobError | None = Field(
        description="Why it failed or was parked; while it waits for another try, why the last one "
        "ended."
    )
    worker: str | None = Field(description="Id of the worker that has or had it; null: none.")
    request_id: str | None = Field(description="Of the request that submitted it.")
    time_limit: float = Field(
        description="Seconds that one attempt may take.", json_schema_extra={UNIT: "seconds"}
    )


class JobPage(WireModel):
    """Some of the jobs, latest first."""

    items: Listed[Job] = Field(description="The jobs; empty when none matches.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor`, with the same filters, for the next page; null: no more."
    )


class WorkerDevice(WireModel):
    """A device of a worker."""

    name: str = Field(description="As PyTorch names it.", examples=["cpu", "cuda:0"])
    kind: Literal["cpu", "cuda"] = Field(description="What jobs ask for as `device`.")
    model: str = Field(description="What it is.", examples=["NVIDIA H200"])
    memory: _Bytes = Field(description="Its memory, in bytes.")


class RegisteredTrainer(WireModel):
    """A trainer of another package that a worker has."""

    name: str = Field(description="What a training asks for.", examples=["quick"])
    package: str = Field(description="The distribution that has it.")
    version: str = Field(description="Of the distribution.")
    sha256: _Sha256 = Field(description="Digest of its code, in 64 hexadecimal digits.")


class RegisteredWorker(WireModel):
    """A worker that has lately been heard of."""

    id: str = Field(description="Names the worker; what a job has as `worker`.")
    host: str = Field(description="Host name of its machine.")
    pid: int = Field(description="Its process there.")
    version: str = Field(description="Version of its program.")
    devices: Listed[WorkerDevice] = Field(
        description="What it computes on; one job each at a time."
    )
    datasets: Listed[str] = Field(description="Names of the data sets that it has.")
    trainers: Listed[RegisteredTrainer] = Field(
        description="The trainers of other packages that it has."
    )
    models: Listed[str] = Field(description="Names of the searched models whose weights it has.")
    running: Listed[str] = Field(description="Ids of the jobs that it runs.")
    started_at: AwareDatetime = Field(description="When it registered: UTC.")
    seen_at: AwareDatetime = Field(description="Its latest sign of life: UTC.")
    alive: bool = Field(description="Whether that is recent enough for it to be given work.")


class WorkerList(WireModel):
    """The workers that have registered."""

    items: Listed[RegisteredWorker] = Field(description="The workers, by id.")


class RegisteredDataset(WireModel):
    """A data set that some worker has."""

    name: str = Field(description="What an evaluation asks for.", examples=["imagenet-val"])
    workers: Listed[str] = Field(description="Ids of the workers that have it.")


class DatasetList(WireModel):
    """The data sets that evaluations may ask for."""

    items: Listed[RegisteredDataset] = Field(description="The data sets, by name.")


class Checkpoint(WireModel):
    """Weights that an administrator uploaded; a network asks for them by their digest."""

    sha256: _Sha256
    name: str = Field(description="Given at the upload, for people.", examples=["mine.safetensors"])
    size: _Bytes = Field(description="Its size, in bytes.")
    tensors: int = Field(ge=0, description="How many tensors it holds.")
    created_at: AwareDatetime = Field(description="When it was first uploaded: UTC.")


class CheckpointList(WireModel):
    """The checkpoints that were uploaded."""

    items: Listed[Checkpoint] = Field(description="The checkpoints, latest first.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null: no more."
    )
