"""Training by several processes: each has a part of every batch, and gradients are averaged.

`torchrun --nproc-per-node 4 train.py` starts a process for each of four GPUs; its other options do
so on several machines. A script that trains within `parallel()` needs no other change.
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
    """Join the processes that were started together, for a block of code.

    Outside of torchrun there is one process, and the block runs as if it were not in one.

    Yields:
        The device of this process: a GPU of its own where there are any.
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
        rank: Which of them this one is, from 0. The first one saves and reports.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def present(cls) -> Group:
        """Return the processes that were joined: this one alone outside of `parallel`."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    def refuse(self, what: str) -> None:
        """Refuse what one process does.

        Raises:
            InvalidArgumentError: There are several.
        """
        if self.size > 1:
            raise InvalidArgumentError("processes", f"{what} by one process, not by {self.size}")

    def part(self, places: Tensor) -> Tensor:
        """Return what of a batch is this process's."""
        return places[self.rank :: self.size]

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Give every process the mean of all their gradients."""
        if self.size == 1:
            return
        found = [one.grad for one in parameters if one.grad is not None]
        for dtype in {grad.dtype for grad in found}:
            grads = [grad for grad in found if grad.dtype == dtype]
            # One message instead of one for each layer.
            flat = torch.cat([grad.reshape(-1) for grad in grads])
            dist.all_reduce(flat)
            flat /= self.size
            means = torch.split(flat, [grad.numel() for grad in grads])
            for grad, mean in zip(grads, means, strict=True):
                grad.copy_(mean.view_as(grad))

    def total(self, sums: Tensor) -> Tensor:
        """Return the sum of the tensors of all processes."""
        if self.size == 1:
            return sums
        whole = sums.clone()
        dist.all_reduce(whole)
        return whole

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the tensors of the first one, such as the statistics of norms."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def agreed(self, *, answer: bool, device: torch.device) -> bool:
        """Return the answer of the first process; all come here before any goes on."""
        if self.size == 1:
            return answer
        told = torch.tensor(answer, dtype=torch.int32, device=device)
        dist.broadcast(told, 0)
        return bool(told.item())
