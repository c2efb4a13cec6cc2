"""The networks of the FBNet space (Wu et al. 2019, arXiv:1812.03443)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from torch import nn

from model_hub.blocks.mobile import (
    RELU,
    ConvBNAct,
    MobileNetwork,
    NormFactory,
    ResidualSequence,
)

__all__ = ["FBNetBlock", "FBNetNetwork"]

_STEM_WIDTH: Final = 16
_STAGE_WIDTHS: Final = (16, 24, 32, 64, 112, 184, 352)
_CLASSIFIER_STD: Final = 0.001

_Shape: TypeAlias = tuple[int, int, int]
"""Kernel size, expansion and groups of a block."""


class FBNetNetwork(MobileNetwork):
    """A network of the FBNet space.

    Args:
        layers: Kernel size, expansion and groups of each of the 22 layers; None for a skip.
        stage_layers: Number of layers of each of the seven stages.
        stem_stride: Stride of the stem.
        stage_strides: Stride of the first layer of each of the seven stages.
        head_width: Output channels of the 1 x 1 convolution before the pooling.
        expands_always: Whether blocks of expansion 1 have their first convolution.
        num_labels: Number of classes.
        dropout_rate: Dropout rate before the classifier.
        norm: Creates each norm layer.
    """

    def __init__(  # noqa: PLR0913 - most are keyword-only
        self,
        layers: Sequence[_Shape | None],
        *,
        stage_layers: tuple[int, ...],
        stem_stride: int,
        stage_strides: tuple[int, ...],
        head_width: int,
        expands_always: bool,
        num_labels: int,
        dropout_rate: float,
        norm: NormFactory,
    ) -> None:
        stages: list[list[nn.Module]] = [[] for _ in stage_layers]
        for layer, (stage, *shape) in zip(
            layers, _layer_shapes(stage_layers, stage_strides), strict=True
        ):
            stages[stage].extend(_layer(layer, *shape, expands=expands_always, norm=norm))
        super().__init__(
            stages,
            stem_width=_STEM_WIDTH,
            stem_stride=stem_stride,
            last_width=_STAGE_WIDTHS[-1],
            head_width=head_width,
            num_labels=num_labels,
            dropout_rate=dropout_rate,
            norm=norm,
        )
        nn.init.normal_(self.classifier.weight, std=_CLASSIFIER_STD)


class FBNetBlock(ResidualSequence):
    """A 1 x 1 expansion, a shuffle between groups, a depthwise convolution and a projection.

    The block has a residual connection if input and output have the same shape.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        stride: Stride of the depthwise convolution.
        kernel_size: Kernel size of the depthwise convolution, odd.
        expand_ratio: Ratio of hidden width to input width.
        groups: Number of groups of the 1 x 1 convolutions.
        expands: Whether a block of `expand_ratio` 1 has the expansion convolution.
        norm: Creates each norm layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        kernel_size: int,
        expand_ratio: int,
        groups: int = 1,
        expands: bool = True,
        norm: NormFactory = nn.BatchNorm2d,
    ) -> None:
        hidden = in_channels * expand_ratio
        expand = ConvBNAct(in_channels, hidden, 1, groups=groups, norm=norm, activation=RELU)
        depthwise = ConvBNAct(
            hidden, hidden, kernel_size, stride, groups=hidden, norm=norm, activation=RELU
        )
        project = ConvBNAct(hidden, out_channels, 1, groups=groups, norm=norm)
        super().__init__(
            *(expand if expands or expand_ratio > 1 else ()),
            *([nn.ChannelShuffle(groups)] if groups > 1 else ()),
            *depthwise,
            *project,
            residual=stride == 1 and in_channels == out_channels,
        )


def _layer_shapes(
    stage_layers: tuple[int, ...], stage_strides: tuple[int, ...]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield stage, input channels, output channels and stride of each layer."""
    in_channels = _STEM_WIDTH
    outline = zip(stage_layers, _STAGE_WIDTHS, stage_strides, strict=True)
    for stage, (layers, width, stride) in enumerate(outline):
        for place in range(layers):
            yield stage, in_channels, width, 1 if place else stride
            in_channels = width


def _layer(
    layer: _Shape | None,
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    expands: bool,
    norm: NormFactory,
) -> Iterator[nn.Module]:
    """Yield the module of a layer, or nothing if the layer is an identity."""
    if layer is not None:
        kernel_size, expand_ratio, groups = layer
        yield FBNetBlock(
            in_channels,
            out_channels,
            stride,
            kernel_size=kernel_size,
            expand_ratio=expand_ratio,
            groups=groups,
            expands=expands,
            norm=norm,
        )
    elif stride > 1 or in_channels != out_channels:
        yield ConvBNAct(in_channels, out_channels, 1, stride, norm=norm, activation=RELU)
