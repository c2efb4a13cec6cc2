"""NAS-Bench-201: a cell of six edges, five operations (Dong & Yang 2020, arXiv:2001.00326).

A network has three stacks of equal cells. Between stacks, a residual block halves the resolution
and doubles the width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model_hub.arguments import a_count, check_each
from model_hub.choices import LayerChoice, Sample
from model_hub.data_sets import CHANNELS, DATA_SETS
from model_hub.model_space import ModelSpace
from model_hub.network_counts import NetworkCounts
from model_hub.search_space import SearchSpace
from model_hub.sharing import Sharing

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NasBench201"]

_NUM_TENSORS: Final = 4
"""The input, two nodes and the output of a cell."""

_NUM_STACKS: Final = 3

_OPERATIONS: Final = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
"""Names of the operations, in the order of grid search."""

_EDGES: Final = tuple(
    (source, target) for target in range(1, _NUM_TENSORS) for source in range(target)
)


@dataclass(frozen=True, kw_only=True)
class NasBench201(ModelSpace):
    """The NAS-Bench-201 space; the defaults are the published networks for CIFAR-10.

    Args:
        stem_out_channels: Channels of the stem and the first stack; later stacks double them.
        num_modules_per_stack: Number of cells per stack.
        num_labels: Number of classes.
        image_size: Height and width of the input images.
    """

    stem_out_channels: int = 16
    num_modules_per_stack: int = 5
    num_labels: int = 10
    image_size: int = DATA_SETS["cifar10"].image_size

    image_step = 4
    """Two blocks add a convolution and a pooling of stride 2, whose sizes must agree."""

    def _check(self) -> None:
        check_each(self, a_count, "stem_out_channels", "num_labels")
        a_count("num_modules_per_stack", self.num_modules_per_stack, most=1000)
        self.accepted_input(self.input_shape, argument="image_size")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image of `image_size` pixels per side."""
        return (CHANNELS, self.image_size, self.image_size)

    @property
    def most_blocks(self) -> int:
        """Number of cells of all stacks."""
        return _NUM_STACKS * self.num_modules_per_stack

    @property
    def sharing(self) -> Sharing:
        """Each operation of each edge of each cell has separate weights."""
        cells = (
            stack * (self.num_modules_per_stack + 1) + place
            for stack in range(_NUM_STACKS)
            for place in range(self.num_modules_per_stack)
        )
        return Sharing(
            slots={
                f"cells.{cell}.layers.{target - 1}.{source}": _label(source, target)
                for cell in cells
                for source, target in _EDGES
            }
        )

    def counts(self, sample: object) -> NetworkCounts:
        """Return the counts of the network of a sample, including edges with no effect.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        operations = list(self.choices.validate(sample).values())
        side, width = self.image_size, self.stem_out_channels
        whole = NetworkCounts.convolution(CHANNELS, width, 3, side, norm=True)
        for stack in range(_NUM_STACKS):
            if stack:
                side, before, width = side // 2, width, 2 * width
                whole += NetworkCounts.convolution(before, width, 3, side, norm=True)
                whole += NetworkCounts.convolution(width, width, 3, side, norm=True)
                whole += NetworkCounts.convolution(before, width, 1, side)
            for name, kernel in (("conv_1x1", 1), ("conv_3x3", 3)):
                edge = NetworkCounts.convolution(width, width, kernel, side, norm=True)
                whole += edge.times(operations.count(name) * self.num_modules_per_stack)
        labels = self.num_labels
        last = NetworkCounts(2 * width + (width + 1) * labels, width * labels, labels)
        return whole + last

    def computes(self, sample: object) -> str:
        """Return the key of the isomorphism class of a cell (Dong & Yang 2020, section 2).

        A node's key is its sorted edges; `#` is an edge that is always 0, and a skip is its source.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        values = self.choices.validate(sample)
        nodes = ["0"]
        for target in range(1, _NUM_TENSORS):
            edges = (_edge(nodes[s], str(values[_label(s, target)])) for s in range(target))
            nodes.append("+".join(sorted(edges)))
        return nodes[-1]

    def _choices(self) -> SearchSpace:
        edges = (LayerChoice(_label(*edge), _OPERATIONS) for edge in _EDGES)
        return SearchSpace("NasBench201", tuple(edges))

    def _network(self, values: Sample) -> nn.Module:
        from model_hub.spaces.nasbench201_network import NasBench201Network

        return NasBench201Network(
            {edge: values[_label(*edge)] for edge in _EDGES},
            channels=self.stem_out_channels,
            cells_per_stack=self.num_modules_per_stack,
            num_labels=self.num_labels,
        )


def _label(source: int, target: int) -> str:
    return f"cell/{source}_{target}"


def _edge(source: str, operation: str) -> str:
    if operation == "none" or source == "#":
        return "#"
    return source if operation == "skip_connect" else f"({source})@{operation}"
