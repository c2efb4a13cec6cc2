"""What a picture of a cell shows: vertices, and which operation leads from one to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch

from model_hub.cell_graph import CellGraph
from model_hub.choices import Sample
from model_hub.errors import InvalidArgumentError
from model_hub.genotype import CELLS
from model_hub.model_space import ModelSpace
from model_hub.spaces.nasbench101 import NasBench101
from model_hub.spaces.nasbench201 import NasBench201
from model_hub.spaces.nasnet import CellNetworkSpace

__all__ = ["Arrow", "CellDiagram", "Vertex", "diagrams"]


@dataclass(frozen=True, slots=True)
class Arrow:
    """What feeds a vertex.

    Args:
        source: Number of the vertex it comes from.
        operation: Name of the operation on the way; none if the value goes as it is.
    """

    source: int
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class Vertex:
    """A value in a cell.

    Args:
        name: What to write on it.
        arrows: What feeds it.
    """

    name: str
    arrows: tuple[Arrow, ...] = ()


@dataclass(frozen=True, slots=True)
class CellDiagram:
    """A cell.

    Args:
        title: What to write above it.
        vertices: Each after all that feed it.
    """

    title: str
    vertices: tuple[Vertex, ...]


@singledispatch
def diagrams(space: ModelSpace, values: Sample) -> Iterator[CellDiagram]:  # noqa: ARG001 - for the spaces that have cells
    """Yield the cells of a resolved sample of a space.

    Raises:
        InvalidArgumentError: Networks of the space have no cells.
    """
    raise InvalidArgumentError("space", f"networks of {type(space).__name__} have no cells")


@diagrams.register
def _(_: NasBench101, values: Sample) -> Iterator[CellDiagram]:
    graph = CellGraph.from_dict(values["cell/final"])
    names = ("input", *graph.operations, "output")
    vertices = (
        Vertex(name, tuple(map(Arrow, sources)))
        for name, sources in zip(names, graph.predecessors, strict=True)
    )
    yield CellDiagram("cell", tuple(vertices))


@diagrams.register
def _(_: NasBench201, values: Sample) -> Iterator[CellDiagram]:
    names = ("input", "1", "2", "output")
    vertices = (
        Vertex(name, tuple(Arrow(s, values[f"cell/{s}_{target}"]) for s in range(target)))
        for target, name in enumerate(names)
    )
    yield CellDiagram("cell", tuple(vertices))


@diagrams.register
def _(space: CellNetworkSpace, values: Sample) -> Iterator[CellDiagram]:
    for cell in CELLS:
        genotype = space.genotype(values, cell)
        inputs = [Vertex(f"cell k-{n}") for n in range(genotype.num_inputs, 0, -1)]
        nodes = [
            Vertex(str(state), tuple(Arrow(source, name) for name, source in node))
            for state, node in enumerate(genotype.nodes, genotype.num_inputs)
        ]
        output = Vertex("cell k", tuple(map(Arrow, genotype.concat)))
        yield CellDiagram(f"{cell} cell", (*inputs, *nodes, output))
