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
"""Of inputs: 111 images of 224 x 224."""
_FIVE: Final = 5
_KIB: Final = 1 if sys.platform == "darwin" else 1024
"""In which the system tells the greatest memory of a process."""


@torch.inference_mode()
def measured(network: nn.Module, images: ImageSet, dtype: torch.dtype) -> dict[str, float]:
    """Return `loss` in nats, `accuracy` and `top5` in percent, in evaluation mode.

    Args:
        network: Maps (batch, channels, height, width) to logits; is left in evaluation mode.
        images: On its device.
        dtype: Of its inputs.

    Raises:
        LabelError: The network has no output for a label.
        OutputError: The loss is no finite number.
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
    """Refuse labels without an output.

    Raises:
        LabelError: The greatest label is beyond them.
    """
    if most >= logits.shape[1]:
        raise LabelError(f"label {most} has no output: the network has {logits.shape[1]}")


def check_finite(loss: float) -> None:
    """Refuse a loss that no training recovers from.

    Raises:
        OutputError: It is no finite number.
    """
    if not math.isfinite(loss):
        raise OutputError(f"the loss is {loss}: a smaller learning rate may help")


def peak_memory(device: torch.device) -> int:
    """Return the most bytes on a GPU; of a processor, of the whole process since it began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
