"""NATS-Bench size space: five widths of a fixed network (Dong et al. 2021, arXiv:2009.00437).

A network has a stem and five layers: three equal cells and, between them, two residual blocks that
halve the resolution. Each layer has a searched width; the stem has that of the first layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model_hub.arguments import a_count
from model_hub.choices import Categorical, Sample
from model_hub.data_sets import CHANNELS, DATA_SETS
from model_hub.errors import InvalidArgumentError, shown
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import SLICED, LayerSize, Sharing

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NatsSss"]

_NUM_LAYERS: Final = 5
_CELLS: Final = (0, 2, 4)
"""The layers that are cells; the first one has the width of the stem."""
_SKIP: Final = "layers.2.0"
"""Path of the skip connection within a cell."""


@dataclass(frozen=True, kw_only=True)
class NatsSss(ModelSpace):
    """The size space of NATS-Bench; the defaults are the published networks for CIFAR-10.

    Args:
        candidates: Candidate numbers of channels for each of the five layers.
        num_labels: Number of classes.
        image_size: Height and width of the input images.
    """

    candidates: tuple[int, ...] = (8, 16, 24, 32, 40, 48, 56, 64)
    num_labels: int = 10
    image_size: int = DATA_SETS["cifar10"].image_size

    image_step = 4
    """Two blocks add a convolution and a pooling of stride 2, whose sizes must agree."""

    most_blocks = _NUM_LAYERS
    """Three cells and two residual blocks."""

    def _check(self) -> None:
        if not isinstance(self.candidates, tuple):
            raise InvalidArgumentError(
                "candidates", f"{shown(self.candidates)} is not a list of numbers of channels"
            )
        for channels in self.candidates:
            a_count("candidates", channels)
        a_count("num_labels", self.num_labels)
        self.accepted_input(self.input_shape, argument="image_size")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image of `image_size` pixels per side."""
        return (CHANNELS, self.image_size, self.image_size)

    @property
    def sharing(self) -> Sharing:
        """Layers share slices; a skip between different widths uses a stored convolution."""
        return Sharing(layer_sizes=self._layer_sizes, no_mixture=SLICED)

    def _layer_sizes(self, values: Sample) -> Iterator[LayerSize]:
        widths = [values[_label(layer)] for layer in range(_NUM_LAYERS)]
        yield "stem", "channels", widths[0]
        before = widths[0]
        for layer, width in enumerate(widths):
            yield f"cells.{layer}", "channels", width
            if layer in _CELLS:
                yield f"cells.{layer}.{_SKIP}", "present", int(before != width)
            before = width

    def widest_networks(self) -> Iterator[tuple[Sample, nn.Module]]:
        """Yield the widest network, with a convolution in each skip that may need one."""
        from torch import nn

        for values, network in super().widest_networks():
            widest = max(self.candidates)
            if len(self.candidates) > 1:
                for layer in _CELLS[1:]:
                    projection = nn.Conv2d(widest, widest, 1, bias=False)
                    norm = nn.BatchNorm2d(widest)
                    network.set_submodule(f"cells.{layer}.{_SKIP}", nn.Sequential(projection, norm))
            yield values, network

    def _choices(self) -> SearchSpace:
        layers = (Categorical(_label(layer), self.candidates) for layer in range(_NUM_LAYERS))
        return SearchSpace("NatsSss", tuple(layers))

    def _network(self, values: Sample) -> nn.Module:
        from model_hub.spaces.natssss_network import NatsSssNetwork

        widths = [values[_label(layer)] for layer in range(_NUM_LAYERS)]
        return NatsSssNetwork(widths, num_labels=self.num_labels)


def _label(layer: int) -> str:
    return f"channels_{layer}"
