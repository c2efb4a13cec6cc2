"""Runs the handler of a job, and tells failures of the request from failures of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import torch

from bench_client.models import JobKind
from model_hub.memory import keep_freed_memory
from service.jobs.kinds import KINDS
from service.worker.work import Done, WorkError, Workplace

__all__ = ["perform"]

Handler: TypeAlias = Callable[[Mapping[str, Any], Workplace], Done]

_NO_MEMORY: Final = "DefaultCPUAllocator"
"""Names itself in the error, which has no class of its own."""
_COMPILERS: Final = ("torch._dynamo.", "torch._inductor.")


def perform(kind: JobKind, spec: Mapping[str, Any], workplace: Workplace) -> Done:
    """Do a job once.

    Args:
        kind: What to do.
        spec: The canonical request; docs/api.md has its members.
        workplace: Where to do it.

    Raises:
        WorkError: It cannot be done, however often it is tried.
    """
    torch.set_num_threads(workplace.threads)
    keep_freed_memory()
    try:
        return _HANDLERS[kind](spec, workplace)
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


def _loaded(handler: str) -> Handler:
    module, _, name = handler.partition(":")
    loaded: Handler = getattr(import_module(module), name)
    return loaded


_HANDLERS: Final[Mapping[JobKind, Handler]] = MappingProxyType(
    {name: _loaded(kind.handler) for name, kind in KINDS.items()}
)
