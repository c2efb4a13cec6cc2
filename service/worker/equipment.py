"""The devices, libraries and weights of a worker."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final, Literal, TypeAlias

from missing_extra import install_command, refuse_missing
from model_hub import zoo
from service.jobs.records import DeviceState
from service.worker.attempt import context

__all__ = [
    "DeviceChoice",
    "MissingDeviceError",
    "UnusableLibraryError",
    "find_devices",
    "models_with_weights",
    "refuse_broken",
    "refuse_incomplete",
]

DeviceChoice: TypeAlias = Literal["auto", "cpu", "cuda"]

_LOADS: Final = "loads"

_LIBRARIES: Final = (
    *("torch", "numpy", "PIL", "safetensors", "onnx", "onnxscript", "onnxruntime"),
    *("huey", "structlog"),
)
"""Modules that the handlers of jobs import."""


class UnusableLibraryError(RuntimeError):
    """A library is installed but cannot be imported."""


class MissingDeviceError(RuntimeError):
    """A required kind of device does not exist."""


def refuse_incomplete() -> None:
    """Raise if a library that a kind of job needs is not installed.

    Raises:
        MissingExtraError: A library is missing; the message names the extra.
    """
    refuse_missing("worker", "a worker", *_LIBRARIES)


def refuse_broken() -> None:
    """Raise if a library that jobs need is installed but cannot be imported.

    It is imported in the process that attempts are forked from, not in this one.

    Raises:
        UnusableLibraryError: The import fails.
    """
    reason = _ask_process(_send_import_error)
    if reason != _LOADS:
        raise UnusableLibraryError(
            "a worker cannot import what jobs need "
            f"({reason or 'the importing process has crashed'}); "
            f"reinstall it with --force-reinstall: {install_command('worker')}"
        )


def find_devices(choice: DeviceChoice) -> tuple[DeviceState, ...]:
    """Return the devices to use: all GPUs, or the CPU if there is none.

    Raises:
        MissingDeviceError: GPUs are required and there is none.
    """
    gpus = () if choice == "cpu" else _gpus()
    if choice == "cuda" and not gpus:
        raise MissingDeviceError(
            "there is no GPU that PyTorch can use; `--device cpu` uses the processor"
        )
    return gpus or (_processor(),)


def models_with_weights() -> tuple[str, ...]:
    """Return the names of searched models whose weights are in the zoo's folder."""
    return tuple(name for name in zoo.names() if zoo.weights_path(name).is_file())


def _gpus() -> tuple[DeviceState, ...]:
    told = (line.partition(" ") for line in _ask_process(_send_gpus).splitlines())
    return tuple(
        DeviceState(name=f"cuda:{number}", kind="cuda", model=model, memory=int(memory))
        for number, (memory, _, model) in enumerate(told)
    )


def _ask_process(tell: Callable[[Connection], None]) -> str:
    """Run a function in a temporary process: one that has initialised a GPU must not be forked."""
    processes = context()
    answers, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=tell, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        answer = answers.recv_bytes().decode()
    except EOFError:
        answer = ""
    process.join()
    return answer


def _send_import_error(answers: Connection) -> None:
    from service.worker.preloaded import failure  # noqa: PLC0415 - loaded over there

    answers.send_bytes((failure or _LOADS).encode(errors="replace"))


def _send_gpus(answers: Connection) -> None:
    import torch  # noqa: PLC0415 - only where it is asked for

    devices = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    answers.send_bytes("\n".join(f"{gpu.total_memory} {gpu.name}" for gpu in devices).encode())


def _processor() -> DeviceState:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return DeviceState(name="cpu", kind="cpu", model=platform.machine(), memory=pages * size)
