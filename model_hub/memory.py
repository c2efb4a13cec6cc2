"""Memory of networks: the meta device, limits, and freed memory.

A network is first built on PyTorch's meta device, which takes milliseconds and hardly any memory,
so that its size is known before anything is allocated.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._device import DeviceContext

from model_hub.errors import TooLargeError

__all__ = [
    "META",
    "available_memory",
    "keep_freed_memory",
    "meta_device",
    "no_garbage_collection",
    "refuse_too_large",
    "weight_bytes",
]

_CGROUP_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
"""File with the memory limit of a container; it contains "max" without a limit."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
"""Constants of glibc's malloc.h."""

META: Final = torch.device("meta")

_FILLS: Final = frozenset(
    {
        *(Tensor.fill_, Tensor.normal_, Tensor.uniform_, Tensor.zero_),
        *(nn.init.constant_, nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_),
    }
)


@contextmanager
def meta_device() -> Iterator[None]:
    """Create tensors on the meta device in a `with` block, and skip their initialisation."""
    with _Unfilled(META):
        yield


class _Unfilled(DeviceContext):
    """Creates tensors on a device, as `with device` does, and skips functions that fill them.

    On the meta device these have no effect, but take time: random numbers import PyTorch's
    compiler, which takes a second. Two separate modes would double the overhead of each operation.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in _FILLS:
            return args[0] if args else kwargs["tensor"]
        return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Pause Python's garbage collector in a `with` block.

    The thousands of objects of a network trigger a collection that scans all objects of PyTorch: 80
    ms, a third of the time to build the network, without finding anything.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def weight_bytes(network: nn.Module) -> int:
    """Return the bytes of all parameters and buffers, each counted once."""
    held = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in held.values())


def available_memory(device: torch.device) -> int | None:
    """Return the bytes that a process may use on a device; None if unknown.

    They are the free memory of a CUDA device, or the memory of the machine or its container.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min(_machine_limits(), default=None) if device.type == "cpu" else None


def refuse_too_large(network: nn.Module, device: torch.device) -> None:
    """Refuse a network on the meta device whose weights do not fit into the memory of a device.

    Raises:
        TooLargeError: The weights need more memory than the device has.
    """
    needed, available = weight_bytes(network), available_memory(device)
    if available is not None and needed > available:
        raise TooLargeError(
            f"the weights take {needed / 2**30:.1f} GiB and {device.type} has "
            f"{available / 2**30:.1f} GiB; choose smaller widths"
        )


def _machine_limits() -> Iterator[int]:
    if hasattr(os, "sysconf"):
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if _CGROUP_LIMIT.is_file() and (limit := _CGROUP_LIMIT.read_text().strip()).isdecimal():
        yield int(limit)


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next tensors.

    The GNU C library returns the memory of a large tensor to the system at once, and the system
    clears each page of the next tensor. For batches of 128 images in proxyless-mobile, that takes
    longer than the network itself. Use it in processes that run one network many times and then
    exit; they need about a fifth more memory.

    Returns:
        Whether the C library supports it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))
