"""NAS-Bench-101: any small acyclic graph as a cell (Ying et al. 2019, arXiv:1902.09635).

A cell has up to seven vertices, including input and output, and up to nine edges. Vertices that are
not on a path from input to output are pruned before the network is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from model_hub.arguments import a_count, a_share, check_each
from model_hub.cells import CONV1X1, CONV3X3, MAXPOOL3X3, CellGraph
from model_hub.choices import (
    Categorical,
    Choice,
    Chosen,
    Derived,
    LayerChoice,
    Sample,
    Subset,
    When,
)
from model_hub.data_sets import CHANNELS, DATA_SETS, LARGEST_SIDE
from model_hub.errors import InvalidSampleError
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import SLICED, Sharing, View

if TYPE_CHECKING:
    from torch import nn

__all__ = ["OUTPUT", "NasBench101"]

OUTPUT: Final = "out"
"""Name under which a supernet stores the projection of the input to the output vertex."""


@dataclass(frozen=True, kw_only=True)
class NasBench101(ModelSpace):
    """The NAS-Bench-101 space; the defaults are the published networks.

    Args:
        stem_out_channels: Channels of the stem and the first stack; later stacks double them.
        num_stacks: Number of stacks; the resolution is halved between them.
        num_modules_per_stack: Number of cells per stack.
        max_num_vertices: Largest number of vertices of a cell, including input and output.
        max_num_edges: Largest number of edges of a cell, before pruning.
        num_labels: Number of classes.
        image_size: Height and width of the input images.
        bn_eps: Epsilon of every batch norm.
        bn_momentum: Momentum of every batch norm.
    """

    stem_out_channels: int = 128
    num_stacks: int = 3
    num_modules_per_stack: int = 3
    max_num_vertices: int = 7
    max_num_edges: int = 9
    num_labels: int = 10
    image_size: int = DATA_SETS["cifar10"].image_size
    bn_eps: float = 1e-5
    bn_momentum: float = 0.003

    def _check(self) -> None:
        check_each(self, a_count, "stem_out_channels", "max_num_edges", "num_labels")
        a_count("num_stacks", self.num_stacks, most=10)
        a_count("num_modules_per_stack", self.num_modules_per_stack, most=1000)
        a_count("max_num_vertices", self.max_num_vertices, least=2, most=20)
        a_count("image_size", self.image_size, most=LARGEST_SIDE)
        check_each(self, a_share, "bn_eps", "bn_momentum")

    @property
    def least_side(self) -> int:
        """Smallest image side that leaves a pixel: each stack but the first halves it."""
        return 1 << (self.num_stacks - 1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image of `image_size` pixels per side."""
        return (CHANNELS, self.image_size, self.image_size)

    def canonical(self, sample: object) -> dict[str, Chosen]:
        """Return the sample of the pruned cell, from which the network is built.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        graph = CellGraph.from_dict(self.choices.resolve(sample)["cell/final"])
        labelled = {f"cell/{key}": value for key, value in graph.to_dict().items()}
        return self.choices.validate({"cell/num_nodes": graph.output + 1} | labelled)

    @property
    def most_blocks(self) -> int:
        """Number of cells of all stacks."""
        return self.num_stacks * self.num_modules_per_stack

    @property
    def most_channels(self) -> int:
        """Channels of the last stack; each stack has twice as many as the previous one."""
        return self.stem_out_channels << (self.num_stacks - 1)

    @property
    def sharing(self) -> Sharing:
        """Each operation of each vertex of the pruned cell has sliced weights."""
        return Sharing(no_mixture=SLICED)

    def placed(self, values: Sample, name: str) -> tuple[str, View]:
        """Return where a tensor is stored: operations by vertex and name, projections by vertex.

        Vertices are counted after pruning; the projection to the output is stored as `OUTPUT`.
        """
        features, cell, part, *rest = [*name.split("."), "", "", ""]
        vertex, *inside = filter(None, rest) if part in {"ops", "projections"} else ("",)
        if features != "features" or not vertex:
            return name, View()
        graph = CellGraph.from_dict(values["cell/final"])
        if part == "ops":
            place = f"{vertex}.{graph.operations[int(vertex) - 1]}"
        else:
            place = OUTPUT if int(vertex) == graph.output else vertex
        return ".".join((features, cell, part, place, *inside)), View()

    def _choices(self) -> SearchSpace:
        pruned = Derived("cell/final", partial(_pruned_cell, max_num_edges=self.max_num_edges))
        return SearchSpace("NasBench101", tuple(_cell_choices(self.max_num_vertices)), (pruned,))

    def _network(self, values: Sample) -> nn.Module:
        from torch import nn

        from model_hub.spaces.nasbench101_network import NasBench101Network

        return NasBench101Network(
            CellGraph.from_dict(values["cell/final"]),
            channels=self.stem_out_channels,
            num_stacks=self.num_stacks,
            cells_per_stack=self.num_modules_per_stack,
            num_labels=self.num_labels,
            norm=partial(nn.BatchNorm2d, eps=self.bn_eps, momentum=self.bn_momentum),
        )


def _cell_choices(max_num_vertices: int) -> Iterator[Choice]:
    """Yield the choices of a cell; those of a vertex depend on the number of vertices."""
    sizes = tuple(range(2, max_num_vertices + 1))
    yield Categorical("cell/num_nodes", sizes, prior=tuple(float(1 << size) for size in sizes))
    for vertex in range(1, max_num_vertices - 1):
        larger = When("cell/num_nodes", tuple(size for size in sizes if size > vertex + 1))
        yield LayerChoice(f"cell/op{vertex}", (CONV3X3, CONV1X1, MAXPOOL3X3), larger)
    for vertex in range(1, max_num_vertices):
        large = When("cell/num_nodes", tuple(size for size in sizes if size > vertex))
        yield Subset(f"cell/input{vertex}", tuple(range(vertex)), large)


def _pruned_cell(sample: Sample, max_num_edges: int) -> dict[str, Any]:
    """Return the pruned cell of a sample, in the form that queries of the benchmark take.

    Raises:
        InvalidSampleError: The cell has too many edges, or no path from input to output.
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
