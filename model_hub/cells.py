"""Cells as data: graphs of NAS-Bench-101, and genotypes of the NASNet family.

A `CellGraph` (Ying et al. 2019, arXiv:1902.09635) has operations on its vertices. A `CellGenotype`
(Zoph et al. 2018, arXiv:1707.07012) computes states: the first ones are its inputs, and each
further one, a node, is the sum of operations on earlier states. Some states are concatenated to
its output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from model_hub.choices import Choice, LayerChoice, Sample, Subset
from model_hub.errors import InvalidSampleError, listed, shown

__all__ = [
    "CELLS",
    "CONV1X1",
    "CONV3X3",
    "MAXPOOL3X3",
    "NORMAL",
    "OPERATIONS",
    "REDUCE",
    "CellGenotype",
    "CellGraph",
    "Merge",
    "cell_choices",
]

CONV3X3: Final = "conv3x3-bn-relu"
CONV1X1: Final = "conv1x1-bn-relu"
MAXPOOL3X3: Final = "maxpool3x3"

NORMAL: Final = "normal"
REDUCE: Final = "reduce"
"""The cell that halves the resolution."""

CELLS: Final = (NORMAL, REDUCE)
"""The two cells of a network."""

Merge: TypeAlias = Literal["all", "loose_end"]
"""The nodes that form the output of a cell: all, or those that no operation of the cell uses."""

OPERATIONS: Final = (
    "none",
    *("avg_pool_2x2", "avg_pool_3x3", "avg_pool_5x5"),
    *("max_pool_2x2", "max_pool_3x3", "max_pool_5x5", "max_pool_7x7"),
    "skip_connect",
    *("conv_1x1", "conv_3x3", "conv_3x1_1x3", "conv_7x1_1x7"),
    *("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7"),
    *("dil_conv_3x3", "dil_conv_5x5", "dil_sep_conv_3x3"),
)
"""Names of the operations in the hub; networks of other packages may have others."""

_MOST_NODES: Final = 100
"""Limit for input validation, far above any real cell."""


@dataclass(frozen=True, slots=True)
class CellGraph:
    """The graph of a cell; vertex 0 is the input, the last vertex the output.

    Args:
        operations: Names of the operations of the inner vertices.
        predecessors: For each vertex, the vertices that feed it, with lower numbers; () for input.
    """

    operations: tuple[str, ...]
    predecessors: tuple[tuple[int, ...], ...]

    @classmethod
    def from_dict(cls, cell: Sample) -> CellGraph:
        """Return the graph of a cell in the form {"op1": …, "input1": […], …}."""
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
        """Number of edges."""
        return sum(map(len, self.predecessors))

    def to_dict(self) -> dict[str, Any]:
        """Return the cell in the form {"op1": …, "input1": […], …}."""
        operations = {f"op{v}": name for v, name in enumerate(self.operations, start=1)}
        inputs = {f"input{v}": list(p) for v, p in enumerate(self.predecessors[1:], start=1)}
        return operations | inputs

    def pruned(self) -> CellGraph | None:
        """Return the graph of the vertices between input and output; None if no path joins them."""
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
        """Return the number of channels of each vertex, with 0 for the input.

        Vertices that feed the output share its channels, and the first ones get the remainder. All
        other vertices, from last to first, are as wide as the widest vertex that they feed.
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


