"""Messages between a worker and the process of an attempt: a payload, then events as JSON.

Whatever the work does to its process, what the worker reads from it can run nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

from bench_client.models import JobKind
from service.jobs.records import Artifact, Failure, Progress

__all__ = ["Crashed", "Event", "Failed", "Made", "Payload", "read_event", "write_event"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """What an attempt is to do, and where.

    Args:
        job_id: The job it is for.
        request_id: The HTTP request that submitted it.
        kind: What to do.
        spec: The canonical request.
        folder: An empty folder for its files.
        artifacts: The folder that keeps what it makes.
        checkpoints: The folder of uploaded weights.
        device: Where it computes, as PyTorch names it.
        datasets: The data sets of the worker, by name.
        threads: Processor cores it may use.
    """

    job_id: str
    request_id: str | None
    kind: JobKind
    spec: dict[str, Any]
    folder: Path
    artifacts: Path
    checkpoints: Path
    device: str
    datasets: dict[str, Path]
    threads: int


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
    """The try went wrong; another may not."""

    failure: Failure


Event: TypeAlias = Progress | Made | Failed | Crashed


def write_event(connection: Connection, event: Event) -> None:
    """Send an event."""
    named = {"event": type(event).__name__, "fields": asdict(event)}
    connection.send_bytes(json.dumps(named).encode())


def read_event(connection: Connection) -> Event:
    """Receive an event.

    Raises:
        EOFError: There will be no more.
    """
    named: Mapping[str, Any] = json.loads(connection.recv_bytes())
    fields = named["fields"]
    match named["event"]:
        case "Progress":
            return Progress(**fields)
        case "Made":
            artifacts = tuple(Artifact(**artifact) for artifact in fields["artifacts"])
            return Made(result=fields["result"], artifacts=artifacts)
        case "Failed":
            return Failed(failure=Failure(**fields["failure"]))
        case _:
            return Crashed(failure=Failure(**fields["failure"]))
