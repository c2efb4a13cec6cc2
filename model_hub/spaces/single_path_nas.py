"""Single-Path NAS: kernel and expansion of 20 layers (Stamoulis et al. 2019, arXiv:1904.02877).

The searched layers form five stages of four, between two fixed blocks. A layer is an inverted
residual or, except for the first of a stage, left out. The space includes the authors'
differentiable model of the runtime on a Pixel 1 phone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from model_hub.arguments import a_count, a_share, check_each
from model_hub.choices import LayerChoice, Sample
from model_hub.data_sets import DATA_SETS
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import SLICED, LayerSize, Sharing, shifted

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "FIXED_RUNTIME",
    "RUNTIMES",
    "SEARCHED_SINGLE_PATH_NAS",
    "SinglePathNAS",
    "SuperkernelSpace",
]

_BLOCKS: Final = MappingProxyType(
    {
        f"{kernel_size}x{kernel_size}-{expand_ratio}": (kernel_size, expand_ratio)
        for kernel_size in (3, 5)
        for expand_ratio in (3, 6)
    }
)
"""Kernel size and expansion of each candidate except `skip`."""

_SKIP: Final = "skip"

_STAGE_LAYERS: Final = 4
_LABELS: Final = tuple(f"layer_{number}" for number in range(1, 5 * _STAGE_LAYERS + 1))
_STAGES: Final = tuple(
    _LABELS[i : i + _STAGE_LAYERS] for i in range(0, len(_LABELS), _STAGE_LAYERS)
)

FIXED_RUNTIME: Final = 19.5999
"""Milliseconds of the stem, the head and the two fixed blocks."""

RUNTIMES: Final = (
    (9.2015, 5.9248, 11.5892),
    (6.4022, 4.8853, 9.1518),
    (6.3511, 4.9721, 9.1756),
    (6.4176, 4.9875, 9.1567),
    (4.0999, 2.4458, 5.1170),
    (3.9830, 2.6194, 5.0582),
    (3.9802, 2.6166, 5.0631),
    (4.0257, 2.5942, 5.1072),
    (2.4647, 1.3958, 2.7909),
    (3.1395, 1.8193, 3.6309),
    (3.1346, 1.8074, 3.6589),
    (3.1416, 1.8032, 3.6603),
    (3.3782, 1.9649, 3.9186),
    (4.3918, 2.4367, 5.0673),
    (4.4261, 2.4549, 5.1933),
    (4.4800, 2.4535, 5.0946),
    (3.3411, 1.6996, 3.5497),
    (4.8923, 2.5697, 5.1394),
    (4.8797, 2.6467, 5.3249),
    (4.9217, 2.6649, 5.4103),
)
"""Milliseconds of 3x3-6, 5x5-3 and 5x5-6 in each layer, measured by the authors on a Pixel 1."""


@dataclass(frozen=True, kw_only=True)
class SinglePathNAS(ModelSpace):
    """The Single-Path NAS space.

    Args:
        num_labels: Number of classes.
        dropout_rate: Dropout rate before the classifier.
        bn_eps: Epsilon of every batch norm.
        bn_momentum: Momentum of every batch norm in PyTorch's sense; 0.99 in TensorFlow's.
    """

    num_labels: int = 1000
    dropout_rate: float = 0.2
    bn_eps: float = 1e-3
    bn_momentum: float = 0.01

    input_shape = DATA_SETS["imagenet"].input_shape
    most_blocks = len(_LABELS)

    def _check(self) -> None:
        a_count("num_labels", self.num_labels)
        check_each(self, a_share, "dropout_rate", "bn_eps", "bn_momentum")

    def runtime(self, sample: object) -> float:
        """Return the runtime of a network on a Pixel 1 in milliseconds by the authors' model.

        The ratio of the times of 3 x 3 and 5 x 5 kernels, measured for an expansion of 6, is also
        used for 3.

        Args:
            sample: Labels and chosen values.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        layers = self.choices.validate(sample).values()
        rows = zip(layers, RUNTIMES, strict=True)
        return FIXED_RUNTIME + sum(_runtimes(*row)[layer] for layer, row in rows)

    @property
    def sharing(self) -> Sharing:
        """Each candidate of each layer has separate weights."""
        return Sharing(
            slots={
                f"blocks.{number}.{place}": label
                for number, stage in enumerate(_STAGES, start=1)
                for place, label in enumerate(stage)
            }
        )

    def located(self, values: Sample, path: str) -> str:
        """Return the path that a module would have if no layer were left out."""
        kept = [
            [place for place, label in enumerate(stage) if values[label] != _SKIP]
            for stage in _STAGES
        ]
        return shifted(path, "blocks", [[0], *kept, [0]])

    def _choices(self) -> SearchSpace:
        return SearchSpace(
            "SinglePathNAS",
            tuple(
                LayerChoice(label, (*_BLOCKS, _SKIP) if place % _STAGE_LAYERS else tuple(_BLOCKS))
                for place, label in enumerate(_LABELS)
            ),
        )

    def _network(self, values: Sample) -> nn.Module:
        from torch import nn

        from model_hub.spaces.single_path_nas_network import SinglePathNASNetwork

        return SinglePathNASNetwork(
            [
                [_BLOCKS[values[label]] for label in stage if values[label] != _SKIP]
                for stage in _STAGES
            ],
            num_labels=self.num_labels,
            dropout_rate=self.dropout_rate,
            norm=partial(nn.BatchNorm2d, eps=self.bn_eps, momentum=self.bn_momentum),
        )


