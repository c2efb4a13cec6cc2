"""The NAS-Bench-101 cell: a small labelled acyclic graph, stored as one integer.

A cell of V vertices has the input as vertex 0, the output as vertex V - 1, and an operation on
each vertex between them. Edges go from lower to higher vertices only. Seven vertices fit into 34
bits, so that a cell is a cheap dictionary key and a batch of cells a NumPy array:

    bits  0..20   edges: edge i -> j (i < j) is bit j (j - 1) / 2 + i, whatever V is
    bits 21..30   operations: two bits per vertex, vertex 1 lowest
    bits 31..33   V
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "CONV1X1",
    "CONV3X3",
    "EDGE_BITS",
    "MAXPOOL3X3",
    "MAX_EDGES",
    "MAX_VERTICES",
    "OPERATION_NAMES",
    "PUBLISHED_OPERATION_NAMES",
    "VERTEX_COUNT_SHIFT",
    "Cell",
    "edge_bit",
    "operation_shift",
]

MAX_VERTICES = 7
MAX_EDGES = 9

# The labels from which the published hash is computed.
CONV3X3 = 0
CONV1X1 = 1
MAXPOOL3X3 = 2

OPERATION_NAMES = ("conv3x3", "conv1x1", "maxpool")
"""Short names by label, as in the dict form of answers."""

PUBLISHED_OPERATION_NAMES = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""Names by label in the released archive and in the matrix form."""

EDGE_BITS = MAX_VERTICES * (MAX_VERTICES - 1) // 2
VERTEX_COUNT_SHIFT = EDGE_BITS + 2 * (MAX_VERTICES - 2)
_EDGES = (1 << EDGE_BITS) - 1


def edge_bit(source: int, target: int) -> int:
    """Return the position in a code of the edge `source` -> `target`, source < target."""
    return target * (target - 1) // 2 + source


def operation_shift(vertex: int) -> int:
    """Return the position in a code of the two bits of an interior vertex's operation."""
    return EDGE_BITS + 2 * (vertex - 1)


# Tables for decoding millions of cells: position and mask of the sources of each vertex, position
# of the operations, and the vertices in a mask.
_SOURCES = [(edge_bit(0, vertex), (1 << vertex) - 1) for vertex in range(MAX_VERTICES)]
_OPERATION_SHIFTS = [operation_shift(vertex) for vertex in range(1, MAX_VERTICES - 1)]
_MEMBERS = [
    [vertex for vertex in range(MAX_VERTICES) if mask >> vertex & 1]
    for mask in range(1 << (MAX_VERTICES - 1))
]
_SPELLED_KEYS = [
    [f"op{vertex}" for vertex in range(1, size - 1)] + [f"input{v}" for v in range(1, size)]
    for size in range(MAX_VERTICES + 1)
]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as a value: compared and hashed by its matrix, not up to isomorphism.

    The constructor does not check its argument; use `spelling.parse_cell` for untrusted input.

    Args:
        code: The integer of the module docstring.
    """

    code: int

    @classmethod
    def from_predecessors(cls, predecessors: Iterable[int], operations: Sequence[int]) -> Cell:
        """Assemble a cell without checking the arguments.

        Args:
            predecessors: For vertices 1 to V - 1, a mask with bit i set where i feeds the vertex.
            operations: Labels 0 to 2 of vertices 1 to V - 2.
        """
        code = (len(operations) + 2) << VERTEX_COUNT_SHIFT
        for (bit, _), mask in zip(_SOURCES[1:], predecessors, strict=False):
            code |= mask << bit
        for shift, label in zip(_OPERATION_SHIFTS, operations, strict=False):
            code |= label << shift
        return cls(code)

    @property
    def num_vertices(self) -> int:
        """Vertices including input and output, 2 to 7."""
        return self.code >> VERTEX_COUNT_SHIFT

    @property
    def num_edges(self) -> int:
        """Edges, at most 9."""
        return (self.code & _EDGES).bit_count()

    @property
    def predecessors(self) -> tuple[int, ...]:
        """Per vertex, a mask of the vertices that feed it; that of the input is 0."""
        code = self.code
        return tuple([code >> bit & mask for bit, mask in _SOURCES[: code >> VERTEX_COUNT_SHIFT]])

    @property
    def operations(self) -> tuple[int, ...]:
        """Labels of the interior vertices: 0 conv3x3, 1 conv1x1, 2 maxpool3x3."""
        code = self.code
        shifts = _OPERATION_SHIFTS[: (code >> VERTEX_COUNT_SHIFT) - 2]
        return tuple([code >> shift & 3 for shift in shifts])

    @property
    def on_path(self) -> int:
        """Mask of the vertices on some path from input to output; 0 when there is no path."""
        predecessors = self.predecessors
        reached = 1
        for vertex, mask in enumerate(predecessors):
            if mask & reached:
                reached |= 1 << vertex
        needed = 1 << (self.num_vertices - 1)
        for vertex in reversed(range(self.num_vertices)):
            if needed >> vertex & 1:
                needed |= predecessors[vertex]
        kept = reached & needed
        return kept if kept & 1 else 0

    @property
    def is_pruned(self) -> bool:
        """Whether every vertex lies on a path from input to output."""
        return self.on_path == (1 << self.num_vertices) - 1

    def pruned(self) -> Cell:
        """Return the cell without the vertices that lie on no path from input to output.

        Raises:
            ValueError: The output cannot be reached from the input.
        """
        kept = self.on_path
        if not kept:
            raise ValueError(f"{self} has no path from input to output")
        if kept == (1 << self.num_vertices) - 1:
            return self
        return self.reordered([v for v in range(self.num_vertices) if kept >> v & 1])

    def reordered(self, vertices: Sequence[int]) -> Cell:
        """Return the subgraph on `vertices`, renumbered in this order.

        Args:
            vertices: Distinct vertices, first the input, last the output, in an order in which all
                edges between them go forward.
        """
        predecessors = self.predecessors
        masks = [
            sum((predecessors[old] >> source & 1) << new for new, source in enumerate(vertices))
            for old in vertices[1:]
        ]
        operations = self.operations
        return Cell.from_predecessors(masks, [operations[old - 1] for old in vertices[1:-1]])

    def __str__(self) -> str:
        return str(self.to_dict())

    def to_dict(self) -> dict[str, str | list[int]]:
        """Return the form {"op1": …, "input1": …}: short names, ascending source vertices."""
        code = self.code
        size = code >> VERTEX_COUNT_SHIFT
        spelled: list[str | list[int]] = [
            OPERATION_NAMES[code >> shift & 3] for shift in _OPERATION_SHIFTS[: size - 2]
        ]
        spelled += [_MEMBERS[code >> bit & mask].copy() for bit, mask in _SOURCES[1:size]]
        return dict(zip(_SPELLED_KEYS[size], spelled, strict=True))

    def to_adjacency(self) -> list[list[int]]:
        """Return the V x V upper triangular matrix of 0 and 1: row feeds column."""
        predecessors = self.predecessors
        return [[mask >> row & 1 for mask in predecessors] for row in range(self.num_vertices)]

    def to_module(self) -> dict[str, list[list[int]] | list[str]]:
        """Return the form {"module_adjacency": …, "module_operations": …}."""
        names = [PUBLISHED_OPERATION_NAMES[label] for label in self.operations]
        return {
            "module_adjacency": self.to_adjacency(),
            "module_operations": ["input", *names, "output"],
        }
