"""The payload that a worker gives to an attempt, and the events that it gets back.

Attempts in a local process and on a Ray node send the same events. Events are JSON, so a
compromised process cannot run code in the worker that reads them.
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
    "Lost",
    "Payload",
    "Released",
    "RunningAttempt",
    "Started",
    "Succeeded",
    "decode_event",
    "encode_event",
    "too_much_memory",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """The job of an attempt, and the folders and resources for it.

    Args:
        job_id: The id of the job.
        request_id: The id of the HTTP request that submitted it.
        kind: The kind of the job.
        spec: The canonical request.
        folder: An empty folder for its files.
        kept: The folder of its checkpoints, which the next attempt of the job takes over.
        artifacts: The folder that stores its artifacts.
        checkpoints: The folder of uploaded weights.
        device: PyTorch's name of its device.
        offers: The data sets and trainers of the worker.
        threads: Number of processor cores it may use.
        memory: Bytes of memory it may use.
        dataset_sha256: The required digest of its data set; None: any.
        share: How many attempts share the device.
        idle_priority: Whether it runs with the lowest scheduling priority.
        visible_gpus: The GPUs it may see, in the form of CUDA_VISIBLE_DEVICES; None: all.
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
class Succeeded:
    """The attempt succeeded: its result, and its files, which are stored already."""

    result: dict[str, Any]
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """The request cannot be done."""

    failure: Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Crashed:
    """The attempt failed for a reason that the next one may not have.

    Args:
        failure: The reason.
        sudden: Whether its process ended without a final event.
    """

    failure: Failure
    sudden: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Released:
    """The attempt stopped on request, so that another one can resume."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """The attempt had waited for a free node and is running now.

    Args:
        place: The node, for the log.
    """

    place: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """The node of the attempt is gone, which is mostly not the job's fault; never sent as JSON.

    Args:
        reason: Details for the log.
    """

    reason: str


Event: TypeAlias = Progress | Started | Succeeded | Failed | Crashed | Released | Lost


class RunningAttempt(Protocol):
    """A running attempt; a context manager that starts and finally ends it.

    Implemented by `Attempt` (a local process) and `RayAttempt` (a task of a Ray cluster).
    """

    def __enter__(self) -> Self:
        """Start the attempt."""

    def __exit__(self, *_: object) -> None:
        """Kill the attempt with all its descendants, unless it has ended."""

    def next_event(self, seconds: float) -> Event | None:
        """Return the next event, or None after `seconds` without one.

        The files of `Succeeded` and checkpoints are in the folders of the payload.
        """

    def request_release(self) -> None:
        """Ask the attempt to stop where another one can resume; it may finish first."""

    def takes_more_than(self, memory: int) -> bool:
        """Tell whether the attempt uses more than `memory` bytes of this machine."""


def encode_event(event: Event) -> bytes:
    """Encode an event as JSON."""
    return json.dumps({"event": type(event).__name__, "fields": asdict(event)}).encode()


_WRITTEN: Final = {
    one.__name__: one for one in (Progress, Started, Succeeded, Failed, Crashed, Released)
}


def decode_event(content: bytes) -> Event:
    """Decode an event from JSON."""
    named: Mapping[str, Any] = json.loads(content)
    fields: dict[str, Any] = named["fields"]
    if "failure" in fields:
        fields["failure"] = Failure(**fields["failure"])
    if "artifacts" in fields:
        fields["artifacts"] = tuple(Artifact(**artifact) for artifact in fields["artifacts"])
    event: Event = _WRITTEN[named["event"]](**fields)
    return event


def too_much_memory(limit: int) -> Failure:
    """Return the failure of an attempt that exceeded its memory limit.

    Args:
        limit: The limit in bytes.
    """
    return Failure(
        kind="memory-limit",
        message=f"the attempt took more than the {limit / 2**20:.0f} MiB of NASBENCH_JOB_MEMORY "
        "and was ended",
    )
