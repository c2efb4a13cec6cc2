"""Pictures of cells as SVG, for pages, papers and notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

from model_hub.benchmark_rows import locate
from model_hub.cell_layout import Arrow, CellDiagram, Vertex, arranged
from model_hub.cells import CELLS, CellGraph
from model_hub.choices import Sample
from model_hub.drawing import Theme, layouts_svg
from model_hub.errors import InvalidArgumentError
from model_hub.model_space import ModelSpace
from model_hub.spaces.nasbench101 import NasBench101
from model_hub.spaces.nasbench201 import NasBench201
from model_hub.spaces.nasnet import CellNetworkSpace

__all__ = ["cell_svg", "diagrams"]


def cell_svg(item: object, sample: object = None, *, theme: Theme = "light") -> str:
    """Return a picture of the cells of a network as SVG text.

    A NAS-Bench-101 cell is drawn after pruning, a NAS-Bench-201 cell with its three sums, and a
    network of normal and reduction cells with both cells, where `cell k-1` is the previous cell.

        Path("cell.svg").write_text(cell_svg(row))

    Args:
        item: A space, or a row of a benchmark; see `build`.
        sample: The sample, if `item` is a space.
        theme: `light` or `dark`.

    Raises:
        InvalidArgumentError: Networks of the space have no cells, or the row is invalid.
        InvalidSampleError: The sample is not in the space.
    """
    if isinstance(item, ModelSpace):
        if sample is None:
            raise InvalidArgumentError("sample", "to draw a network of a space, pass a sample")
        space: ModelSpace = item
    else:
        space, sample = locate(item)
    values = space.choices.resolve(sample)
    layouts = [arranged(diagram) for diagram in diagrams(space, values)]
    return layouts_svg(layouts, theme=theme)


@singledispatch
def diagrams(space: ModelSpace, values: Sample) -> Iterator[CellDiagram]:  # noqa: ARG001 - used by spaces with cells
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
