"""The supernet of NAS-Bench-101: every operation at every vertex of a pruned cell.

The edges of a cell are choices, and the widths of its vertices follow from them. A vertex therefore
has the weights of each operation at the largest width, and runs a slice of the chosen ones.
Vertices are numbered after pruning, so cells that prune to the same graph share all weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from model_hub.cells import CONV1X1, CONV3X3, MAXPOOL3X3, CellGraph
from model_hub.choices import Chosen
from model_hub.spaces.nasbench101 import OUTPUT, NasBench101
from model_hub.spaces.nasbench101_network import (
    ConvBNReLU,
    NasBench101Cell,
    NasBench101Network,
    initialize_truncated,
)
from nas_search.oneshot.plans import Plan
from nas_search.oneshot.sliced import slice_layers

__all__ = ["GraphCell", "GraphPlan", "build_graphs"]

_OPERATIONS = (CONV3X3, CONV1X1, MAXPOOL3X3)


class GraphCell(NasBench101Cell):
    """A cell whose graph can be changed through `graph` and `channels`.

    Args:
        cell: A cell of the right widths, without vertices between input and output.
        num_vertices: The most vertices between input and output.
    """

    def __init__(self, cell: NasBench101Cell, num_vertices: int) -> None:
        nn.Module.__init__(self)
        self.graph, self.channels = cell.graph, cell.channels
        projection = cell.projections[str(cell.graph.output)]
        convolution = projection.get_submodule("conv_bn_relu.0")
        assert isinstance(convolution, nn.Conv2d)  # noqa: S101 - by construction
        entering, channels = convolution.in_channels, convolution.out_channels
        chains = [
            [
                NasBench101Cell(
                    CellGraph((name,), ((), (0,), (1,))), entering, channels, _norm_like(projection)
                )
                for name in _OPERATIONS
            ]
            for _ in range(num_vertices)
        ]
        numbered = [(str(vertex), chain) for vertex, chain in enumerate(chains, start=1)]
        self.projections = nn.ModuleDict(
            {OUTPUT: projection} | {v: chain[0].projections["1"] for v, chain in numbered}
        )
        self.ops = nn.ModuleDict(
            {
                v: nn.ModuleDict(
                    {name: one.ops["1"] for name, one in zip(_OPERATIONS, chain, strict=True)}
                )
                for v, chain in numbered
            }
        )

    def _applied(self, vertex: int, x: Tensor) -> Tensor:
        candidates: Any = self.ops[str(vertex)]
        return self._sized(candidates[self.graph.operations[vertex - 1]], vertex, x)

    def _projected(self, vertex: int, x: Tensor) -> Iterator[Tensor]:
        if 0 in self.graph.predecessors[vertex]:
            name = OUTPUT if vertex == self.graph.output else str(vertex)
            yield self._sized(self.projections[name], vertex, x)

    def _sized(self, operation: Any, vertex: int, x: Tensor) -> Tensor:
        """Apply an operation with the number of channels of a vertex."""
        if isinstance(operation, ConvBNReLU):
            operation.conv_bn_relu[0].__dict__["channels"] = self.channels[vertex]
        y: Tensor = operation(x)
        return y


def _norm_like(projection: nn.Module) -> Any:
    """Return a function that makes a norm with the settings of a projection's norm."""
    norm = projection.get_submodule("conv_bn_relu.1")
    assert isinstance(norm, nn.BatchNorm2d)  # noqa: S101 - the space has no other
    return lambda channels: nn.BatchNorm2d(channels, eps=norm.eps, momentum=norm.momentum)


class GraphPlan(Plan):
    """The plan of NAS-Bench-101, whose cells are not mixed.

    Args:
        cells: All cells of the network, each with the channels of its output vertex.
    """

    def __init__(self, cells: list[tuple[GraphCell, int]]) -> None:
        super().__init__({})
        self.cells = cells

    def activate(self, values: Mapping[str, Any]) -> None:
        """Activate the pruned cell of a sample."""
        graph = CellGraph.from_dict(values["cell/final"])
        widths = {channels: graph.channels(channels) for _, channels in self.cells}
        for cell, channels in self.cells:
            cell.__dict__["graph"], cell.__dict__["channels"] = graph, widths[channels]

    def mix(self, weights: Mapping[str, Tensor]) -> None:
        """Do nothing, as there are no mixtures."""

    def decode(self, probabilities: Mapping[str, Tensor]) -> dict[str, Chosen]:  # noqa: ARG002
        """Return an empty sample, as there are no mixtures."""
        return {}


def build_graphs(space: NasBench101) -> tuple[nn.Module, Plan]:
    """Return a network of `GraphCell`s, and the plan that controls them.

    Raises:
        TooLargeError: The network does not fit into memory.
    """
    network = space.freeze({"cell/num_nodes": 2, "cell/input1": [0]})
    assert isinstance(network, NasBench101Network)  # noqa: S101 - by construction
    cells = []
    for name, cell in network.features.named_children():
        if isinstance(cell, NasBench101Cell):
            channels = cell.channels[-1]
            made = GraphCell(cell, space.max_num_vertices - 2)
            setattr(network.features, name, made)
            cells.append((made, channels))
    initialize_truncated(network)
    slice_layers(network)
    return network, GraphPlan(cells)
