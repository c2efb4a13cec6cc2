"""Stems, stages and parameter counts of the NDS families without cells.

A formula computes the parameter count of a network from its stem and stages, without PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["FAMILIES", "STEMS", "Stage", "Stem", "num_parameters"]


@dataclass(frozen=True, slots=True)
class Stem:
    """The layers before the stages: a convolution, a norm, a ReLU and an optional pooling.

    Args:
        kernel_size: Kernel size of the convolution.
        conv_stride: Stride of the convolution.
        pools: Whether a 3x3 max pooling of stride 2 follows.
        dataset: Name of its data set among `DATA_SETS`.
    """

    kernel_size: int
    conv_stride: int
    pools: bool
    dataset: str

    @property
    def stride(self) -> int:
        """Ratio of the image size to the input size of the stages."""
        return self.conv_stride * (2 if self.pools else 1)


STEMS: Final[Mapping[str, Stem]] = MappingProxyType(
    {
        "cifar": Stem(kernel_size=3, conv_stride=1, pools=False, dataset="cifar10"),
        "resnet": Stem(kernel_size=7, conv_stride=2, pools=True, dataset="imagenet"),
        "simple": Stem(kernel_size=3, conv_stride=2, pools=False, dataset="imagenet"),
    }
)
"""The stems of the authors' code: for CIFAR, of ResNet, and a single convolution."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width; the first one changes resolution and width.

    Args:
        depth: Number of blocks.
        width: Output channels.
        stride: Stride of the first block.
        inner_width: Width of the 3x3 convolution of a bottleneck block.
        groups: Number of groups of the 3x3 convolution of a bottleneck block.
    """

    depth: int
    width: int
    stride: int
    inner_width: int = 0
    groups: int = 1


def num_parameters(
    family: str, stem_width: int, stages: Sequence[Stage], *, num_labels: int, stem: Stem
) -> int:
    """Return the number of parameters of a network without building it.

    Args:
        family: Family of its blocks, one of `FAMILIES`.
        stem_width: Channels of the stem.
        stages: The stages after the stem.
        num_labels: Number of classes.
        stem: The stem.
    """
    block = FAMILIES[family]
    count = _conv_bn(3, stem_width, stem.kernel_size)
    before = stem_width
    for stage in stages:
        count += block(before, stage.stride, stage)
        count += (stage.depth - 1) * block(stage.width, 1, stage)
        before = stage.width
    return count + (before + 1) * num_labels


def _plain_block(in_channels: int, _: int, stage: Stage) -> int:
    return _conv_bn(in_channels, stage.width, 3) + _conv_bn(stage.width, stage.width, 3)


def _basic_block(in_channels: int, stride: int, stage: Stage) -> int:
    return _plain_block(in_channels, stride, stage) + _shortcut(in_channels, stride, stage)


def _bottleneck_block(in_channels: int, stride: int, stage: Stage) -> int:
    inner = stage.inner_width
    layers = (
        _conv_bn(in_channels, inner, 1)
        + _conv_bn(inner // stage.groups, inner, 3)
        + _conv_bn(inner, stage.width, 1)
    )
    return layers + _shortcut(in_channels, stride, stage)


def _shortcut(in_channels: int, stride: int, stage: Stage) -> int:
    projects = stride != 1 or in_channels != stage.width
    return _conv_bn(in_channels, stage.width, 1) if projects else 0


def _conv_bn(in_channels: int, out_channels: int, kernel_size: int) -> int:
    """Return the parameters of a convolution and its norm; `in_channels` is per group."""
    return out_channels * (in_channels * kernel_size**2 + 2)


FAMILIES: Final[Mapping[str, Callable[[int, int, Stage], int]]] = MappingProxyType(
    {
        "vanilla": _plain_block,
        "residual_basic": _basic_block,
        "residual_bottleneck": _bottleneck_block,
    }
)
"""Parameter count of a block with these input channels and this stride, by the NDS name of the
family."""
