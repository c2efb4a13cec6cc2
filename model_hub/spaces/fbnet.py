"""FBNet: 22 layers of nine candidates each (Wu et al. 2019, arXiv:1812.03443).

Also the FBNet space of HW-NAS-Bench (Li et al. 2021, arXiv:2103.10584): its 22 numbers of an
architecture are places in the list of candidates, and its CIFAR-100 is another arrangement of the
same blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final, Literal

from torch import Tensor, nn

from model_hub.arguments import a_count, a_number, one_of
from model_hub.blocks.mobile import ConvBNAct, NormFactory
from model_hub.blocks.mobile_network import RELU, MobileNetwork
from model_hub.choices import LayerChoice, Sample
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace

__all__ = ["SEARCHED_FBNETS", "FBNet", "FBNetBlock", "FBNetNetwork"]

_BLOCKS: Final = MappingProxyType(
    {
        f"k{kernel_size}_e{expand_ratio}{'_g2' if groups > 1 else ''}": (
            kernel_size,
            expand_ratio,
            groups,
        )
        for kernel_size in (3, 5)
        for expand_ratio, groups in ((1, 1), (1, 2), (3, 1), (6, 1))
    }
)
"""Kernel size, expansion and groups of each candidate but the last."""

_SKIP: Final = "skip"

_STEM_WIDTH: Final = 16
_STAGE_LAYERS: Final = (1, 4, 4, 4, 4, 4, 1)
_STAGE_WIDTHS: Final = (16, 24, 32, 64, 112, 184, 352)
_NUM_LAYERS: Final = sum(_STAGE_LAYERS)
_CLASSIFIER_STD: Final = 0.001


@dataclass(frozen=True, slots=True)
class _Resolution:
    """How large the images of a dataset are and where the network halves them."""

    size: int
    stem_stride: int
    stage_strides: tuple[int, ...]


_RESOLUTIONS: Final = MappingProxyType(
    {
        "imagenet": _Resolution(224, 2, (1, 2, 2, 2, 1, 2, 1)),
        "cifar": _Resolution(32, 1, (1, 1, 2, 2, 1, 2, 1)),
    }
)


@dataclass(frozen=True, kw_only=True)
class FBNet(ModelSpace):
    """The FBNet space.

    Args:
        num_labels: Classes; HW-NAS-Bench counts 100 on CIFAR.
        head_width: Output channels of the 1 x 1 convolution before the pooling: 1984, or 1504 for
            FBNet-A and for HW-NAS-Bench on CIFAR.
        dataset: "imagenet" for 224 pixels; "cifar" for 32, which stem and second stage then keep.
        expands_always: Give blocks of expansion 1 their first convolution, as HW-NAS-Bench and timm
            do. The published FLOPs of FBNet-A, B and C are those without it.
        dropout_rate: Before the classifier.
        bn_eps: Of every batch norm; 1e-3 in timm's weights.
        bn_momentum: Of every batch norm.
    """

    num_labels: int = 1000
    head_width: int = 1984
    dataset: Literal["imagenet", "cifar"] = "imagenet"
    expands_always: bool = True
    dropout_rate: float = 0.0
    bn_eps: float = 1e-5
    bn_momentum: float = 0.1

    def _check(self) -> None:
        a_count("num_labels", self.num_labels)
        a_count("head_width", self.head_width)
        one_of("dataset", self.dataset, tuple(_RESOLUTIONS))
        one_of("expands_always", self.expands_always, (True, False))
        a_number("dropout_rate", self.dropout_rate, least=0, most=1)
        a_number("bn_eps", self.bn_eps, least=0, most=1)
        a_number("bn_momentum", self.bn_momentum, least=0, most=1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Images of the dataset."""
        size = _RESOLUTIONS[self.dataset].size
        return (3, size, size)

    def _choices(self) -> SearchSpace:
        candidates = (*_BLOCKS, _SKIP)
        layers = (LayerChoice(label, candidates) for label in _labels())
        return SearchSpace("FBNet", tuple(layers))

    def _network(self, values: Sample) -> FBNetNetwork:
        resolution = _RESOLUTIONS[self.dataset]
        return FBNetNetwork(
            [values[label] for label in _labels()],
            stem_stride=resolution.stem_stride,
            stage_strides=resolution.stage_strides,
            head_width=self.head_width,
            expands_always=self.expands_always,
            num_labels=self.num_labels,
            dropout_rate=self.dropout_rate,
            norm=partial(nn.BatchNorm2d, eps=self.bn_eps, momentum=self.bn_momentum),
        )


