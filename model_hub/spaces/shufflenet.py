"""ShuffleNetSpace: the choice blocks of Single Path One-Shot (Guo et al. 2020, arXiv:1904.00420).

Twenty blocks of ShuffleNet V2 in four stages. Each chooses its kernel or a longer Xception-like
branch and, where channels are searched, the hidden width of that branch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count, one_of
from model_hub.blocks.mobile import NormFactory
from model_hub.choices import Categorical, Choice, LayerChoice, Sample
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace

__all__ = ["ShuffleBlock", "ShuffleNetNetwork", "ShuffleNetSpace"]

_XCEPTION: Final = "xcep"
_KERNELS: Final[Mapping[str, int]] = MappingProxyType({"k3": 3, "k5": 5, "k7": 7, _XCEPTION: 3})
"""Kernel size of each kind of block."""

_STEM_WIDTH: Final = 16
_STAGES: Final = ((4, 64), (4, 160), (8, 320), (4, 640))
"""Blocks and output channels of each stage; its first block has stride 2."""

_LAST_WIDTH: Final = 1024
_DROPOUT_RATE: Final = 0.1

_FIFTHS: Final = range(1, 9)
"""Hidden widths to choose from, in fifths of half the output channels: 0.2 to 1.6 of them."""

_STEM_STD: Final = 0.01
_LINEAR_STD: Final = 0.01
_NORM_BIAS: Final = 1e-4


@dataclass(frozen=True, kw_only=True)
class ShuffleNetSpace(ModelSpace):
    """The space of Single Path One-Shot.

    Args:
        num_labels: Classes.
        channel_search: Choose the hidden width of each block, too; half its output channels if not.
        affine: Give the norms after the stem weights and biases; supernets go without.
    """

    num_labels: int = 1000
    channel_search: bool = False
    affine: bool = True

    def _check(self) -> None:
        a_count("num_labels", self.num_labels)
        one_of("channel_search", self.channel_search, (True, False))
        one_of("affine", self.affine, (True, False))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Images of ImageNet."""
        return (3, 224, 224)

    def _choices(self) -> SearchSpace:
        return SearchSpace("ShuffleNetSpace", tuple(self._all_choices()))

    def _all_choices(self) -> Iterator[Choice]:
        for number, (_, out_channels, _) in enumerate(_places(), start=1):
            yield LayerChoice(f"layer_{number}", tuple(_KERNELS))
            if self.channel_search:
                widths = tuple(out_channels // 2 * fifths // 5 for fifths in _FIFTHS)
                yield Categorical(f"channel_{number}", widths)

    def _network(self, values: Sample) -> ShuffleNetNetwork:
        norm = partial(nn.BatchNorm2d, affine=self.affine)
        return ShuffleNetNetwork(
            [
                ShuffleBlock(
                    in_channels,
                    out_channels,
                    values[f"layer_{number}"],
                    stride,
                    hidden=values.get(f"channel_{number}"),
                    norm=norm,
                )
                for number, (in_channels, out_channels, stride) in enumerate(_places(), start=1)
            ],
            num_labels=self.num_labels,
            norm=norm,
        )


class ShuffleNetNetwork(nn.Module):
    """A network of the space.

    Args:
        blocks: Its twenty blocks.
        num_labels: Classes.
        norm: Makes the norm of the last convolution; that of the stem has weights in any case.
    """

    def __init__(self, blocks: list[ShuffleBlock], *, num_labels: int, norm: NormFactory) -> None:
        super().__init__()
        self.first_conv = nn.Sequential(
            nn.Conv2d(3, _STEM_WIDTH, 3, 2, 1, bias=False),
            nn.BatchNorm2d(_STEM_WIDTH),
            nn.ReLU(inplace=True),
        )
        self.features = nn.Sequential(*blocks)
        self.conv_last = nn.Sequential(*_pointwise(_STAGES[-1][1], _LAST_WIDTH, norm))
        self.dropout = nn.Dropout(_DROPOUT_RATE)
        self.classifier = nn.Sequential(nn.Linear(_LAST_WIDTH, num_labels, bias=False))
        self._initialize()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        features = self.conv_last(self.features(self.first_conv(x)))
        logits: Tensor = self.classifier(self.dropout(features.mean((2, 3))))
        return logits

    def _initialize(self) -> None:
        """Draw convolutions by their input channels a group, the stem and the classifier narrow."""
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
    """A block of two paths, whose outputs are concatenated.

    With stride 1 the even channels pass by the main branch, which has the odd ones: this is the
    shuffle of channels. With stride 2 both see all channels, and a projection halves the size.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of both paths together.
        kind: "k3", "k5", "k7" or "xcep".
        stride: 1 or 2; with 1 the block keeps its channels.
        hidden: Channels inside the main branch; half of `out_channels` by default.
        norm: Makes each norm.
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
        """Return the paths side by side."""
        if self.branch_proj is None:
            past, through = x[:, 0::2], x[:, 1::2]
        else:
            past, through = self.branch_proj(x), x
        return torch.cat((past, self.branch_main(through)), dim=1)


def _places() -> Iterator[tuple[int, int, int]]:
    """Yield input channels, output channels and stride of each block."""
    in_channels = _STEM_WIDTH
    for blocks, out_channels in _STAGES:
        for place in range(blocks):
            yield in_channels, out_channels, 1 if place else 2
            in_channels = out_channels


_Widths = tuple[int, int, int]
"""Channels that enter a branch, inside it, and that leave it."""


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
