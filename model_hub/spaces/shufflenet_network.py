"""The networks of Single Path One-Shot, of ShuffleNet V2 blocks (arXiv:1904.00420)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor, nn

from model_hub.blocks.mobile import NormFactory

__all__ = ["ShuffleBlock", "ShuffleNetNetwork"]

_XCEPTION: Final = "xcep"
_KERNELS: Final[Mapping[str, int]] = MappingProxyType({"k3": 3, "k5": 5, "k7": 7, _XCEPTION: 3})
"""Kernel size of each kind of block."""

_LAST_WIDTH: Final = 1024
_DROPOUT_RATE: Final = 0.1

_STEM_STD: Final = 0.01
_LINEAR_STD: Final = 0.01
_NORM_BIAS: Final = 1e-4


class ShuffleNetNetwork(nn.Module):
    """A network of the Single Path One-Shot space.

    Args:
        blocks: The twenty blocks.
        stem_width: Output channels of the stem.
        num_labels: Number of classes.
        norm: Creates the norm of the last convolution; that of the stem always has weights.
    """

    def __init__(
        self, blocks: list[ShuffleBlock], *, stem_width: int, num_labels: int, norm: NormFactory
    ) -> None:
        super().__init__()
        self.first_conv = nn.Sequential(
            nn.Conv2d(3, stem_width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(stem_width),
            nn.ReLU(inplace=True),
        )
        self.features = nn.Sequential(*blocks)
        self.conv_last = nn.Sequential(*_pointwise(blocks[-1].out_channels, _LAST_WIDTH, norm))
        self.dropout = nn.Dropout(_DROPOUT_RATE)
        self.classifier = nn.Sequential(nn.Linear(_LAST_WIDTH, num_labels, bias=False))
        self._initialize()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        features = self.conv_last(self.features(self.first_conv(x)))
        logits: Tensor = self.classifier(self.dropout(features.mean((2, 3))))
        return logits

    def _initialize(self) -> None:
        """Initialise as published: convolutions after the stem have std 1 / inputs per group."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                is_stem = name.startswith("first_conv")
                std = _STEM_STD if is_stem else 1 / module.weight.shape[1]
                nn.init.normal_(module.weight, std=std)
            elif isinstance(module, nn.BatchNorm2d) and module.affine:
                nn.init.constant_(module.bias, _NORM_BIAS)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=_LINEAR_STD)


class ShuffleBlock(nn.Module):
    """A block of two branches, whose outputs are concatenated.

    With stride 1, the main branch takes the odd channels and the even ones bypass it, which
    shuffles the channels. With stride 2, both branches take all channels and halve the resolution.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of channels of both branches together.
        kind: "k3", "k5", "k7" or "xcep".
        stride: 1 or 2; with 1, `in_channels` and `out_channels` are equal.
        hidden: Hidden width of the main branch; half of `out_channels` by default.
        norm: Creates each norm layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kind: str,
        stride: int,
        *,
        hidden: int | None = None,
        norm: NormFactory = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        channels = in_channels // 2 if stride == 1 else in_channels
        hidden = hidden or out_channels // 2
        kernel_size = _KERNELS[kind]
        branch = _xception_branch if kind == _XCEPTION else partial(_branch, kernel_size)
        widths = (channels, hidden, out_channels - channels)
        self.branch_main = nn.Sequential(*branch(widths, stride, norm))
        self.branch_proj = (
            None
            if stride == 1
            else nn.Sequential(
                *_depthwise(channels, kernel_size, stride, norm),
                *_pointwise(channels, channels, norm),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated outputs of both branches."""
        if self.branch_proj is None:
            past, through = x[:, 0::2], x[:, 1::2]
        else:
            past, through = self.branch_proj(x), x
        return torch.cat((past, self.branch_main(through)), dim=1)


_Widths = tuple[int, int, int]
"""Input, hidden and output channels of a branch."""


def _branch(
    kernel_size: int, widths: _Widths, stride: int, norm: NormFactory
) -> Iterator[nn.Module]:
    entering, hidden, leaving = widths
    yield from _pointwise(entering, hidden, norm)
    yield from _depthwise(hidden, kernel_size, stride, norm)
    yield from _pointwise(hidden, leaving, norm)


def _xception_branch(widths: _Widths, stride: int, norm: NormFactory) -> Iterator[nn.Module]:
    entering, hidden, leaving = widths
    kernel_size = _KERNELS[_XCEPTION]
    yield from _depthwise(entering, kernel_size, stride, norm)
    yield from _pointwise(entering, hidden, norm)
    for after in (hidden, leaving):
        yield from _depthwise(hidden, kernel_size, 1, norm)
        yield from _pointwise(hidden, after, norm)


def _pointwise(in_channels: int, out_channels: int, norm: NormFactory) -> Iterator[nn.Module]:
    yield nn.Conv2d(in_channels, out_channels, 1, bias=False)
    yield norm(out_channels)
    yield nn.ReLU(inplace=True)


def _depthwise(
    channels: int, kernel_size: int, stride: int, norm: NormFactory
) -> Iterator[nn.Module]:
    padding = kernel_size // 2
    yield nn.Conv2d(channels, channels, kernel_size, stride, padding, groups=channels, bias=False)
    yield norm(channels)
