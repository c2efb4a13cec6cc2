"""Blocks of the mobile spaces (the specification, section 2).

Each block is one flat sequence: the position of a layer in it is part of the names of its weights,
so identities are left out and optional layers shift those behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

__all__ = [
    "RELU6",
    "ActivationFactory",
    "ConvBNAct",
    "DepthwiseSeparable",
    "GateFactory",
    "InvertedResidual",
    "NormFactory",
    "SqueezeExcite",
    "make_divisible",
]

NormFactory: TypeAlias = Callable[[int], nn.Module]
"""Makes the norm of so many channels: `partial(nn.BatchNorm2d, eps=1e-3)`."""

ActivationFactory: TypeAlias = Callable[[], nn.Module]

GateFactory: TypeAlias = Callable[[int], nn.Module]
"""Makes the gate of so many channels: `SqueezeExcite`."""

RELU6: Final[ActivationFactory] = partial(nn.ReLU6, inplace=True)

_WIDTH_DIVISOR: Final = 8
_MOST_LOST: Final = 0.9
"""A rounded width below this part of the exact one is raised by a step."""


def make_divisible(value: float, divisor: int = _WIDTH_DIVISOR, least: int | None = None) -> int:
    """Return the multiple of `divisor` nearest to `value`, never more than 10 % below it.

    Args:
        value: The exact width.
        divisor: What the result is a multiple of.
        least: The smallest result; `divisor` by default.
    """
    rounded = round(value + divisor // 2) // divisor * divisor
    result = max(divisor if least is None else least, rounded)
    return result + divisor if result < _MOST_LOST * value else result


class ConvBNAct(nn.Sequential):
    """A convolution that keeps the size up to its stride, a norm and an activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd.
        stride: Of the convolution.
        groups: Of the convolution.
        dilation: Of the convolution.
        norm: Makes the norm; without one the convolution has a bias.
        activation: Makes the activation; none by default.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        *,
        groups: int = 1,
        dilation: int = 1,
        norm: NormFactory | None = nn.BatchNorm2d,
        activation: ActivationFactory | None = None,
    ) -> None:
        convolution = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=(kernel_size - 1) // 2 * dilation,
            dilation=dilation,
            groups=groups,
            bias=norm is None,
        )
        followers = [norm(out_channels)] if norm else []
        followers += [activation()] if activation else []
        super().__init__(convolution, *followers)


class SqueezeExcite(nn.Module):
    """A gate for each channel, computed from the means of all (Hu et al. 2018, arXiv:1709.01507).

    ReLU inside and a hard sigmoid as gate, whatever the activation of the network.

    Args:
        channels: Channels of input and output.
        reduced_from: The width whose quarter, made divisible by 8, is the hidden width; `channels`
            by default.
    """

    _RATIO: Final = 0.25

    def __init__(self, channels: int, *, reduced_from: int | None = None) -> None:
        super().__init__()
        reduced = make_divisible((reduced_from or channels) * self._RATIO)
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.conv_expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel."""
        gate = self.conv_expand(F.relu(self.conv_reduce(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(gate)


class _Residual(nn.Sequential):
    """A sequence to whose output its input is added where that is wanted."""

    def __init__(self, *layers: nn.Module, residual: bool) -> None:
        super().__init__(*layers)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Apply the sequence."""
        y = x
        for layer in self:
            y = layer(y)
        return x + y if self.residual else y


class DepthwiseSeparable(_Residual):
    """A depthwise convolution, squeeze-and-excite if given, and a linear 1 x 1 convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd; of the depthwise convolution.
        stride: Of the depthwise convolution.
        norm: Makes each norm.
        activation: Makes the activation after the depthwise convolution.
        squeeze_excite: Given the input width, makes what follows the depthwise convolution.
        residual: Whether the input is added; if not given, where the shapes allow it.
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
            residual=_keeps_shape(in_channels, out_channels, stride, residual),
        )


class InvertedResidual(_Residual):
    """A 1 x 1 expansion, a depthwise convolution and a linear 1 x 1 projection (MobileNetV2).

    The expansion is there for a ratio of 1, too (Sandler et al. 2018, arXiv:1801.04381).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        expand_ratio: Hidden width over input width, before it is made divisible by 8.
        kernel_size: Odd; of the depthwise convolution.
        stride: Of the depthwise convolution.
        norm: Makes each norm.
        activation: Makes the activations after the first two convolutions.
        squeeze_excite: Given the hidden width, makes what follows the depthwise convolution.
        residual: Whether the input is added; if not given, where the shapes allow it.
    """

    def __init__(  # noqa: PLR0913 - keyword-only from the sixth on
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
            residual=_keeps_shape(in_channels, out_channels, stride, residual),
        )


def _keeps_shape(
    in_channels: int,
    out_channels: int,
    stride: int,
    wanted: bool | None,  # noqa: FBT001
) -> bool:
    """Return whether a block adds its input: as wanted, or where the shapes are equal."""
    return in_channels == out_channels and stride == 1 if wanted is None else wanted
