"""The networks of MobileNetV3Space: stages of inverted residuals (arXiv:1905.02244)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Final

from torch import Tensor, nn

from model_hub.blocks.mobile import (
    ActivationFactory,
    ConvBNAct,
    DepthwiseSeparable,
    InvertedResidual,
    NormFactory,
    SqueezeExcite,
    initialize_mobile,
)

__all__ = ["ACTIVATIONS", "MobileBlock", "MobileLayer", "MobileNetV3Network"]

ACTIVATIONS: Final[Mapping[str, ActivationFactory]] = {
    "hswish": partial(nn.Hardswish, inplace=True),
    "relu": partial(nn.ReLU, inplace=True),
    "swish": partial(nn.SiLU, inplace=True),
}
"""Factories of the activations by name."""


@dataclass(frozen=True, slots=True)
class MobileLayer:
    """Width, stride and activation of the stem, a stage or one of the last convolutions.

    Args:
        width: Output channels.
        stride: Stride of its first convolution.
        activation: Creates its activations.
    """

    width: int
    stride: int
    activation: ActivationFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileBlock:
    """The choices of a block.

    Args:
        kernel_size: Kernel size of the depthwise convolution.
        expand_ratio: Ratio of hidden width to input width; None for a depthwise separable
            convolution.
        is_gated: Whether the block has squeeze-and-excite.
    """

    kernel_size: int
    expand_ratio: float | None
    is_gated: bool


class MobileNetV3Network(nn.Module):
    """A network of the MobileNetV3 space.

    Args:
        layers: The stem, each stage, and the 1 x 1 convolutions before and after the pooling.
        stages: The blocks of each stage.
        stem_kernel_size: Kernel size of the stem, odd.
        widths_are_chosen: If True, the first block of a stage has no residual connection, even if
            two stages happen to have equal widths. If False, it has one if the shapes are equal.
        se_from_exp: Derive the reduced width of a gate from the hidden, not the input width.
        num_labels: Number of classes.
        dropout_rate: Dropout rate before the classifier.
        norm: Creates each norm layer.
    """

    def __init__(
        self,
        layers: Sequence[MobileLayer],
        stages: Sequence[Sequence[MobileBlock]],
        *,
        stem_kernel_size: int,
        widths_are_chosen: bool,
        se_from_exp: bool,
        num_labels: int,
        dropout_rate: float,
        norm: NormFactory,
    ) -> None:
        super().__init__()
        stem, *inner, mix, last = layers
        self.stem = _convolution(3, stem, stem_kernel_size, norm)
        build = partial(_stage, norm=norm, se_from_exp=se_from_exp, linked=not widths_are_chosen)
        made = [
            list(build(before.width, layer, stage))
            for (before, layer), stage in zip(pairwise((stem, *inner)), stages, strict=True)
        ]
        (first,), *repeated = made
        self.blocks = nn.Sequential(
            first,
            *(nn.Sequential(*stage) for stage in repeated),
            _convolution(inner[-1].width, mix, 1, norm),
            nn.AdaptiveAvgPool2d(1),
            _convolution(mix.width, last, 1, None),
        )
        self.classifier = nn.Sequential(nn.Dropout(dropout_rate), nn.Linear(last.width, num_labels))
        initialize_mobile(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        logits: Tensor = self.classifier(self.blocks(self.stem(x)).flatten(1))
        return logits


def _convolution(
    in_channels: int, layer: MobileLayer, kernel_size: int, norm: NormFactory | None
) -> ConvBNAct:
    width, stride, activation = layer.width, layer.stride, layer.activation
    return ConvBNAct(in_channels, width, kernel_size, stride, norm=norm, activation=activation)


def _stage(
    in_channels: int,
    layer: MobileLayer,
    blocks: Sequence[MobileBlock],
    *,
    norm: NormFactory,
    se_from_exp: bool,
    linked: bool,
) -> Iterator[nn.Module]:
    """Yield the blocks of a stage; the first changes width and resolution.

    `linked` allows the first a residual connection.
    """
    stride, residual = layer.stride, None if linked else False
    for block in blocks:
        gate = partial(SqueezeExcite, reduced_from=None if se_from_exp else in_channels)
        options: dict[str, Any] = {
            "kernel_size": block.kernel_size,
            "stride": stride,
            "norm": norm,
            "activation": layer.activation,
            "squeeze_excite": gate if block.is_gated else None,
            "residual": residual,
        }
        if block.expand_ratio is None:
            yield DepthwiseSeparable(in_channels, layer.width, **options)
        else:
            yield InvertedResidual(in_channels, layer.width, block.expand_ratio, **options)
        in_channels, stride, residual = layer.width, 1, None
