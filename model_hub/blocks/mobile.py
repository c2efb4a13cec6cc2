"""Blocks of the mobile spaces, and a base network of them.

Each block is a flat sequence. The index of a layer in it is part of the names of its weights, so
identities are left out and optional layers shift the layers after them.

`MobileNetwork` is the base of FBNet and Single-Path NAS networks. Its weights correspond to timm's,
in the same order: `blocks.S.I.{conv_pw,bn1,conv_dw,bn2,conv_pwl,bn3}` there are
`blocks.S.I.{0,1,3,4,6,7}` here, `{conv_dw,bn1,conv_pw,bn2}` of a depthwise separable block are
`{0,1,3,4}`, `conv_stem, bn1` are `stem.{0,1}`, `conv_head, bn2` are `head.{0,1}`, and `classifier`
is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import prod, sqrt
from typing import Final, TypeAlias

import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor, nn

__all__ = [
    "RELU",
    "RELU6",
    "ActivationFactory",
    "ConvBNAct",
    "DepthwiseSeparable",
    "GateFactory",
    "InvertedResidual",
    "MobileNetwork",
    "NormFactory",
    "ResidualSequence",
    "SqueezeExcite",
    "initialize_mobile",
    "inverted_residuals",
    "make_divisible",
]

NormFactory: TypeAlias = Callable[[int], nn.Module]
"""Creates a norm from its number of channels, as in `partial(nn.BatchNorm2d, eps=1e-3)`."""

ActivationFactory: TypeAlias = Callable[[], nn.Module]

GateFactory: TypeAlias = Callable[[int], nn.Module]
"""Creates a gate from its number of channels, as in `SqueezeExcite`."""

RELU6: Final[ActivationFactory] = partial(nn.ReLU6, inplace=True)

_WIDTH_DIVISOR: Final = 8
_LEAST_RATIO: Final = 0.9
"""A rounded width below this part of the exact one is increased by one divisor."""

RELU: Final[ActivationFactory] = partial(nn.ReLU, inplace=True)

_LINEAR_STD: Final = 0.01


def make_divisible(value: float, divisor: int = _WIDTH_DIVISOR) -> int:
    """Return the multiple of `divisor` nearest to `value`, never more than 10 % below it.

    Args:
        value: The exact width.
        divisor: The result is a multiple of this, and at least this.
    """
    rounded = round(value + divisor // 2) // divisor * divisor
    result = max(divisor, rounded)
    return result + divisor if result < _LEAST_RATIO * value else result


class ConvBNAct(nn.Sequential):
    """A convolution with same padding, a norm and an activation.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        kernel_size: Kernel size, odd.
        stride: Stride of the convolution.
        groups: Number of groups of the convolution.
        norm: Creates the norm; without one, the convolution has a bias.
        activation: Creates the activation; none by default.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        *,
        groups: int = 1,
        norm: NormFactory | None = nn.BatchNorm2d,
        activation: ActivationFactory | None = None,
    ) -> None:
        convolution = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=(kernel_size - 1) // 2,
            groups=groups,
            bias=norm is None,
        )
        followers = [norm(out_channels)] if norm else []
        followers += [activation()] if activation else []
        super().__init__(convolution, *followers)


class SqueezeExcite(nn.Module):
    """Squeeze-and-excite: scales channels by gates of all means (Hu et al., arXiv:1709.01507).

    It uses a ReLU and a hard sigmoid, independent of the activation of the network.

    Args:
        channels: Number of input and output channels.
        reduced_from: A quarter of this width, rounded to a multiple of 8, is the hidden width;
            `channels` by default.
    """

    _RATIO: Final = 0.25

    def __init__(self, channels: int, *, reduced_from: int | None = None) -> None:
        super().__init__()
        reduced = self.reduced(reduced_from or channels)
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.conv_expand = nn.Conv2d(reduced, channels, 1)

    @classmethod
    def reduced(cls, width: int) -> int:
        """Return the hidden width for a given `reduced_from`."""
        return make_divisible(width * cls._RATIO)

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel by its gate."""
        gate = self.conv_expand(F.relu(self.conv_reduce(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(gate)


class ResidualSequence(nn.Sequential):
    """A sequence of layers with an optional residual connection.

    Args:
        layers: The layers.
        residual: Whether the input is added to the output.
    """

    def __init__(self, *layers: nn.Module, residual: bool) -> None:
        super().__init__(*layers)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers and the residual connection."""
        y = x
        for layer in self:
            y = layer(y)
        return x + y if self.residual else y


