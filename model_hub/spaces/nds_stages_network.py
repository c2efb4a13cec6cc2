"""ResNet, ResNeXt and plain networks of stages of equal blocks, as NDS samples them.

Their structure follows "On Network Design Spaces for Visual Recognition" (Radosavovic et al. 2019,
arXiv:1905.13214). For small images it was verified with the published parameter counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor, nn

if TYPE_CHECKING:
    from model_hub.spaces.nds_stage_sizes import Stage, Stem

__all__ = [
    "BLOCKS",
    "Residual",
    "StageNetwork",
    "basic_block",
    "bottleneck_block",
    "plain_block",
    "projection",
]

BlockFactory: TypeAlias = "Callable[[int, int, Stage], nn.Module]"
"""Creates a block of a stage from its input channels and stride."""


class StageNetwork(nn.Module):
    """A network of an NDS family: a stem, stages of blocks and a classifier.

    Args:
        block: Creates each block; see `BLOCKS`.
        stem_width: Channels of the stem.
        stages: The stages after the stem.
        num_labels: Number of classes.
        stem: The stem.
    """

    def __init__(
        self,
        block: BlockFactory,
        stem_width: int,
        stages: Sequence[Stage],
        *,
        num_labels: int,
        stem: Stem,
    ) -> None:
        super().__init__()
        self.stem = _stem(stem, stem_width)
        self.stages = nn.Sequential()
        before = stem_width
        for stage in stages:
            self.stages.append(nn.Sequential(*_blocks(block, before, stage)))
            before = stage.width
        self.classifier = nn.Linear(before, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        features = self.stages(self.stem(x))
        logits: Tensor = self.classifier(features.mean((2, 3)))
        return logits


class Residual(nn.Module):
    """Layers with a shortcut, followed by a ReLU.

    The shortcut is a 1x1 convolution and a norm if the width or the resolution changes.

    Args:
        layers: Layers from `in_channels` to `out_channels`, with `stride`.
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        stride: Stride of the layers.
    """

    def __init__(
        self, layers: nn.Sequential, in_channels: int, out_channels: int, stride: int
    ) -> None:
        super().__init__()
        self.layers = layers
        projects = stride != 1 or in_channels != out_channels
        self.shortcut = (
            projection(in_channels, out_channels, stride) if projects else nn.Sequential()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, out_channels, height / stride, width / stride)."""
        return F.relu(self.shortcut(x) + self.layers(x))


def plain_block(in_channels: int, stride: int, stage: Stage) -> nn.Module:
    """Return two 3x3 convolutions, each with norm and ReLU."""
    return nn.Sequential(
        *_conv_bn(in_channels, stage.width, 3, stride),
        nn.ReLU(inplace=True),
        *_conv_bn(stage.width, stage.width, 3),
        nn.ReLU(inplace=True),
    )


def basic_block(in_channels: int, stride: int, stage: Stage) -> nn.Module:
    """Return two 3x3 convolutions with a shortcut."""
    layers = nn.Sequential(
        *_conv_bn(in_channels, stage.width, 3, stride),
        nn.ReLU(inplace=True),
        *_conv_bn(stage.width, stage.width, 3),
    )
    return Residual(layers, in_channels, stage.width, stride)


def bottleneck_block(in_channels: int, stride: int, stage: Stage) -> nn.Module:
    """Return a 1x1, a grouped 3x3 and a 1x1 convolution with a shortcut."""
    inner = stage.inner_width
    layers = nn.Sequential(
        *_conv_bn(in_channels, inner, 1),
        nn.ReLU(inplace=True),
        *_conv_bn(inner, inner, 3, stride, stage.groups),
        nn.ReLU(inplace=True),
        *_conv_bn(inner, stage.width, 1),
    )
    return Residual(layers, in_channels, stage.width, stride)


BLOCKS: Final[dict[str, BlockFactory]] = {
    "vanilla": plain_block,
    "residual_basic": basic_block,
    "residual_bottleneck": bottleneck_block,
}
"""Factories of the blocks by the NDS name of the family."""


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Return the shortcut of a block that changes width or resolution."""
    return nn.Sequential(*_conv_bn(in_channels, out_channels, 1, stride))


def _stem(stem: Stem, width: int) -> nn.Sequential:
    layers = nn.Sequential(*_conv_bn(3, width, stem.kernel_size, stem.conv_stride))
    layers.append(nn.ReLU(inplace=True))
    if stem.pools:
        layers.append(nn.MaxPool2d(3, 2, 1))
    return layers


def _blocks(block: BlockFactory, in_channels: int, stage: Stage) -> Iterator[nn.Module]:
    for place in range(stage.depth):
        yield block(stage.width if place else in_channels, 1 if place else stage.stride, stage)


def _conv_bn(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1
) -> Iterator[nn.Module]:
    padding = kernel_size // 2
    yield nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
    )
    yield nn.BatchNorm2d(out_channels)
