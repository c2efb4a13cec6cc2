"""NAS-Bench-101: any small acyclic graph as a cell (Ying et al. 2019, arXiv:1902.09635).

A cell has up to seven vertices, input and output among them, and up to nine edges. Vertices on no
path from input to output compute nothing and are pruned before the network is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import Any, Final

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count, a_number
from model_hub.blocks.mobile import NormFactory
from model_hub.choices import Categorical, Choice, Derived, LayerChoice, Sample, Subset, When
from model_hub.errors import InvalidSampleError
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace

__all__ = ["Cell", "CellGraph", "NasBench101", "NasBench101Network"]

CONV3X3: Final = "conv3x3-bn-relu"
CONV1X1: Final = "conv1x1-bn-relu"
MAXPOOL3X3: Final = "maxpool3x3"


@dataclass(frozen=True, kw_only=True)
class NasBench101(ModelSpace):
    """The NAS-Bench-101 space; the defaults are the published networks.

    Args:
        stem_out_channels: Channels of the stem and of the first stack; each further stack doubles.
        num_stacks: Stacks; the resolution is halved between them.
        num_modules_per_stack: Cells of a stack.
        max_num_vertices: Of a cell, input and output among them.
        max_num_edges: Of a cell, before it is pruned.
        num_labels: Classes.
        bn_eps: Of every batch norm.
        bn_momentum: Of every batch norm.
    """

    stem_out_channels: int = 128
    num_stacks: int = 3
    num_modules_per_stack: int = 3
    max_num_vertices: int = 7
    max_num_edges: int = 9
    num_labels: int = 10
    bn_eps: float = 1e-5
    bn_momentum: float = 0.003

    def _check(self) -> None:
        a_count("stem_out_channels", self.stem_out_channels)
        a_count("num_stacks", self.num_stacks, most=10)
        a_count("num_modules_per_stack", self.num_modules_per_stack, most=1000)
        a_count("max_num_vertices", self.max_num_vertices, least=2, most=20)
        a_count("max_num_edges", self.max_num_edges)
        a_count("num_labels", self.num_labels)
        a_number("bn_eps", self.bn_eps, least=0, most=1)
        a_number("bn_momentum", self.bn_momentum, least=0, most=1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Images of CIFAR."""
        return (3, 32, 32)

    def _choices(self) -> SearchSpace:
        pruned = Derived("cell/final", partial(_pruned_cell, max_num_edges=self.max_num_edges))
        return SearchSpace("NasBench101", tuple(_cell_choices(self.max_num_vertices)), (pruned,))

    def _network(self, values: Sample) -> NasBench101Network:
        return NasBench101Network(
            CellGraph.from_dict(values["cell/final"]),
            channels=self.stem_out_channels,
            num_stacks=self.num_stacks,
            cells_per_stack=self.num_modules_per_stack,
            num_labels=self.num_labels,
            norm=partial(nn.BatchNorm2d, eps=self.bn_eps, momentum=self.bn_momentum),
        )


@dataclass(frozen=True, slots=True)
class CellGraph:
    """The graph of a cell; vertex 0 is the input, the last the output.

    Args:
        operations: Names of the operations of the vertices between.
        predecessors: Per vertex, those that feed it, all of lower number; none feeds the input.
    """

    operations: tuple[str, ...]
    predecessors: tuple[tuple[int, ...], ...]

    @classmethod
    def from_dict(cls, cell: Sample) -> CellGraph:
        """Read a cell spelled {"op1": …, "input1": […], …}."""
        operations = tuple(
            cell[f"op{v}"] for v in range(1, sum(k.startswith("op") for k in cell) + 1)
        )
        inputs = (tuple(cell[f"input{v}"]) for v in range(1, len(operations) + 2))
        return cls(operations, ((), *inputs))

    @property
    def output(self) -> int:
        """Number of the output vertex."""
        return len(self.predecessors) - 1

    @property
    def num_edges(self) -> int:
        """How many edges there are."""
        return sum(map(len, self.predecessors))

    def to_dict(self) -> dict[str, Any]:
        """Spell the cell as {"op1": …, "input1": […], …}."""
        operations = {f"op{v}": name for v, name in enumerate(self.operations, start=1)}
        inputs = {f"input{v}": list(p) for v, p in enumerate(self.predecessors[1:], start=1)}
        return operations | inputs

    def pruned(self) -> CellGraph | None:
        """Return the graph without vertices on no path to the output; None if there is no path."""
        reached = {0}
        for vertex, sources in enumerate(self.predecessors):
            if reached & set(sources):
                reached.add(vertex)
        needed = {self.output}
        for vertex in range(self.output, 0, -1):
            if vertex in needed:
                needed.update(self.predecessors[vertex])
        kept = sorted(reached & needed)
        if not {0, self.output} <= set(kept):
            return None
        number = {old: new for new, old in enumerate(kept)}
        return CellGraph(
            tuple(self.operations[old - 1] for old in kept[1:-1]),
            tuple(tuple(number[p] for p in self.predecessors[old] if p in number) for old in kept),
        )

    def channels(self, out_channels: int) -> list[int]:
        """Return the channels of each vertex but the input, whose place holds 0.

        Vertices that feed the output share its channels, the first ones taking what the division
        leaves; going backwards, each other one is as wide as the widest that it feeds.
        """
        channels = [0] * self.output + [out_channels]
        feeding = [vertex for vertex in self.predecessors[self.output] if vertex]
        for place, vertex in enumerate(feeding):
            share, rest = divmod(out_channels, len(feeding))
            channels[vertex] = share + (place < rest)
        for vertex in range(self.output - 1, 0, -1):
            if vertex not in feeding:
                fed = (t for t in range(self.output) if vertex in self.predecessors[t])
                channels[vertex] = max(channels[target] for target in fed)
        return channels


