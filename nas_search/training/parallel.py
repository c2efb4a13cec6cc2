"""Data-parallel training: each process computes a part of every batch; gradients are averaged.

`torchrun --nproc-per-node 4 train.py` starts one process for each of four GPUs; it has options for
several machines. A script that trains within `parallel()` needs no other change.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from model_hub.errors import InvalidArgumentError

__all__ = ["Group", "parallel"]


@contextmanager
def parallel() -> Iterator[torch.device]:
    """Join the processes that torchrun has started, for the duration of a block.

    Without torchrun there is only one process, and the block runs unchanged.

    Yields:
        The device of this process: a GPU of its own if there are GPUs.
    """
    gpu = torch.cuda.is_available()
    if "RANK" not in os.environ:
        yield torch.device("cuda" if gpu else "cpu")
        return
    dist.init_process_group("nccl" if gpu else "gloo")
    try:
        device = torch.device("cpu")
        if gpu:
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        yield device
    finally:
        dist.destroy_process_group()


@dataclass(frozen=True, slots=True)
class Group:
    """The processes that train one network together.

    Attributes:
        rank: The number of this process, from 0. The first one saves and reports.
        size: The number of processes.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def present(cls) -> Group:
        """Return the joined processes; outside of `parallel`, only this one."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    def refuse(self, what: str) -> None:
        """Raise if there are several processes, for features that support only one.

        Raises:
            InvalidArgumentError: There are several processes.
        """
        if self.size > 1:
            raise InvalidArgumentError("processes", f"{what} by one process, not by {self.size}")

    def part(self, places: Tensor) -> Tensor:
        """Return this process's part of a batch."""
        return places[self.rank :: self.size]

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace the gradients in every process by their mean over all processes."""
        if self.size == 1:
            return
        found = [one.grad for one in parameters if one.grad is not None]
        for dtype in {grad.dtype for grad in found}:
            grads = [grad for grad in found if grad.dtype == dtype]
            # Sent as one message instead of one for each layer.
            flat = torch.cat([grad.reshape(-1) for grad in grads])
            dist.all_reduce(flat)
            flat /= self.size
            means = torch.split(flat, [grad.numel() for grad in grads])
            for grad, mean in zip(grads, means, strict=True):
                grad.copy_(mean.view_as(grad))

    def total(self, sums: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.size == 1:
            return sums
        whole = sums.clone()
        dist.all_reduce(whole)
        return whole

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Copy tensors of the first process, such as statistics of norms, to all processes."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def agreed(self, *, answer: bool, device: torch.device) -> bool:
        """Return the answer of the first process in all processes, which wait for each other."""
        if self.size == 1:
            return answer
        told = torch.tensor(answer, dtype=torch.int32, device=device)
        dist.broadcast(told, 0)
        return bool(told.item())