class DepthwiseSeparable(ResidualSequence):
    """A depthwise convolution, optional squeeze-and-excite and a linear 1 x 1 convolution.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        kernel_size: Kernel size of the depthwise convolution, odd.
        stride: Stride of the depthwise convolution.
        norm: Creates each norm layer.
        activation: Creates the activation after the depthwise convolution.
        squeeze_excite: Creates the gate after the depthwise convolution, given the input width.
        residual: Whether the input is added; by default, if input and output shapes are equal.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        *,
        norm: NormFactory = nn.BatchNorm2d,
        activation: ActivationFactory = RELU6,
        squeeze_excite: GateFactory | None = None,
        residual: bool | None = None,
    ) -> None:
        depthwise = ConvBNAct(
            in_channels,
            in_channels,
            kernel_size,
            stride,
            groups=in_channels,
            norm=norm,
            activation=activation,
        )
        project = ConvBNAct(in_channels, out_channels, 1, norm=norm)
        gate = [squeeze_excite(in_channels)] if squeeze_excite else []
        super().__init__(
            *depthwise,
            *gate,
            *project,
            residual=_is_residual(in_channels, out_channels, stride, residual),
        )


class InvertedResidual(ResidualSequence):
    """A 1 x 1 expansion, a depthwise convolution and a linear 1 x 1 projection (MobileNetV2).

    A ratio of 1 also has the expansion convolution (Sandler et al. 2018, arXiv:1801.04381).

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        expand_ratio: Ratio of hidden width to input width, before rounding to a multiple of 8.
        kernel_size: Kernel size of the depthwise convolution, odd.
        stride: Stride of the depthwise convolution.
        norm: Creates each norm layer.
        activation: Creates the activations after the first two convolutions.
        squeeze_excite: Creates the gate after the depthwise convolution, given the hidden width.
        residual: Whether the input is added; by default, if input and output shapes are equal.
    """

    def __init__(  # noqa: PLR0913 - the others are keyword-only
        self,
        in_channels: int,
        out_channels: int,
        expand_ratio: float,
        kernel_size: int = 3,
        stride: int = 1,
        *,
        norm: NormFactory = nn.BatchNorm2d,
        activation: ActivationFactory = RELU6,
        squeeze_excite: GateFactory | None = None,
        residual: bool | None = None,
    ) -> None:
        hidden = make_divisible(in_channels * expand_ratio)
        expand = ConvBNAct(in_channels, hidden, 1, norm=norm, activation=activation)
        depthwise = ConvBNAct(
            hidden, hidden, kernel_size, stride, groups=hidden, norm=norm, activation=activation
        )
        project = ConvBNAct(hidden, out_channels, 1, norm=norm)
        gate = [squeeze_excite(hidden)] if squeeze_excite else []
        super().__init__(
            *expand,
            *depthwise,
            *gate,
            *project,
            residual=_is_residual(in_channels, out_channels, stride, residual),
        )


def inverted_residuals(
    in_channels: int,
    out_channels: int,
    stride: int,
    blocks: Iterable[tuple[int, int]],
    *,
    norm: NormFactory,
    activation: ActivationFactory = RELU6,
) -> Iterator[InvertedResidual]:
    """Yield the blocks of a stage; the first changes width and resolution.

    Args:
        in_channels: Number of input channels of the first block.
        out_channels: Number of output channels of each block.
        stride: Stride of the first block.
        blocks: Kernel size and expansion of each block.
        norm: Creates each norm layer.
        activation: Creates each activation.
    """
    for kernel_size, expand_ratio in blocks:
        yield InvertedResidual(
            in_channels,
            out_channels,
            expand_ratio,
            kernel_size,
            stride,
            norm=norm,
            activation=activation,
        )
        in_channels, stride = out_channels, 1


def _is_residual(
    in_channels: int,
    out_channels: int,
    stride: int,
    wanted: bool | None,  # noqa: FBT001
) -> bool:
    """Return `wanted` or, by default, whether input and output shapes are equal."""
    return in_channels == out_channels and stride == 1 if wanted is None else wanted


class MobileNetwork(nn.Module):
    """A network of stages of blocks, initialised by `initialize_mobile`.

    Args:
        stages: The blocks of each stage, without identities.
        stem_width: Output channels of the stem, the input of the first stage.
        stem_stride: Stride of the stem.
        last_width: Output channels of the last stage.
        head_width: Output channels of the 1 x 1 convolution before the pooling.
        num_labels: Number of classes.
        dropout_rate: Dropout rate before the classifier.
        norm: Creates the norms of stem and head.
    """

    def __init__(
        self,
        stages: Iterable[Iterable[nn.Module]],
        *,
        stem_width: int,
        stem_stride: int,
        last_width: int,
        head_width: int,
        num_labels: int,
        dropout_rate: float,
        norm: NormFactory,
    ) -> None:
        super().__init__()
        self.stem = ConvBNAct(3, stem_width, 3, stem_stride, norm=norm, activation=RELU)
        self.blocks = nn.Sequential(*(nn.Sequential(*stage) for stage in stages))
        self.head = ConvBNAct(last_width, head_width, 1, norm=norm, activation=RELU)
        self.dropout = nn.Dropout(dropout_rate)
        self.classifier = nn.Linear(head_width, num_labels)
        initialize_mobile(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        features = self.head(self.blocks(self.stem(x)))
        logits: Tensor = self.classifier(self.dropout(features.mean((2, 3))))
        return logits


def initialize_mobile(network: nn.Module) -> None:
    """Initialise the weights of a mobile network.

    Convolutions are normal with variance 2 / (kernel area x output channels), which is He's fan-out
    without regard to groups. Linear weights have standard deviation 0.01, their biases are 0. Norms
    and the biases of convolutions keep PyTorch's initialisation.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = prod(module.kernel_size) * module.out_channels
            nn.init.normal_(module.weight, std=sqrt(2 / fan_out))
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=_LINEAR_STD)
            nn.init.zeros_(module.bias)
