"""The networks of the size space of NATS-Bench (Dong et al. 2021, arXiv:2009.00437)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from torch import Tensor, nn

from model_hub.spaces.nasbench201_network import NatsNetwork, Node, ReductionBlock, ReLUConvBN

__all__ = ["Cell", "NatsSssNetwork"]

_REDUCTIONS: Final = frozenset({1, 3})
"""The layers that halve the resolution; the others are cells."""

_CELL: Final = (
    ("conv_3x3",),
    ("conv_3x3", "conv_3x3"),
    ("skip_connect", "conv_3x3", "conv_3x3"),
)
"""Operations of each tensor but the first: one on each earlier tensor."""


class NatsSssNetwork(NatsNetwork):
    """A network of the NATS-Bench size space.

    Args:
        widths: Channels of each of the five layers.
        num_labels: Number of classes.
    """

    def __init__(self, widths: Sequence[int], *, num_labels: int) -> None:
        first, *_, last = widths
        layers = (
            ReductionBlock(before, width) if layer in _REDUCTIONS else Cell(before, width)
            for layer, (before, width) in enumerate(pairwise([first, *widths]))
        )
        super().__init__(layers, first=first, last=last, num_labels=num_labels)


class Cell(nn.Module):
    """A cell: each tensor is the sum of operations on all earlier tensors.

    Args:
        in_channels: Channels of the first tensor.
        out_channels: Channels of the others.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        widths = [in_channels] + [out_channels] * len(_CELL)
        self.layers = nn.ModuleList(
            Node(_operation(name, widths[source], out_channels) for source, name in enumerate(node))
            for node in _CELL
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the last tensor (batch, out_channels, height, width)."""
        tensors = [x]
        for node in self.layers:
            tensors.append(node(tensors))
        return tensors[-1]


def _operation(name: str, in_channels: int, out_channels: int) -> nn.Module:
    """Return an operation; a skip between different widths is a convolution and a norm."""
    if name == "conv_3x3":
        return ReLUConvBN(in_channels, out_channels, 3)
    if in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
    )
