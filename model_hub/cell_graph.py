"""Cells of NAS-Bench-101 as data: a graph of few vertices (Ying et al. 2019, arXiv:1902.09635)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from model_hub.choices import Sample

__all__ = ["CONV1X1", "CONV3X3", "MAXPOOL3X3", "CellGraph"]

CONV3X3: Final = "conv3x3-bn-relu"
CONV1X1: Final = "conv1x1-bn-relu"
MAXPOOL3X3: Final = "maxpool3x3"


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