class FBNetNetwork(MobileNetwork):
    """A network of the space.

    Args:
        layers: The candidate of each of the 22 layers.
        stem_stride: Of the stem.
        stage_strides: Of the first layer of each of the seven stages.
        head_width: Output channels of the 1 x 1 convolution before the pooling.
        expands_always: Whether blocks of expansion 1 have their first convolution.
        num_labels: Classes.
        dropout_rate: Before the classifier.
        norm: Makes each norm.
    """

    def __init__(
        self,
        layers: list[str],
        *,
        stem_stride: int,
        stage_strides: tuple[int, ...],
        head_width: int,
        expands_always: bool,
        num_labels: int,
        dropout_rate: float,
        norm: NormFactory,
    ) -> None:
        stages: list[list[nn.Module]] = [[] for _ in _STAGE_LAYERS]
        for layer, (stage, *shape) in zip(layers, _places(stage_strides), strict=True):
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


class FBNetBlock(nn.Sequential):
    """A 1 x 1 expansion, a shuffle between groups, a depthwise convolution and a projection.

    The input is added where the shapes are equal.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Of the depthwise convolution.
        kernel_size: Odd; of the depthwise convolution.
        expand_ratio: Hidden width over input width.
        groups: Of the 1 x 1 convolutions.
        expands: Whether there is an expansion where it would keep the width.
        norm: Makes each norm.
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
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Apply the sequence."""
        y = x
        for layer in self:
            y = layer(y)
        return x + y if self.residual else y


def _labels() -> Iterator[str]:
    yield from (f"layer_{number}" for number in range(1, _NUM_LAYERS + 1))


def _places(stage_strides: tuple[int, ...]) -> Iterator[tuple[int, int, int, int]]:
    """Yield stage, input channels, output channels and stride of each layer."""
    in_channels = _STEM_WIDTH
    outline = zip(_STAGE_LAYERS, _STAGE_WIDTHS, stage_strides, strict=True)
    for stage, (layers, width, stride) in enumerate(outline):
        for place in range(layers):
            yield stage, in_channels, width, 1 if place else stride
            in_channels = width


def _layer(
    layer: str,
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    expands: bool,
    norm: NormFactory,
) -> Iterator[nn.Module]:
    """Yield the module of a layer, none for one that would pass its input on."""
    if layer != _SKIP:
        kernel_size, expand_ratio, groups = _BLOCKS[layer]
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


def _sample(stages: str) -> Mapping[str, str]:
    layers = stages.replace("|", " ").split()
    return MappingProxyType(dict(zip(_labels(), layers, strict=True)))


SEARCHED_FBNETS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "fbnet-a": _sample(
            "skip | k3_e3 k3_e1 skip skip | k5_e6 k3_e3 k5_e1 k3_e3 | k5_e6 k5_e3 k5_e1_g2 k5_e6"
            "| k3_e6 k5_e1_g2 k5_e3 k3_e1_g2 | k5_e6 k5_e6 k5_e3 k5_e6 | k5_e6"
        ),
        "fbnet-b": _sample(
            "k3_e1 | k3_e6 k5_e1 k3_e1 k3_e1 | k5_e6 k5_e3 k3_e6 k5_e6 | k5_e6 k5_e6 skip k5_e3"
            "| k5_e6 k3_e1 k5_e1 k5_e3 | k5_e6 k5_e1 k5_e6 k5_e6 | k3_e6"
        ),
        "fbnet-c": _sample(
            "k3_e1 | k3_e6 skip k3_e1 k3_e1 | k5_e6 k5_e3 k5_e6 k3_e6 | k5_e6 k5_e3 k5_e6 k5_e6"
            "| k5_e6 k5_e6 k5_e6 k5_e3 | k5_e6 k5_e6 k5_e6 k5_e6 | k3_e6"
        ),
    }
)
"""The searched networks as Facebook's mobile-vision defines them; FBNet-A has a head of 1504."""
