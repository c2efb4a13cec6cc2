"""The work of one attempt: what a handler has at hand, what it returns, and how it is run.

The work itself knows nothing of queues, leases and databases: it is given a request, a folder and a
device, reports how far it is, and returns a result and files. So it can be tried without a server.
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
    "Done",
    "HandedBackError",
    "Handler",
    "MadeFile",
    "WorkError",
    "Workplace",
    "handlers",
    "perform",
]

_NO_MEMORY: Final = "DefaultCPUAllocator"
"""Names itself in the error, which has no class of its own."""
_COMPILERS: Final = ("torch._dynamo.", "torch._inductor.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """What an attempt has at hand.

    Args:
        folder: An empty folder for the files it makes.
        device: Where it computes, as PyTorch names it: `cpu`, `cuda:0`.
        report: Told how far it is; may be called often.
        offers: The data sets and trainers of the worker.
        dataset_sha256: The digest that the data set of a training must have; None: any.
        checkpoint: Returns the file of uploaded weights by their digest.
        threads: Processor cores it may use.
        kept: What it leaves to the next attempt of the job; None: there is no other attempt.
        memory: Bytes it may take.
        share: How many attempts have the device at a time.
        handing_back: Tells whether to stop where another attempt can go on, and to raise
            `HandedBackError` then.
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
    handing_back: Callable[[], bool] = bool


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
    """What was asked cannot be done, however often it is retried.

    Args:
        kind: A word for programs, such as `corrupt-image` or `out-of-memory`.
        message: What is wrong and what to do about it, for people.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class HandedBackError(Exception):
    """The work stopped as it was asked to, where another attempt goes on."""


Handler: TypeAlias = Callable[[Mapping[str, Any], Workplace], Done]


@cache
def handlers() -> Mapping[JobKind, Handler]:
    """Return the handler of every kind of job; PyTorch loads with them."""
    from service.jobs.kinds import KINDS  # noqa: PLC0415 - needs the spaces, which load slowly

    return MappingProxyType({name: _loaded(kind.handler) for name, kind in KINDS.items()})


def perform(kind: JobKind, spec: Mapping[str, Any], workplace: Workplace) -> Done:
    """Do a job once.

    Args:
        kind: What to do.
        spec: The canonical request; docs/api.md has its members.
        workplace: Where to do it.

    Raises:
        WorkError: It cannot be done, however often it is retried.
        HandedBackError: It was asked to stop, and did.
    """
    # Loaded already in the process that this one was forked from, and by no worker itself.
    import torch  # noqa: PLC0415

    from model_hub.memory import keep_freed_memory  # noqa: PLC0415

    torch.set_num_threads(workplace.threads)
    keep_freed_memory()
    if workplace.share > 1 and workplace.device.startswith("cuda"):
        torch.cuda.set_per_process_memory_fraction(1 / workplace.share, workplace.device)
    try:
        done = handlers()[kind](spec, workplace)
        # What was timed beside others is no time of its own.
        return done if workplace.share == 1 else replace(done, result=_shared(done, workplace))
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY in str(error):
            raise WorkError(
                "out-of-memory",
                f"{workplace.device} has too little memory for the network and its inputs; a "
                "smaller batch or another precision takes less",
            ) from error
        if type(error).__module__.startswith(_COMPILERS):
            raise WorkError(
                "not-compilable",
                "torch.compile fails with this network on this worker, which may lack a C++ "
                "compiler; `compile` false does without",
            ) from error
        raise


def _shared(done: Done, workplace: Workplace) -> dict[str, Any]:
    return {**done.result, "shared": workplace.share}


def _loaded(handler: str) -> Handler:
    module, _, name = handler.partition(":")
    loaded: Handler = getattr(import_module(module), name)
    return loaded
