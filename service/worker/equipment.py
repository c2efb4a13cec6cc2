"""What a worker has: devices, libraries, weights."""

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
    "refuse_broken",
    "refuse_incomplete",
    "weights_here",
]

DeviceChoice: TypeAlias = Literal["auto", "cpu", "cuda"]

_LOADS: Final = "loads"

_LIBRARIES: Final = (
    *("torch", "numpy", "PIL", "safetensors", "onnx", "onnxscript", "onnxruntime"),
    *("huey", "structlog"),
)
"""What the kinds of jobs load, by the names of their modules."""


class UnusableLibraryError(RuntimeError):
    """A library that is installed and cannot be loaded."""


class MissingDeviceError(RuntimeError):
    """A kind of device that is not there."""


def refuse_incomplete() -> None:
    """Refuse to work where a kind of job would find something missing.

    Raises:
        MissingExtraError: A library is not installed; the message names the extra.
    """
    refuse_missing("worker", "a worker", *_LIBRARIES)


def refuse_broken() -> None:
    """Refuse to work where what jobs need is installed and cannot be loaded.

    It is loaded in the process that attempts of jobs are forked from, not in this one.

    Raises:
        UnusableLibraryError: It cannot.
    """
    reason = _answer(_tell_whether_it_loads)
    if reason != _LOADS:
        raise UnusableLibraryError(
            "a worker cannot load what jobs need "
            f"({reason or 'the process that tried has ended'}); "
            f"install it anew, with --force-reinstall: {install_command('worker')}"
        )


def find_devices(choice: DeviceChoice) -> tuple[DeviceState, ...]:
    """Return the devices to work on: all GPUs, or the processor where there is none.

    Raises:
        MissingDeviceError: GPUs are asked for and there is none.
    """
    gpus = () if choice == "cpu" else _gpus()
    if choice == "cuda" and not gpus:
        raise MissingDeviceError(
            "there is no GPU that PyTorch can use; `--device cpu` does without"
        )
    return gpus or (_processor(),)


def weights_here() -> tuple[str, ...]:
    """Return the searched models whose weights are in the zoo's folder."""
    return tuple(name for name in zoo.names() if zoo.weights_path(name).is_file())


def _gpus() -> tuple[DeviceState, ...]:
    told = (line.partition(" ") for line in _answer(_tell_gpus).splitlines())
    return tuple(
        DeviceState(name=f"cuda:{number}", kind="cuda", model=model, memory=int(memory))
        for number, (memory, _, model) in enumerate(told)
    )


def _answer(tell: Callable[[Connection], None]) -> str:
    """Ask a process that ends again: one that has touched a GPU must not be forked."""
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


def _tell_whether_it_loads(answers: Connection) -> None:
    from service.worker.preloaded import failure  # noqa: PLC0415 - loaded over there

    answers.send_bytes((failure or _LOADS).encode(errors="replace"))


def _tell_gpus(answers: Connection) -> None:
    import torch  # noqa: PLC0415 - only where it is asked for

    devices = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    answers.send_bytes("\n".join(f"{gpu.total_memory} {gpu.name}" for gpu in devices).encode())


def _processor() -> DeviceState:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return DeviceState(name="cpu", kind="cpu", model=platform.machine(), memory=pages * size)
