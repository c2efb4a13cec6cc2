"""Cell operations of the NASNet family, by name.

Convolutions have no bias and follow a ReLU; norms have PyTorch's defaults. Each operation is a flat
sequence, because the index of a layer in it is part of the names of its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor, nn

__all__ = ["CELL_OPERATIONS", "FactorizedReduce", "OperationFactory", "Zero", "relu_conv_bn"]

OperationFactory: TypeAlias = Callable[[int, int], nn.Module]
"""Creates an operation from its number of channels and its stride, 1 or 2."""


class Zero(nn.Module):
    """The operation `none`, whose output is 0.

    Args:
        stride: Ratio of input to output size.
    """

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros (batch, channels, height / stride, width / stride)."""
        kept = x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]
        return torch.zeros_like(kept)


class FactorizedReduce(nn.Module):
    """Halves the resolution by two 1x1 convolutions, the second shifted by one pixel.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels; each convolution computes half of them.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.conv_1 = nn.Conv2d(in_channels, half, 1, 2, bias=False)
        self.conv_2 = nn.Conv2d(in_channels, out_channels - half, 1, 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, out_channels, height / 2, width / 2), rounded up."""
        x = F.relu(x)
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        y: Tensor = self.bn(torch.cat([self.conv_1(x), self.conv_2(shifted)], 1))
        return y


def relu_conv_bn(
    in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1
) -> nn.Sequential:
    """Return a ReLU, a convolution with same padding and a batch norm."""
    convolution = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False
    )
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(out_channels))


def _separable(kernel_size: int, dilation: int, channels: int, stride: int) -> list[nn.Module]:
    """Return a ReLU, a depthwise and a pointwise convolution, and a batch norm."""
    depthwise = nn.Conv2d(
        channels,
        channels,
        kernel_size,
        stride,
        padding=kernel_size // 2 * dilation,
        dilation=dilation,
        groups=channels,
        bias=False,
    )
    pointwise = nn.Conv2d(channels, channels, 1, bias=False)
    return [nn.ReLU(), depthwise, pointwise, nn.BatchNorm2d(channels)]


def _separable_once(kernel_size: int, dilation: int, channels: int, stride: int) -> nn.Module:
    return nn.Sequential(*_separable(kernel_size, dilation, channels, stride))


def _separable_twice(kernel_size: int, dilation: int, channels: int, stride: int) -> nn.Module:
    return nn.Sequential(
        *_separable(kernel_size, dilation, channels, stride),
        *_separable(kernel_size, dilation, channels, 1),
    )


def _convolution(kernel_size: int, channels: int, stride: int) -> nn.Module:
    return relu_conv_bn(channels, channels, kernel_size, stride)


def _rows_then_columns(kernel_size: int, channels: int, stride: int) -> nn.Module:
    """Return a convolution along the rows, one along the columns and a batch norm."""
    size, padding = kernel_size, kernel_size // 2
    along_rows = nn.Conv2d(channels, channels, (1, size), (1, stride), (0, padding), bias=False)
    along_columns = nn.Conv2d(channels, channels, (size, 1), (stride, 1), (padding, 0), bias=False)
    return nn.Sequential(nn.ReLU(), along_rows, along_columns, nn.BatchNorm2d(channels))


def _average_pool(kernel_size: int, _: int, stride: int) -> nn.Module:
    padding = (kernel_size - 1) // 2
    return nn.AvgPool2d(kernel_size, stride, padding, count_include_pad=False)


def _max_pool(kernel_size: int, _: int, stride: int) -> nn.Module:
    return nn.MaxPool2d(kernel_size, stride, (kernel_size - 1) // 2)


def _skip(channels: int, stride: int) -> nn.Module:
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)


CELL_OPERATIONS: Final[Mapping[str, OperationFactory]] = MappingProxyType(
    {
        "none": lambda _, stride: Zero(stride),
        "avg_pool_2x2": partial(_average_pool, 2),
        "avg_pool_3x3": partial(_average_pool, 3),
        "avg_pool_5x5": partial(_average_pool, 5),
        "max_pool_2x2": partial(_max_pool, 2),
        "max_pool_3x3": partial(_max_pool, 3),
        "max_pool_5x5": partial(_max_pool, 5),
        "max_pool_7x7": partial(_max_pool, 7),
        "skip_connect": _skip,
        "conv_1x1": partial(_convolution, 1),
        "conv_3x3": partial(_convolution, 3),
        "sep_conv_3x3": partial(_separable_twice, 3, 1),
        "sep_conv_5x5": partial(_separable_twice, 5, 1),
        "sep_conv_7x7": partial(_separable_twice, 7, 1),
        "dil_conv_3x3": partial(_separable_once, 3, 2),
        "dil_conv_5x5": partial(_separable_once, 5, 2),
        "dil_sep_conv_3x3": partial(_separable_twice, 3, 2),
        "conv_3x1_1x3": partial(_rows_then_columns, 3),
        "conv_7x1_1x7": partial(_rows_then_columns, 7),
    }
)
"""Factories of the operations by name."""
