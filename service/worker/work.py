"""The handler interface of jobs: the inputs and results of a handler, and how it is called.

Handlers know nothing of queues, leases and databases: they get a request, a folder and a device,
report progress, and return a result and files. So they can be tested without a server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from bench_client.models import JobKind
from service.jobs.records import Progress
from service.jobs.training_folders import AttemptFolder
from service.worker.offers import Offers

__all__ = [
    "Handler",
    "OutputFile",
    "ReleasedError",
    "WorkError",
    "WorkResult",
    "Workplace",
    "handlers",
    "perform",
]

_CPU_ALLOCATOR: Final = "DefaultCPUAllocator"
"""Part of the message of PyTorch's CPU memory error, which is a plain RuntimeError."""
_COMPILERS: Final = ("torch._dynamo.", "torch._inductor.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """The folders, devices and limits of an attempt.

    Args:
        folder: An empty folder for the files it makes.
        device: PyTorch's name of the device: `cpu`, `cuda:0`.
        report: Takes progress; may be called often.
        offers: The data sets and trainers of the worker.
        dataset_sha256: The required digest of a training's data set; None: any.
        checkpoint: Returns the file of uploaded weights for a digest.
        threads: Number of processor cores it may use.
        kept: The folder of checkpoints for the next attempt; None: there is no other attempt.
        memory: Bytes of memory it may use.
        share: How many attempts share the device.
        release_requested: Tells whether to stop where another attempt can resume, by raising
            `ReleasedError`.
    """

    folder: Path
    device: str
    report: Callable[[Progress], None]
    offers: Offers = field(default_factory=Offers)
    dataset_sha256: str | None = None
    checkpoint: Callable[[str], Path] = field(default=Path)
    threads: int = 1
    kept: AttemptFolder | None = None
    memory: int = 1 << 40
    share: int = 1
    release_requested: Callable[[], bool] = bool


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputFile:
    """A file that an attempt made.

    Args:
        name: Its name among the artifacts of the job.
        media_type: Its media type.
        path: Its path in the folder of the attempt.
    """

    name: str
    media_type: str
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkResult:
    """The result and files of a handler.

    Args:
        result: A JSON object, as docs/api.md describes it.
        files: The files.
    """

    result: dict[str, Any]
    files: tuple[OutputFile, ...] = ()


class WorkError(Exception):
    """A request cannot be done, however often it is retried.

    Args:
        kind: A code for programs, such as `corrupt-image` or `out-of-memory`.
        message: What is wrong and what to do about it, for people.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class ReleasedError(Exception):
    """The work has stopped on request, so that another attempt can resume."""


Handler: TypeAlias = Callable[[Mapping[str, Any], Workplace], WorkResult]


@cache
def handlers() -> Mapping[JobKind, Handler]:
    """Return the handler of every kind of job; imports PyTorch."""
    from service.jobs.kinds import KINDS  # noqa: PLC0415 - slow to import

    return MappingProxyType({name: _import_handler(kind.handler) for name, kind in KINDS.items()})


def perform(kind: JobKind, spec: Mapping[str, Any], workplace: Workplace) -> WorkResult:
    """Run the handler of a job.

    Args:
        kind: The kind of the job.
        spec: The canonical request; docs/api.md documents its members.
        workplace: The folders, devices and limits of the attempt.

    Raises:
        WorkError: The request cannot be done, however often it is retried.
        ReleasedError: The handler was asked to stop, and did.
    """
    # Already imported in the process that this one was forked from; the worker never imports it.
    import torch  # noqa: PLC0415

    from model_hub.memory import keep_freed_memory  # noqa: PLC0415

    torch.set_num_threads(workplace.threads)
    keep_freed_memory()
    if workplace.share > 1 and workplace.device.startswith("cuda"):
        torch.cuda.set_per_process_memory_fraction(1 / workplace.share, workplace.device)
    try:
        done = handlers()[kind](spec, workplace)
        # Times measured on a shared device are marked as such.
        return (
            done
            if workplace.share == 1
            else replace(done, result=_marked_as_shared(done, workplace))
        )
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or _CPU_ALLOCATOR in str(error):
            raise WorkError(
                "out-of-memory",
                f"{workplace.device} has too little memory for the network and its inputs; a "
                "smaller batch or another precision takes less",
            ) from error
        if type(error).__module__.startswith(_COMPILERS):
            raise WorkError(
                "not-compilable",
                "torch.compile fails with this network on this worker, which may lack a C++ "
                "compiler; set `compile` to false",
            ) from error
        raise


def _marked_as_shared(done: WorkResult, workplace: Workplace) -> dict[str, Any]:
    return {**done.result, "shared": workplace.share}


def _import_handler(handler: str) -> Handler:
    module, _, name = handler.partition(":")
    loaded: Handler = getattr(import_module(module), name)
    return loaded
