"""What one attempt of a job has at hand, and what comes out of it.

The work itself knows nothing of queues, leases and databases: it is given a request, a folder and a
device, reports how far it is, and returns a result and files. So it can be tried without a server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.jobs.records import Progress

__all__ = ["Done", "MadeFile", "WorkError", "Workplace"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """What an attempt has at hand.

    Args:
        folder: An empty folder for the files it makes.
        device: Where it computes, as PyTorch names it: `cpu`, `cuda:0`.
        report: Told how far it is; may be called often.
        datasets: Folder or archive of each data set of the worker, by name.
        checkpoint: Returns the file of uploaded weights by their digest.
        threads: Processor cores it may use.
    """

    folder: Path
    device: str
    report: Callable[[Progress], None]
    datasets: Mapping[str, Path] = field(default_factory=dict)
    checkpoint: Callable[[str], Path] = field(default=Path)
    threads: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeFile:
    """A file that an attempt made.

    Args:
        name: Its name among the artifacts of the job.
        media_type: What it is.
        path: Where it lies, in the folder of the attempt.
    """

    name: str
    media_type: str
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What an attempt found and made.

    Args:
        result: A JSON object, as docs/api.md describes it.
        files: The files.
    """

    result: dict[str, Any]
    files: tuple[MadeFile, ...] = ()


class WorkError(Exception):
    """What was asked cannot be done, however often it is tried.

    Args:
        kind: A word for programs, such as `corrupt-image` or `out-of-memory`.
        message: What is wrong and what to do about it, for people.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
