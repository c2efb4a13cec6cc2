"""The networks of NAS-Bench-101: stacks of one cell (Ying et al. 2019, arXiv:1902.09635)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import sqrt

import torch
from torch import Tensor, nn

from model_hub.blocks.mobile import NormFactory
from model_hub.cells import CONV1X1, CONV3X3, MAXPOOL3X3, CellGraph
from model_hub.errors import InvalidSampleError

__all__ = ["ConvBNReLU", "NasBench101Cell", "NasBench101Network", "initialize_truncated"]


class NasBench101Network(nn.Module):
    """A network of the NAS-Bench-101 space.

    Args:
        cell: Pruned graph of all cells.
        channels: Channels of the first stack.
        num_stacks: Number of stacks.
        cells_per_stack: Number of cells per stack.
        num_labels: Number of classes.
        norm: Creates each norm layer.
    """

    def __init__(
        self,
        cell: CellGraph,
        *,
        channels: int,
        num_stacks: int,
        cells_per_stack: int,
        num_labels: int,
        norm: NormFactory,
    ) -> None:
        super().__init__()
        self.stem_conv = ConvBNReLU(3, channels, 3, norm)
        features: list[nn.Module] = []
        before = channels
        for stack in range(num_stacks):
            if stack:
                features.append(nn.MaxPool2d(2))
                channels *= 2
            for _ in range(cells_per_stack):
                features.append(NasBench101Cell(cell, before, channels, norm))
                before = channels
        self.features = nn.Sequential(*features)
        self.classifier = nn.Linear(channels, num_labels)
        initialize_truncated(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        features = self.features(self.stem_conv(x))
        logits: Tensor = self.classifier(features.mean((2, 3)))
        return logits


class NasBench101Cell(nn.Module):
    """A cell of a pruned graph, with a projection on each edge from the input vertex.

    Args:
        graph: The pruned graph.
        in_channels: Channels of the input vertex.
        out_channels: Channels of the output vertex.
        norm: Creates each norm layer.
        candidates: Factories of the operations by name, given channels; default: the benchmark's.

    Raises:
        InvalidSampleError: An operation of the graph is not a candidate.
    """

    def __init__(
        self,
        graph: CellGraph,
        in_channels: int,
        out_channels: int,
        norm: NormFactory = nn.BatchNorm2d,
        *,
        candidates: Mapping[str, Callable[[int], nn.Module]] | None = None,
    ) -> None:
        super().__init__()
        known = _candidates(norm) if candidates is None else candidates
        for vertex, name in enumerate(graph.operations, start=1):
            if name not in known:
                raise InvalidSampleError(
                    f"op{vertex}",
                    f"{name!r} is not an operation; the candidates are {', '.join(known)}",
                )
        self.graph = graph
        self.channels = graph.channels(out_channels)
        self.projections = nn.ModuleDict(
            {
                str(vertex): ConvBNReLU(in_channels, self.channels[vertex], 1, norm)
                for vertex, sources in enumerate(graph.predecessors)
                if 0 in sources
            }
        )
        self.ops = nn.ModuleDict(
            {
                str(vertex): known[name](self.channels[vertex])
                for vertex, name in enumerate(graph.operations, start=1)
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the output vertex (batch, out_channels, height, width)."""
        values = [x]
        for vertex in range(1, self.graph.output):
            values.append(self._applied(vertex, self._sum(vertex, values)))
        feeding = [values[source] for source in self.graph.predecessors[-1] if source]
        joined = [torch.cat(feeding, 1)] if feeding else []
        return _total([*joined, *self._projected(self.graph.output, x)])

    def _sum(self, vertex: int, values: list[Tensor]) -> Tensor:
        """Return the sum of the inputs of a vertex, each cut to the channels of the vertex."""
        width = self.channels[vertex]
        sources = (source for source in self.graph.predecessors[vertex] if source)
        cut = [values[source][:, :width] for source in sources]
        return _total([*cut, *self._projected(vertex, values[0])])

    def _applied(self, vertex: int, x: Tensor) -> Tensor:
        y: Tensor = self.ops[str(vertex)](x)
        return y

    def _projected(self, vertex: int, x: Tensor) -> Iterator[Tensor]:
        if str(vertex) in self.projections:
            yield self.projections[str(vertex)](x)


class ConvBNReLU(nn.Module):
    """A same-size convolution without bias, a norm and a ReLU.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        kernel_size: Kernel size, odd.
        norm: Creates the norm layer.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, norm: NormFactory
    ) -> None:
        super().__init__()
        self.conv_bn_relu = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
            norm(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three layers in order."""
        y: Tensor = self.conv_bn_relu(x)
        return y


def _candidates(norm: NormFactory) -> dict[str, Callable[[int], nn.Module]]:
    return {
        CONV3X3: lambda channels: ConvBNReLU(channels, channels, 3, norm),
        CONV1X1: lambda channels: ConvBNReLU(channels, channels, 1, norm),
        MAXPOOL3X3: lambda _: nn.MaxPool2d(3, 1, 1),
    }


def _total(terms: list[Tensor]) -> Tensor:
    return sum(terms[1:], terms[0])


def initialize_truncated(network: nn.Module) -> None:
    """Draw convolution weights with variance 1 / fan-in, truncated at two standard deviations."""
    for module in network.modules():
        # On the meta device nothing is drawn, but PyTorch would still spend the time.
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            std = sqrt(1 / (module.weight[0].numel()))
            nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