class NasBench101Network(nn.Module):
    """A network of the space.

    Args:
        cell: The pruned graph of all cells.
        channels: Channels of the first stack.
        num_stacks: Stacks.
        cells_per_stack: Cells of a stack.
        num_labels: Classes.
        norm: Makes each norm.
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
                features.append(Cell(cell, before, channels, norm))
                before = channels
        self.features = nn.Sequential(*features)
        self.classifier = nn.Linear(channels, num_labels)
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        features = self.features(self.stem_conv(x))
        logits: Tensor = self.classifier(features.mean((2, 3)))
        return logits


class Cell(nn.Module):
    """A cell of a pruned graph; it has a projection wherever the input vertex feeds another.

    Args:
        graph: The graph.
        in_channels: Channels of the input vertex.
        out_channels: Channels of the output vertex.
        norm: Makes each norm.
        candidates: Makes each operation at a width, by name; by default those of the benchmark.

    Raises:
        InvalidSampleError: An operation of the graph is no candidate.
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
                    f"{name!r} is no operation; the candidates are {', '.join(known)}",
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
            values.append(self.ops[str(vertex)](self._sum(vertex, values)))
        feeding = [values[source] for source in self.graph.predecessors[-1] if source]
        joined = [torch.cat(feeding, 1)] if feeding else []
        return _total([*joined, *self._projected(self.graph.output, x)])

    def _sum(self, vertex: int, values: list[Tensor]) -> Tensor:
        """Add up what feeds a vertex, each cut to the vertex's channels."""
        width = self.channels[vertex]
        sources = (source for source in self.graph.predecessors[vertex] if source)
        cut = [values[source][:, :width] for source in sources]
        return _total([*cut, *self._projected(vertex, values[0])])

    def _projected(self, vertex: int, x: Tensor) -> Iterator[Tensor]:
        if str(vertex) in self.projections:
            yield self.projections[str(vertex)](x)


class ConvBNReLU(nn.Module):
    """A convolution without bias that keeps the size, a norm and a ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd.
        norm: Makes the norm.
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
        """Apply the three."""
        y: Tensor = self.conv_bn_relu(x)
        return y


def _cell_choices(max_num_vertices: int) -> Iterator[Choice]:
    """Yield the choices of a cell; those of a vertex matter where there is such a vertex."""
    sizes = tuple(range(2, max_num_vertices + 1))
    yield Categorical("cell/num_nodes", sizes, prior=tuple(float(1 << size) for size in sizes))
    for vertex in range(1, max_num_vertices - 1):
        larger = When("cell/num_nodes", tuple(size for size in sizes if size > vertex + 1))
        yield LayerChoice(f"cell/op{vertex}", (CONV3X3, CONV1X1, MAXPOOL3X3), larger)
    for vertex in range(1, max_num_vertices):
        large = When("cell/num_nodes", tuple(size for size in sizes if size > vertex))
        yield Subset(f"cell/input{vertex}", tuple(range(vertex)), large)


def _pruned_cell(sample: Sample, max_num_edges: int) -> dict[str, Any]:
    """Return the pruned cell of a sample, as the benchmark is asked for it.

    Raises:
        InvalidSampleError: It has too many edges, or no path from input to output.
    """
    cell = {key.removeprefix("cell/"): value for key, value in sample.items()}
    graph = CellGraph.from_dict(cell)
    if graph.num_edges > max_num_edges:
        raise InvalidSampleError(
            "cell/final", f"the cell has {graph.num_edges} edges; {max_num_edges} are allowed"
        )
    pruned = graph.pruned()
    if pruned is None:
        raise InvalidSampleError("cell/final", "the cell has no path from input to output")
    return pruned.to_dict()


def _candidates(norm: NormFactory) -> dict[str, Callable[[int], nn.Module]]:
    return {
        CONV3X3: lambda channels: ConvBNReLU(channels, channels, 3, norm),
        CONV1X1: lambda channels: ConvBNReLU(channels, channels, 1, norm),
        MAXPOOL3X3: lambda _: nn.MaxPool2d(3, 1, 1),
    }


def _total(terms: list[Tensor]) -> Tensor:
    return sum(terms[1:], terms[0])


def _initialize(network: nn.Module) -> None:
    """Draw convolutions of variance 1 / fan-in, cut at two standard deviations."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            std = sqrt(1 / (module.weight[0].numel()))
            nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