@dataclass(frozen=True, slots=True)
class CellGenotype:
    """A cell of the NASNet family.

    Args:
        nodes: For each node its operations, each with the number of the state that it reads. The
            first states are the inputs, followed by the nodes.
        concat: The states whose concatenation, in this order, is the output of the cell.
        num_inputs: Number of inputs.

    Raises:
        InvalidSampleError: A node uses a state that does not precede it, or `concat` has an
            unknown state.
    """

    nodes: tuple[tuple[tuple[str, int], ...], ...]
    concat: tuple[int, ...]
    num_inputs: int = 2

    def __post_init__(self) -> None:
        if not 1 <= len(self.nodes) <= _MOST_NODES:
            raise InvalidSampleError(
                None, f"a cell has 1 to {_MOST_NODES} nodes, not {len(self.nodes)}"
            )
        for state, node in enumerate(self.nodes, self.num_inputs):
            if not node:
                raise InvalidSampleError(None, f"node {state} has no operations")
            for name, source in node:
                if not _is_state(source, 0, state):
                    raise InvalidSampleError(
                        None,
                        f"node {state} applies {shown(name)} to state {shown(source)}; it may use "
                        f"0 to {state - 1}",
                    )
        end = self.num_inputs + len(self.nodes)
        known = all(_is_state(state, 0, end) for state in self.concat)
        if not known or not self.concat or len(set(self.concat)) < len(self.concat):
            raise InvalidSampleError(
                None,
                f"the output of the cell is {shown(list(self.concat))}, not distinct states of "
                f"0 to {end - 1}",
            )

    @classmethod
    def merged(
        cls, nodes: Sequence[Sequence[tuple[str, int]]], merge: Merge, *, num_inputs: int = 2
    ) -> CellGenotype:
        """Return a cell with these nodes and the output that `merge` names."""
        used = {source for node in nodes for _, source in node} if merge == "loose_end" else set()
        states = range(num_inputs, num_inputs + len(nodes))
        concat = tuple(state for state in states if state not in used)
        return cls(tuple(map(tuple, nodes)), concat, num_inputs)

    @classmethod
    def from_sample(
        cls, sample: Sample, cell: str, merge: Merge, *, num_inputs: int = 2
    ) -> CellGenotype:
        """Return the cell of the labels `{cell}/op_{state}_{k}` and `{cell}/input_{state}_{k}`.

        Args:
            sample: Labels and chosen values, including those of `cell_choices`.
            cell: Prefix of the labels.
            merge: The output of the cell.
            num_inputs: Number of inputs of the cell.
        """
        nodes: list[list[tuple[str, int]]] = []
        while node := list(_operations(sample, cell, num_inputs + len(nodes))):
            nodes.append(node)
        return cls.merged(nodes, merge, num_inputs=num_inputs)

    @classmethod
    def from_entries(cls, entries: Any, concat: Any) -> CellGenotype:
        """Return the cell of a genotype in the form of DARTS and NDS.

        Args:
            entries: Pairs of operation and input, two for each node.
            concat: The states that form the output.

        Raises:
            InvalidSampleError: An argument has another form.
        """
        try:
            pairs = [(str(name), source) for name, source in entries]
            given = tuple(concat)
        except (TypeError, ValueError) as error:
            raise InvalidSampleError(
                None,
                f"{shown(entries)} and {shown(concat)} are not [operation, input] pairs and "
                "a list of states",
            ) from error
        if len(pairs) % 2:
            raise InvalidSampleError(
                None, f"{len(pairs)} entries; a node has two, so there is one too few"
            )
        nodes = tuple(tuple(pairs[i : i + 2]) for i in range(0, len(pairs), 2))
        return cls(nodes, given)

    @classmethod
    def from_dict(cls, cell: Mapping[str, Any]) -> CellGenotype:
        """Return the cell of a dict in the form of `to_dict`.

        Raises:
            InvalidSampleError: The dict has another form.
        """
        if set(cell) != {"nodes", "concat"}:
            raise InvalidSampleError(None, f"a cell has nodes and concat, not {listed(cell)}")
        try:
            nodes = tuple(
                tuple((str(name), source) for name, source in node) for node in cell["nodes"]
            )
            concat = tuple(cell["concat"])
        except (TypeError, ValueError) as error:
            raise InvalidSampleError(
                None, f"{shown(cell)} has no lists of [operation, state] pairs and of states"
            ) from error
        return cls(nodes, concat)

    def to_dict(self) -> dict[str, Any]:
        """Return a cell of two inputs as {"nodes": [[[operation, state], …], …], "concat": […]}."""
        nodes = [[[name, source] for name, source in node] for node in self.nodes]
        return {"nodes": nodes, "concat": list(self.concat)}


def cell_choices(
    cell: str,
    operations: Sequence[str],
    num_nodes: int,
    *,
    num_inputs: int = 2,
    operations_per_node: int = 2,
) -> Iterator[Choice]:
    """Yield the choices of a cell: first all operations, then their inputs.

    Args:
        cell: Prefix of the labels.
        operations: Names of the candidates.
        num_nodes: Number of nodes.
        num_inputs: Number of inputs of the cell.
        operations_per_node: Number of operations of each node.
    """
    states = range(num_inputs, num_inputs + num_nodes)
    places = [(state, k) for state in states for k in range(operations_per_node)]
    for state, k in places:
        yield LayerChoice(f"{cell}/op_{state}_{k}", tuple(operations))
    for state, k in places:
        yield Subset(f"{cell}/input_{state}_{k}", tuple(range(state)), n_chosen=1)


def _operations(sample: Sample, cell: str, state: int) -> Iterator[tuple[str, int]]:
    k = 0
    while f"{cell}/op_{state}_{k}" in sample:
        (source,) = sample[f"{cell}/input_{state}_{k}"]
        yield sample[f"{cell}/op_{state}_{k}"], source
        k += 1


def _is_state(value: object, least: int, end: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < end
