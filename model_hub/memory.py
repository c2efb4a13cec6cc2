"""Memory: whether a network fits, asked before it is allocated, and what is freed, kept."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from torch import nn

from model_hub.errors import TooLargeError

__all__ = ["available_memory", "keep_freed_memory", "refuse_too_large", "weight_bytes"]

_CGROUP_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
"""The limit of a container; holds "max" where there is none."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
"""From glibc's malloc.h."""


def weight_bytes(network: nn.Module) -> int:
    """Return the bytes of all parameters and buffers, each counted once."""
    held = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in held.values())


def available_memory(device: torch.device) -> int | None:
    """Return the bytes that a process may hope for on a device, None where nobody can say.

    Of a CUDA device, what is free; of the machine, its memory or the limit of its container.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min(_machine_limits(), default=None) if device.type == "cpu" else None


def refuse_too_large(network: nn.Module, device: torch.device) -> None:
    """Refuse a network, made on the meta device, whose weights a device has no room for.

    Raises:
        TooLargeError: They take more bytes than there are.
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
    """Let this process keep the memory that it frees, for its next tensors.

    The GNU C library gives the memory of a large tensor back to the system at once and takes it
    anew, page by page and each cleared, for the next one. Of batches of 128 images in
    proxyless-mobile that takes more than the network. For processes that run a network again and
    again and end then; they need about a fifth more.

    Returns:
        Whether the C library is one that can.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))
