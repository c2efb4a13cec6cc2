"""NATS-Bench size space: five widths of a fixed network (Dong et al. 2021, arXiv:2009.00437).

The network is a stem, a cell, a residual block that halves the resolution, a cell, another such
block and a cell. Every cell is the same; the widths are those of the five, the first one also that
of the stem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from torch import Tensor, nn

from model_hub.arguments import a_count
from model_hub.choices import Categorical, Sample
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.spaces.nasbench201 import Node, ReductionBlock, ReLUConvBN

__all__ = ["Cell", "NatsSss", "NatsSssNetwork"]

_NUM_LAYERS: Final = 5
_REDUCTIONS: Final = frozenset({1, 3})
"""The layers that halve the resolution; the others are cells."""

_CELL: Final = (
    ("conv_3x3",),
    ("conv_3x3", "conv_3x3"),
    ("skip_connect", "conv_3x3", "conv_3x3"),
)
"""Operations of the cell: those on the tensors before it, for each tensor but the first."""


@dataclass(frozen=True, kw_only=True)
class NatsSss(ModelSpace):
    """The size space of NATS-Bench; the defaults are the published networks for CIFAR-10.

    Args:
        candidates: Channels that each of the five layers may have.
        num_labels: Classes.
    """

    candidates: tuple[int, ...] = (8, 16, 24, 32, 40, 48, 56, 64)
    num_labels: int = 10

    def _check(self) -> None:
        for channels in self.candidates:
            a_count("candidates", channels)
        a_count("num_labels", self.num_labels)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Images of CIFAR."""
        return (3, 32, 32)

    def _choices(self) -> SearchSpace:
        layers = (Categorical(_label(layer), self.candidates) for layer in range(_NUM_LAYERS))
        return SearchSpace("NatsSss", tuple(layers))

    def _network(self, values: Sample) -> NatsSssNetwork:
        widths = [values[_label(layer)] for layer in range(_NUM_LAYERS)]
        return NatsSssNetwork(widths, num_labels=self.num_labels)


class NatsSssNetwork(nn.Module):
    """A network of the space.

    Args:
        widths: Channels of each of the five layers.
        num_labels: Classes.
    """

    def __init__(self, widths: Sequence[int], *, num_labels: int) -> None:
        super().__init__()
        first, *_, last = widths
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 3, padding=1, bias=False), nn.BatchNorm2d(first)
        )
        layers = [
            ReductionBlock(before, width) if layer in _REDUCTIONS else Cell(before, width)
            for layer, (before, width) in enumerate(pairwise([first, *widths]))
        ]
        self.cells = nn.Sequential(*layers)
        self.lastact = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(last, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        features = self.lastact(self.cells(self.stem(x)))
        logits: Tensor = self.classifier(features.mean((2, 3)))
        return logits


class Cell(nn.Module):
    """The cell: each tensor is the sum of operations on all before it.

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
    """Return an operation; a skip between widths that differ is a convolution and a norm."""
    if name == "conv_3x3":
        return ReLUConvBN(in_channels, out_channels, 3)
    if in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
    )


def _label(layer: int) -> str:
    return f"channels_{layer}"
