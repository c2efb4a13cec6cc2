"""Running statistics of a supernet's norms: kept unchanged, or recalibrated for one path.

During training, a norm of a supernet averages over the inputs of all paths. These averages do not
fit a single path: without recalibration, inherited weights seem to have learned nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from typing import Final

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from model_hub.errors import InvalidArgumentError
from nas_search.training import ImageSet
from nas_search.training.data import order_of_epoch

__all__ = ["BATCHES", "BATCH_SIZE", "kept_statistics", "recalibrate"]

BATCHES: Final = 200
BATCH_SIZE: Final = 128
"""Values of the code of Single Path One-Shot (arXiv:1904.00420)."""


@contextmanager
def kept_statistics(network: nn.Module) -> Iterator[None]:
    """Restore the running statistics of norms exactly at the end of a block."""
    buffers = [buffer for norm in _norms(network) for buffer in norm.buffers(recurse=False)]
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, old in zip(buffers, before, strict=True):
                buffer.copy_(old)


def recalibrate(
    network: nn.Module,
    images: ImageSet,
    *,
    batches: int = BATCHES,
    batch_size: int = BATCH_SIZE,
    momentum: float | None = None,
    seed: int = 0,
) -> None:
    """Estimate the running statistics of batch norms for the active path or network.

    Statistics are reset and averaged over batches in training mode, without gradients; afterwards
    all modules have their former modes. Random layers such as dropout use the seed. A network
    without such norms is not changed.

    Args:
        network: A supernet with an active path, or any network.
        images: Training images, on the device of the network.
        batches: Number of batches, from repeated shuffles of the images.
        batch_size: Images per batch.
        momentum: Weight of the newest batch; None: a plain average.
        seed: Seed of the order of images.

    Raises:
        InvalidArgumentError: There are fewer images than a batch has.
    """
    if len(images) < batch_size:
        raise InvalidArgumentError(
            "batch_size", f"{len(images)} images are fewer than a batch of {batch_size}"
        )
    like = next(network.parameters())
    norms = list(_norms(network))
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    modules = list(network.modules())
    modes = [module.training for module in modules]
    gpus = [like.device] if like.is_cuda else []
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = momentum
        # Skipped if possible, as a supernet has thousands of modules.
        if not all(modes):
            network.train()
        with torch.no_grad(), torch.random.fork_rng(gpus):
            torch.manual_seed(seed)
            orders = (order_of_epoch(images, batch_size, seed, epoch) for epoch in count())
            steps = ((places, None) for order in orders for places in order)
            for pixels, _, _ in images.batches(islice(steps, batches), None):
                network(images.normalised(pixels, like.dtype))
    finally:
        for norm, old in zip(norms, momenta, strict=True):
            norm.momentum = old
        for module, mode in zip(modules, modes, strict=True):
            if module.training is not mode:
                module.training = mode


def _norms(network: nn.Module) -> Iterator[_BatchNorm]:
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            yield module
