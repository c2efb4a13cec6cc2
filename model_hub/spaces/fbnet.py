"""FBNet: 22 layers of nine candidates each (Wu et al. 2019, arXiv:1812.03443).

Also the FBNet space of HW-NAS-Bench (Li et al. 2021, arXiv:2103.10584): the 22 numbers of its
architectures are indices into the list of candidates, and its CIFAR-100 networks use the same
blocks with other strides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from model_hub.arguments import a_count, a_share, a_switch, check_each, one_of
from model_hub.choices import LayerChoice, Sample
from model_hub.data_sets import DATA_SETS, DataSet
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import Sharing, shifted

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SEARCHED_FBNETS", "FBNet"]

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
"""Kernel size, expansion and groups of each candidate except `skip`."""

_SKIP: Final = "skip"
_STAGE_LAYERS: Final = (1, 4, 4, 4, 4, 4, 1)
"""Number of layers of each stage."""

_LABELS: Final = tuple(f"layer_{number}" for number in range(1, sum(_STAGE_LAYERS) + 1))


@dataclass(frozen=True, slots=True)
class _Resolution:
    """A data set and the strides of the networks for it."""

    dataset: DataSet
    stem_stride: int
    stage_strides: tuple[int, ...]


_RESOLUTIONS: Final = MappingProxyType(
    {
        "imagenet": _Resolution(DATA_SETS["imagenet"], 2, (1, 2, 2, 2, 1, 2, 1)),
        "cifar": _Resolution(DATA_SETS["cifar100"], 1, (1, 1, 2, 2, 1, 2, 1)),
    }
)


@dataclass(frozen=True, kw_only=True)
class FBNet(ModelSpace):
    """The FBNet space.

    Args:
        num_labels: Number of classes; HW-NAS-Bench uses 100 on CIFAR.
        head_width: Output channels of the 1 x 1 convolution before the pooling: 1984, or 1504 for
            FBNet-A and for HW-NAS-Bench on CIFAR.
        dataset: "imagenet" for 224 pixels; "cifar" for 32, with stride 1 in stem and second stage.
        expands_always: Give blocks of expansion 1 their first convolution, as HW-NAS-Bench and timm
            do. The published FLOPs of FBNet-A, B and C are without it.
        dropout_rate: Dropout rate before the classifier.
        bn_eps: Epsilon of every batch norm; 1e-3 for timm's weights.
        bn_momentum: Momentum of every batch norm.
    """

    num_labels: int = 1000
    head_width: int = 1984
    dataset: Literal["imagenet", "cifar"] = "imagenet"
    expands_always: bool = True
    dropout_rate: float = 0.0
    bn_eps: float = 1e-5
    bn_momentum: float = 0.1

    most_blocks = len(_LABELS)

    def _check(self) -> None:
        check_each(self, a_count, "num_labels", "head_width")
        one_of("dataset", self.dataset, tuple(_RESOLUTIONS))
        a_switch("expands_always", self.expands_always)
        check_each(self, a_share, "dropout_rate", "bn_eps", "bn_momentum")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image of the data set."""
        return _RESOLUTIONS[self.dataset].dataset.input_shape

    @property
    def sharing(self) -> Sharing:
        """Each candidate of each layer has separate weights; an identity has none."""
        places = (
            f"blocks.{stage}.{place}"
            for stage, layers in enumerate(_STAGE_LAYERS)
            for place in range(layers)
        )
        return Sharing(slots=dict(zip(places, _LABELS, strict=True)))

    def located(self, values: Sample, path: str) -> str:
        """Return the path that a module would have if no layer were left out.

        A skip is left out where it would be an identity: after the first layer of a stage, and in
        the first stage, which keeps the channels and the resolution of the stem.
        """
        labels = iter(_LABELS)
        kept = [
            [
                place
                for place, label in zip(range(layers), labels, strict=False)
                if values[label] != _SKIP or (stage and not place)
            ]
            for stage, layers in enumerate(_STAGE_LAYERS)
        ]
        return shifted(path, "blocks", kept)

    def _choices(self) -> SearchSpace:
        candidates = (*_BLOCKS, _SKIP)
        layers = (LayerChoice(label, candidates) for label in _LABELS)
        return SearchSpace("FBNet", tuple(layers))

    def _network(self, values: Sample) -> nn.Module:
        from torch import nn

        from model_hub.spaces.fbnet_network import FBNetNetwork

        resolution = _RESOLUTIONS[self.dataset]
        return FBNetNetwork(
            [_BLOCKS.get(values[label]) for label in _LABELS],
            stage_layers=_STAGE_LAYERS,
            stem_stride=resolution.stem_stride,
            stage_strides=resolution.stage_strides,
            head_width=self.head_width,
            expands_always=self.expands_always,
            num_labels=self.num_labels,
            dropout_rate=self.dropout_rate,
            norm=partial(nn.BatchNorm2d, eps=self.bn_eps, momentum=self.bn_momentum),
        )


def _sample(stages: str) -> Mapping[str, str]:
    layers = stages.replace("|", " ").split()
    return MappingProxyType(dict(zip(_LABELS, layers, strict=True)))


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
"""The searched networks as in Facebook's mobile-vision; FBNet-A has a head width of 1504."""
