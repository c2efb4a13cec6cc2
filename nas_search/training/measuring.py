"""Loss and accuracy of a network on labelled images."""

from __future__ import annotations

import math
import resource
import sys
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from model_hub.errors import LabelError, OutputError
from nas_search.training.data import ImageSet

__all__ = ["check_finite", "check_outputs", "measured", "peak_memory"]

_IMAGES_PER_PASS: Final = 500
_VALUES_PER_PASS: Final = 1 << 24
"""Largest number of input values in a pass: 111 images of 3 x 224 x 224."""
_FIVE: Final = 5
_KIB: Final = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of `ru_maxrss`, which depends on the system."""


@torch.inference_mode()
def measured(network: nn.Module, images: ImageSet, dtype: torch.dtype) -> dict[str, float]:
    """Return `loss` in nats, `accuracy` and `top5` in percent, in evaluation mode.

    Args:
        network: Maps (batch, channels, height, width) to logits; is left in evaluation mode.
        images: The images, on the device of the network.
        dtype: The type of inputs.

    Raises:
        LabelError: The network has no output for a label.
        OutputError: The loss is not finite.
    """
    network.eval()
    sums = torch.zeros(3, dtype=torch.float64, device=images.labels.device)
    order = torch.arange(len(images), device=images.labels.device)
    count = max(1, min(_IMAGES_PER_PASS, _VALUES_PER_PASS // math.prod(images.shape)))
    steps = ((places, None) for places in torch.split(order, count))
    for pixels, labels, _ in images.batches(steps, None):
        logits = network(images.normalised(pixels, dtype))
        check_outputs(logits, images.most)
        found = logits.topk(min(_FIVE, logits.shape[1])).indices == labels[:, None]
        loss = F.cross_entropy(logits.double(), labels, reduction="sum")
        sums += torch.stack((loss, found[:, 0].sum(), found.sum()))
    loss, right, in_five = (sums / len(images)).tolist()
    check_finite(loss)
    return {"loss": loss, "accuracy": 100 * right, "top5": 100 * in_five}


def check_outputs(logits: Tensor, most: int) -> None:
    """Raise if there are labels without an output.

    Raises:
        LabelError: The largest label has no output.
    """
    if most >= logits.shape[1]:
        raise LabelError(f"label {most} has no output: the network has {logits.shape[1]}")


def check_finite(loss: float) -> None:
    """Raise if a loss is infinite or NaN, from which a training does not recover.

    Raises:
        OutputError: The loss is not finite.
    """
    if not math.isfinite(loss):
        raise OutputError(f"the loss is {loss}: a smaller learning rate may help")


def peak_memory(device: torch.device) -> int:
    """Return the peak GPU memory in bytes; on a CPU, of the whole process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