class SuperkernelSpace(SinglePathNAS):
    """The Single-Path NAS space with one shared 5 x 5 kernel of expansion 6 for each layer.

    A smaller kernel is the middle of the shared one; a smaller expansion is its first channels.
    """

    @property
    def sharing(self) -> Sharing:
        """All candidates of a layer share slices of the largest one; a skip bypasses the layer."""
        return Sharing(layer_sizes=self._layer_sizes, no_mixture=SLICED)

    def _layer_sizes(self, values: Sample) -> Iterator[LayerSize]:
        from model_hub.blocks.mobile import make_divisible
        from model_hub.spaces.single_path_nas_network import WIDTHS

        for place, label in enumerate(_LABELS):
            stage, inside = divmod(place, _STAGE_LAYERS)
            block = _BLOCKS.get(values[label])
            path = f"blocks.{1 + stage}.{inside}"
            yield path, "present", int(block is not None)
            if block is not None:
                kernel_size, expand_ratio = block
                before = WIDTHS[stage + (inside > 0)]
                yield f"{path}.0", "channels", make_divisible(before * expand_ratio)
                yield f"{path}.3", "kernel", kernel_size

    def widest_networks(self) -> Iterator[tuple[Sample, nn.Module]]:
        """Yield the network with the largest kernels and expansions."""
        largest = dict.fromkeys(_LABELS, tuple(_BLOCKS)[-1])
        yield largest, self.freeze(largest)


def _runtimes(small: float, narrow: float, full: float) -> dict[Any, float]:
    """Return the milliseconds of each candidate of a layer, from a row of `RUNTIMES`."""
    return {
        "3x3-3": narrow * small / full,
        "3x3-6": small,
        "5x5-3": narrow,
        "5x5-6": full,
        _SKIP: 0,
    }


def _sample(stages: str) -> Mapping[str, str]:
    layers = stages.replace("|", " ").split()
    return MappingProxyType(dict(zip(_LABELS, layers, strict=True)))


SEARCHED_SINGLE_PATH_NAS: Final[Mapping[str, str]] = _sample(
    "3x3-3 3x3-3 3x3-3 skip | 5x5-6 3x3-3 3x3-3 3x3-3 | 5x5-6 3x3-3 3x3-3 3x3-3"
    "| 5x5-6 5x5-3 5x5-3 5x5-3 | 5x5-6 5x5-6 5x5-6 5x5-6"
)
"""The network that the authors found for the Pixel 1, as in timm (`spnasnet_100`)."""
