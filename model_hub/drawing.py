"""SVG pictures of cells, sequences of choices, and widths as bars; in a light or dark theme.

A picture has one `style` element and no such attributes: a policy can allow it by its digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args
from xml.etree import ElementTree as ET

from model_hub.arguments import one_of
from model_hub.cell_layout import Arrow, Box, CellDiagram, Layout, Line, Vertex, arranged

__all__ = ["Bar", "Theme", "bars_svg", "choices_svg", "layouts_svg"]

Theme: TypeAlias = Literal["light", "dark"]

_MARGIN: Final = 16
_TITLE_HEIGHT: Final = 28
_TEXT_DROP: Final = 4
"""Distance from the middle of a line of text to its baseline."""

_BAR_WIDTH: Final = 72
_BAR_GAP: Final = 16
_BAR_HEIGHT: Final = 160
"""Height of the largest bar."""
_LABEL_HEIGHT: Final = 22
_CHARACTER: Final = 7.3
"""Width of a character of the picture's font."""

_SHAPES: Final = (
    "text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
    ".title{font-weight:bold}.box text,.bar text{text-anchor:middle}"
    ".none rect,path.none{stroke-dasharray:3 3}path{fill:none}.paper{stroke:none}"
)
_COLOURS: Final[dict[Theme, dict[str, str]]] = {
    "light": {
        "paper": "#ffffff",
        "text": "#1c2430",
        "line": "#4a5568",
        "plain": "#dbe7f7",
        "pool": "#dff0dc",
        "skip": "#ececec",
    },
    "dark": {
        "paper": "#12161d",
        "text": "#e6eaf0",
        "line": "#9aa6b8",
        "plain": "#24405f",
        "pool": "#244a2b",
        "skip": "#3a3f48",
    },
}
_KINDS: Final = ("pool", "skip", "none")
"""Words in the names of operations with a separate style."""


class Bar(NamedTuple):
    """A bar of a picture: the label below it, and its height as an integer."""

    label: str
    size: int


def layouts_svg(layouts: Sequence[Layout], *, theme: Theme = "light") -> str:
    """Return one SVG picture of several cells, from top to bottom.

    Raises:
        InvalidArgumentError: The theme is unknown.
    """
    width = max(layout.width for layout in layouts) + 2 * _MARGIN
    height = sum(layout.height + _TITLE_HEIGHT + 2 * _MARGIN for layout in layouts)
    title = " and ".join(layout.title for layout in layouts)
    svg = _picture(title, width, height, theme)
    _add_arrow_head(svg)
    top = 0.0
    for layout in layouts:
        panel = _panel(svg, layout.title, top)
        for line in layout.lines:
            _add_line(panel, line)
        for box in layout.boxes:
            _add_box(panel, box)
        top += layout.height + _TITLE_HEIGHT + 2 * _MARGIN
    return ET.tostring(svg, encoding="unicode")


def choices_svg(title: str, choices: Sequence[str], *, theme: Theme = "light") -> str:
    """Return an SVG picture of a sequence of choices from an input to an output.

    Raises:
        InvalidArgumentError: The theme is unknown.
    """
    inner = (Vertex(str(place), (Arrow(place, choice),)) for place, choice in enumerate(choices))
    output = Vertex("output", (Arrow(len(choices)),))
    diagram = CellDiagram(title, (Vertex("input"), *inner, output))
    return layouts_svg([arranged(diagram)], theme=theme)


def bars_svg(title: str, bars: Sequence[Bar], *, theme: Theme = "light") -> str:
    """Return an SVG picture of the widths of a network, from its input to its output.

    Raises:
        InvalidArgumentError: The theme is unknown.
    """
    step = max([_BAR_WIDTH, *(_CHARACTER * len(bar.label) for bar in bars)]) + _BAR_GAP
    width = max(step * len(bars), _CHARACTER * len(title)) + 2 * _MARGIN
    height = _TITLE_HEIGHT + _BAR_HEIGHT + 2 * _LABEL_HEIGHT + 2 * _MARGIN
    svg = _picture(title, width, height, theme)
    panel = _panel(svg, title, 0.0)
    largest = max([1, *(bar.size for bar in bars)])
    bottom = _LABEL_HEIGHT + _BAR_HEIGHT
    for place, bar in enumerate(bars):
        middle = step * place + step / 2
        tall = _BAR_HEIGHT * bar.size / largest
        group = _element(panel, "g", **{"class": "bar plain"})
        left = middle - _BAR_WIDTH / 2
        _element(group, "rect", x=left, y=bottom - tall, width=_BAR_WIDTH, height=tall, rx=3)
        _element(group, "text", x=middle, y=bottom - tall - 6).text = str(bar.size)
        _element(group, "text", x=middle, y=bottom + _LABEL_HEIGHT - 6).text = bar.label
    return ET.tostring(svg, encoding="unicode")


def _picture(title: str, width: float, height: float, theme: Theme) -> ET.Element:
    """Return an empty picture with title, style and background."""
    colours = _COLOURS[one_of("theme", theme, get_args(Theme))]
    svg = _element(
        None,
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        role="img",
    )
    _element(svg, "title").text = title
    _element(svg, "style").text = _style(colours)
    _element(svg, "rect", width="100%", height="100%", **{"class": "paper"})
    return svg


def _style(colours: dict[str, str]) -> str:
    fills = {kind: colours.get(kind, colours["paper"]) for kind in ("vertex", *_KINDS)}
    return (
        f"text{{fill:{colours['text']}}}path{{stroke:{colours['line']}}}"
        f"rect{{stroke:{colours['line']};fill:{colours['plain']}}}"
        + "".join(f".{kind} rect{{fill:{fill}}}" for kind, fill in fills.items())
        + _SHAPES
        + f".paper{{fill:{colours['paper']}}}marker path{{fill:{colours['line']};stroke:none}}"
    )


def _panel(svg: ET.Element, title: str, top: float) -> ET.Element:
    """Add a title to a picture and return the group for the content below it."""
    text = _element(svg, "text", x=_MARGIN, y=top + _TITLE_HEIGHT, **{"class": "title"})
    text.text = title
    shift = f"translate({_MARGIN} {_number(top + _TITLE_HEIGHT + _MARGIN)})"
    return _element(svg, "g", transform=shift)


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
