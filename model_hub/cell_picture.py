"""Pictures of cells as SVG, for pages, papers and notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any, Final
from xml.etree import ElementTree as ET

from model_hub.benchmark_rows import locate
from model_hub.cell_layout import Arrow, Box, CellDiagram, Layout, Line, Vertex, arranged
from model_hub.cells import CELLS, CellGraph
from model_hub.choices import Sample
from model_hub.errors import InvalidArgumentError
from model_hub.model_space import ModelSpace
from model_hub.spaces.nasbench101 import NasBench101
from model_hub.spaces.nasbench201 import NasBench201
from model_hub.spaces.nasnet import CellNetworkSpace

__all__ = ["cell_svg", "diagrams"]

_MARGIN: Final = 16
_TITLE_HEIGHT: Final = 28
_TEXT_DROP: Final = 4
"""From the middle of a line of text down to the line that it stands on."""

_STYLE: Final = (
    "text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1c2430}"
    ".title{font-weight:bold}"
    ".box text{text-anchor:middle}"
    "rect{stroke:#4a5568;fill:#dbe7f7}"
    ".vertex rect{fill:#ffffff}.pool rect{fill:#dff0dc}.skip rect{fill:#ececec}"
    ".none rect{fill:#ffffff;stroke-dasharray:3 3}"
    "path{fill:none;stroke:#4a5568}path.none{stroke-dasharray:3 3}"
    "marker path{fill:#4a5568;stroke:none}"
)
_KINDS: Final = ("pool", "skip", "none")
"""Words in the names of operations that have a look of their own."""


def cell_svg(item: object, sample: object = None) -> str:
    """Return a picture of the cells of a network as SVG text.

    NAS-Bench-101 shows the cell without the vertices that compute nothing; NAS-Bench-201 its three
    sums; a network of normal and reduction cells both, `cell k-1` being the cell before.

        Path("cell.svg").write_text(cell_svg(row))

    Args:
        item: A space, or a row of a benchmark; see `build`.
        sample: With a space, the sample.

    Raises:
        InvalidArgumentError: Networks of the space have no cells, or the row is none.
        InvalidSampleError: The sample is not in the space.
    """
    if isinstance(item, ModelSpace):
        if sample is None:
            raise InvalidArgumentError("sample", "a space is drawn by a sample of it")
        space: ModelSpace = item
    else:
        space, sample = locate(item)
    values = space.choices.resolve(sample)
    return _drawn([arranged(diagram) for diagram in diagrams(space, values)])


def _drawn(layouts: Sequence[Layout]) -> str:
    """Return pictures one below the other."""
    width = max(layout.width for layout in layouts) + 2 * _MARGIN
    height = sum(layout.height + _TITLE_HEIGHT + 2 * _MARGIN for layout in layouts)
    svg = _element(
        None,
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        role="img",
    )
    _element(svg, "title").text = " and ".join(layout.title for layout in layouts)
    _element(svg, "style").text = _STYLE
    _add_arrow_head(svg)
    _element(svg, "rect", width="100%", height="100%", style="fill:#ffffff;stroke:none")
    top = 0.0
    for layout in layouts:
        title = _element(svg, "text", x=_MARGIN, y=top + _TITLE_HEIGHT, **{"class": "title"})
        title.text = layout.title
        shift = f"translate({_MARGIN} {_number(top + _TITLE_HEIGHT + _MARGIN)})"
        panel = _element(svg, "g", transform=shift)
        for line in layout.lines:
            _add_line(panel, line)
        for box in layout.boxes:
            _add_box(panel, box)
        top += layout.height + _TITLE_HEIGHT + 2 * _MARGIN
    return ET.tostring(svg, encoding="unicode")


def _add_arrow_head(svg: ET.Element) -> None:
    marker = _element(
        _element(svg, "defs"),
        "marker",
        id="cell-arrow",
        viewBox="0 0 8 8",
        refX=8,
        refY=4,
        markerWidth=7,
        markerHeight=7,
        orient="auto",
    )
    _element(marker, "path", d="M0 0L8 4L0 8z")


def _add_line(panel: ET.Element, line: Line) -> None:
    (x0, y0), (x1, y1) = line.start, line.end
    pull = (x1 - line.bend) / 2
    numbers = (line.bend + pull, y0, x1 - pull, y1, x1, y1)
    path = f"M{_number(x0)} {_number(y0)}H{_number(line.bend)}C{' '.join(map(_number, numbers))}"
    ends = {"marker-end": "url(#cell-arrow)"} if line.has_head else {}
    _element(panel, "path", d=path, **{"class": _kind(line.carries)}, **ends)


def _add_box(panel: ET.Element, box: Box) -> None:
    kind = "vertex" if box.is_vertex else _kind(box.text)
    group = _element(panel, "g", **{"class": f"box {kind}"})
    _element(group, "rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=5)
    text = _element(group, "text", x=box.x + box.width / 2, y=box.middle + _TEXT_DROP)
    text.text = box.text


def _kind(operation: str | None) -> str:
    return next((kind for kind in _KINDS if kind in (operation or "")), "plain")


def _element(parent: ET.Element | None, tag: str, **attributes: Any) -> ET.Element:
    written = {
        name: value if isinstance(value, str) else _number(value)
        for name, value in attributes.items()
    }
    return ET.Element(tag, written) if parent is None else ET.SubElement(parent, tag, written)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


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
