"""What a worker gives an attempt to do, and what it is told of it.

An attempt runs in a process of this machine or elsewhere; whoever supervises it sees the same
events. They are written as JSON: whatever the work does to its process, what is read can run
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeAlias

from bench_client.models import JobKind
from service.jobs.records import Artifact, Failure, Progress
from service.jobs.training_folders import AttemptFolder
from service.worker.offers import Offers

__all__ = [
    "Crashed",
    "Event",
    "Failed",
    "HandedBack",
    "Lost",
    "Made",
    "Payload",
    "RunningAttempt",
    "Started",
    "read_event",
    "too_much_memory",
    "written_event",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """What an attempt is to do, and where.

    Args:
        job_id: The job it is for.
        request_id: The HTTP request that submitted it.
        kind: What to do.
        spec: The canonical request.
        folder: An empty folder for its files.
        kept: What it leaves to the next attempt of the job, and finds of the one before.
        artifacts: The folder that keeps what it makes.
        checkpoints: The folder of uploaded weights.
        device: Where it computes, as PyTorch names it.
        offers: The data sets and trainers of the worker.
        threads: Processor cores it may use.
        memory: Bytes it may take.
        dataset_sha256: The digest that its data set must have; None: any.
        share: How many attempts have the device at a time.
        idle_priority: Whether everything else on its machine goes first.
        visible_gpus: The GPUs it may see, as CUDA_VISIBLE_DEVICES has them; None: all of them.
    """

    job_id: str
    request_id: str | None
    kind: JobKind
    spec: dict[str, Any]
    folder: Path
    kept: AttemptFolder
    artifacts: Path
    checkpoints: Path
    device: str
    offers: Offers
    threads: int
    memory: int
    dataset_sha256: str | None
    share: int = 1
    idle_priority: bool = True
    visible_gpus: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """It is done: what was found, and the files, which are kept already."""

    result: dict[str, Any]
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """What was asked cannot be done."""

    failure: Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Crashed:
    """The attempt failed for a reason that the next one may not meet.

    Args:
        failure: Why.
        sudden: Whether its process ended without a last word.
    """

    failure: Failure
    sudden: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedBack:
    """It stopped as it was asked to, where another attempt goes on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """It waited for a place, and now has one.

    Args:
        place: Where it runs, for the log.
    """

    place: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """Where it ran is gone, which is mostly not the job's fault; known here and never written.

    Args:
        reason: What is known of it, for the log.
    """

    reason: str


Event: TypeAlias = Progress | Started | Made | Failed | Crashed | HandedBack | Lost


class RunningAttempt(Protocol):
    """An attempt, wherever it runs; a context manager that begins it, and at last ends it.

    A process of this machine is one (`Attempt`), a task of a Ray cluster another (`RayAttempt`).
    """

    def __enter__(self) -> Self:
        """Begin it."""

    def __exit__(self, *_: object) -> None:
        """End it with all that it started, unless it has ended."""

    def next_event(self, seconds: float) -> Event | None:
        """Return its next event, or None after some seconds without one.

        The files of `Made` are where the payload says, and so are checkpoints.
        """

    def hand_back(self) -> None:
        """Ask it to stop where another attempt can go on; it may end before."""

    def takes_more_than(self, memory: int) -> bool:
        """Tell whether it takes more than so many bytes of this machine."""


def written_event(event: Event) -> bytes:
    """Return an event as JSON."""
    return json.dumps({"event": type(event).__name__, "fields": asdict(event)}).encode()


_WRITTEN: Final = {
    one.__name__: one for one in (Progress, Started, Made, Failed, Crashed, HandedBack)
}


def read_event(content: bytes) -> Event:
    """Return the event that `written_event` wrote."""
    named: Mapping[str, Any] = json.loads(content)
    fields: dict[str, Any] = named["fields"]
    if "failure" in fields:
        fields["failure"] = Failure(**fields["failure"])
    if "artifacts" in fields:
        fields["artifacts"] = tuple(Artifact(**artifact) for artifact in fields["artifacts"])
    event: Event = _WRITTEN[named["event"]](**fields)
    return event


def too_much_memory(limit: int) -> Failure:
    """Return the failure of an attempt that took more memory than it may.

    Args:
        limit: Bytes.
    """
    return Failure(
        kind="memory-limit",
        message=f"the attempt took more than the {limit / 2**20:.0f} MiB of NASBENCH_JOB_MEMORY "
        "and was ended",
    )
