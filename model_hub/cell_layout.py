"""Layout of the picture of a cell: positions of boxes and lines.

Vertices are in columns by depth; the operations that feed a vertex are boxes to its left. A value
that is used beyond the next column has a lane through the columns between, so that lines cross no
boxes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

__all__ = ["Arrow", "Box", "CellDiagram", "Layout", "Line", "Vertex", "arranged"]

_CHARACTER: Final = 7.3
"""Width of a character of the picture's font."""

_BOX_HEIGHT: Final = 24.0
_BOX_PADDING: Final = 10.0
_ROW: Final = 32.0
"""Height of an operation including its spacing."""

_LANE: Final = 12.0
_BETWEEN_ROWS: Final = 14.0
_BEFORE_VERTEX: Final = 28.0
"""Distance from operations to the vertex that they feed."""

_BETWEEN_COLUMNS: Final = 64.0


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge to a vertex.

    Args:
        source: Number of the vertex where it starts.
        operation: Name of the operation on the edge, if any.
    """

    source: int
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class Vertex:
    """A value in a cell.

    Args:
        name: Text of the vertex.
        arrows: Its incoming edges.
    """

    name: str
    arrows: tuple[Arrow, ...] = ()


@dataclass(frozen=True, slots=True)
class CellDiagram:
    """The graph of a cell to draw.

    Args:
        title: Title of the picture.
        vertices: The vertices in topological order.
    """

    title: str
    vertices: tuple[Vertex, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """The box of a vertex or an operation; x and y are its upper left corner."""

    text: str
    x: float
    y: float
    width: float
    is_vertex: bool

    height: float = _BOX_HEIGHT

    @property
    def middle(self) -> float:
        """Vertical centre of the box."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Line:
    """A line from left to right, horizontal up to `bend` and then curved to its end.

    `carries` is the operation at one of its ends, if any.
    """

    start: tuple[float, float]
    bend: float
    end: tuple[float, float]
    carries: str | None
    has_head: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes and lines of a picture, and its size."""

    title: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


def arranged(diagram: CellDiagram) -> Layout:
    """Return the layout of a cell."""
    return _Arrangement(diagram).layout()


@dataclass(frozen=True, slots=True)
class _Item:
    """An item of a column: a vertex, or the lane of an earlier vertex."""

    vertex: int
    is_lane: bool


class _Arrangement:
    def __init__(self, diagram: CellDiagram) -> None:
        self._diagram = diagram
        self._vertices = diagram.vertices
        self._columns = self._ordered(self._filled())
        self._lefts = list(self._left_sides())

    def layout(self) -> Layout:
        boxes = [box for number in range(len(self._vertices)) for box in self._boxes(number)]
        last = len(self._columns) - 1
        return Layout(
            self._diagram.title,
            tuple(boxes),
            tuple(self._lines()),
            self._lefts[last] + self._column_width(last),
            self._height,
        )

    @cached_property
    def _depths(self) -> list[int]:
        depths: list[int] = []
        for vertex in self._vertices:
            depths.append(max((depths[a.source] + 1 for a in vertex.arrows), default=0))
        return depths

    def _filled(self) -> list[list[_Item]]:
        """Return the items of each column: its vertices, and the lanes through it."""
        columns: list[list[_Item]] = [[] for _ in range(max(self._depths) + 1)]
        for number, depth in enumerate(self._depths):
            columns[depth].append(_Item(number, is_lane=False))
            uses = [
                self._depths[user]
                for user, vertex in enumerate(self._vertices)
                if any(arrow.source == number for arrow in vertex.arrows)
            ]
            for column in range(depth + 1, max(uses, default=0)):
                columns[column].append(_Item(number, is_lane=True))
        return columns

    def _ordered(self, columns: list[list[_Item]]) -> list[list[_Item]]:
        """Sort the items of each column by the mean position of their sources."""
        for column, before in zip(columns[1:], columns, strict=False):
            places = {item.vertex: place for place, item in enumerate(before)}
            column.sort(key=lambda item: self._place(item, places))
        return columns

    def _place(self, item: _Item, before: dict[int, int]) -> float:
        """Return the mean position of the sources of an item."""
        if item.is_lane:
            return before[item.vertex]
        sources = [arrow.source for arrow in self._vertices[item.vertex].arrows]
        return sum(before[source] for source in sources) / max(1, len(sources))

    def _left_sides(self) -> Iterator[float]:
        left = 0.0
        for column in range(len(self._columns)):
            yield left
            left += self._column_width(column) + _BETWEEN_COLUMNS

    def _column_width(self, column: int) -> float:
        widths = (
            self._offset(column) * bool(_operations(vertex)) + _width(vertex.name)
            for vertex in self._standing(column)
        )
        return max(widths)

    def _offset(self, column: int) -> float:
        """Return the horizontal distance between operations and vertices of a column."""
        names = [name for vertex in self._standing(column) for name in _operations(vertex)]
        return max(map(_width, names), default=-_BEFORE_VERTEX) + _BEFORE_VERTEX

    def _standing(self, column: int) -> list[Vertex]:
        return [self._vertices[item.vertex] for item in self._columns[column] if not item.is_lane]

    @cached_property
    def _height(self) -> float:
        return max(map(self._column_height, self._columns))

    def _column_height(self, column: Sequence[_Item]) -> float:
        return sum(map(self._item_height, column)) + _BETWEEN_ROWS * (len(column) - 1)

    def _item_height(self, item: _Item) -> float:
        rows = len(_operations(self._vertices[item.vertex]))
        return _LANE if item.is_lane else _ROW * max(1, rows)

    @cached_property
    def _middles(self) -> list[dict[int, float]]:
        """Vertical centres of the items of each column, by vertex."""
        middles: list[dict[int, float]] = []
        for column in self._columns:
            top = (self._height - self._column_height(column)) / 2
            here: dict[int, float] = {}
            for item in column:
                here[item.vertex] = top + self._item_height(item) / 2
                top += self._item_height(item) + _BETWEEN_ROWS
            middles.append(here)
        return middles

    def _boxes(self, number: int) -> Iterator[Box]:
        """Yield the box of a vertex, then those of its operations from top to bottom."""
        vertex, column = self._vertices[number], self._depths[number]
        middle, left = self._middles[column][number], self._lefts[column]
        operations = _operations(vertex)
        offset = self._offset(column) if operations else 0.0
        y = middle - _BOX_HEIGHT / 2
        yield Box(vertex.name, left + offset, y, _width(vertex.name), is_vertex=True)
        first = y - _ROW * (len(operations) - 1) / 2
        for row, name in enumerate(operations):
            yield Box(name, left, first + _ROW * row, _width(name), is_vertex=False)

    def _lines(self) -> Iterator[Line]:
        for number, vertex in enumerate(self._vertices):
            own, *operations = self._boxes(number)
            entries = iter(operations)
            for arrow in vertex.arrows:
                entry = own if arrow.operation is None else next(entries)
                yield from self._way(arrow.source, number, entry, arrow.operation)
                if entry is not own:
                    ends = (entry.x + entry.width, entry.middle), (own.x, own.middle)
                    yield Line(ends[0], ends[0][0], ends[1], arrow.operation, has_head=True)

    def _way(self, source: int, target: int, entry: Box, operation: str | None) -> Iterator[Line]:
        """Yield the lines from a vertex, along its lanes, to a box of another vertex."""
        box = next(self._boxes(source))
        start = (box.x + box.width, box.middle)
        columns = range(self._depths[source], self._depths[target])
        for column in columns:
            side = self._lefts[column] + self._column_width(column)
            following = column + 1
            is_last = following == self._depths[target]
            y = entry.middle if is_last else self._middles[following][source]
            end = (entry.x if is_last else self._lefts[following], y)
            yield Line(start, side, end, operation if is_last else None, has_head=is_last)
            start = end


def _operations(vertex: Vertex) -> list[str]:
    return [arrow.operation for arrow in vertex.arrows if arrow.operation is not None]


def _width(text: str) -> float:
    return _CHARACTER * len(text) + 2 * _BOX_PADDING
