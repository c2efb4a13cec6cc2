"""Cells as data: graphs of NAS-Bench-101, and genotypes of the NASNet family.

A `CellGraph` (Ying et al. 2019, arXiv:1902.09635) has operations on its vertices. A `CellGenotype`
(the specification, section 6.3) computes states: the first ones are its inputs; each further one, a
node, is the sum of operations on earlier states. Its output is some of the states, concatenated.
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
"""The output of a cell: all its nodes, or those that no operation of the cell uses."""

OPERATIONS: Final = (
    "none",
    *("avg_pool_2x2", "avg_pool_3x3", "avg_pool_5x5"),
    *("max_pool_2x2", "max_pool_3x3", "max_pool_5x5", "max_pool_7x7"),
    "skip_connect",
    *("conv_1x1", "conv_3x3", "conv_3x1_1x3", "conv_7x1_1x7"),
    *("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7"),
    *("dil_conv_3x3", "dil_conv_5x5", "dil_sep_conv_3x3"),
)
"""Names of the operations that the hub has; a network of one's own may have others."""

_MOST_NODES: Final = 100
"""Far above any cell: what is larger was not meant as one."""


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


@dataclass(frozen=True, slots=True)
class CellGenotype:
    """A cell.

    Args:
        nodes: Per node its operations, each with the number of the state it is applied to. The
            inputs are the first states, the first node comes after them.
        concat: The states that are the output of the cell, concatenated in this order.
        num_inputs: Inputs of the cell.

    Raises:
        InvalidSampleError: A node uses a state that does not come before it, or there is no such
            state to give out.
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
                f"the cell gives out {shown(list(self.concat))}, which are not distinct states of "
                f"0 to {end - 1}",
            )

    @classmethod
    def merged(
        cls, nodes: Sequence[Sequence[tuple[str, int]]], merge: Merge, *, num_inputs: int = 2
    ) -> CellGenotype:
        """Return the cell of these nodes whose output is that of `merge`."""
        used = {source for node in nodes for _, source in node} if merge == "loose_end" else set()
        states = range(num_inputs, num_inputs + len(nodes))
        concat = tuple(state for state in states if state not in used)
        return cls(tuple(map(tuple, nodes)), concat, num_inputs)

    @classmethod
    def from_sample(
        cls, sample: Sample, cell: str, merge: Merge, *, num_inputs: int = 2
    ) -> CellGenotype:
        """Return the cell that a sample spells `{cell}/op_{state}_{k}`, `{cell}/input_{state}_{k}`.

        Args:
            sample: Labels and chosen values, those of `cell_choices` among them.
            cell: What the labels begin with.
            merge: The output of the cell.
            num_inputs: Inputs of the cell.
        """
        nodes: list[list[tuple[str, int]]] = []
        while node := list(_operations(sample, cell, num_inputs + len(nodes))):
            nodes.append(node)
        return cls.merged(nodes, merge, num_inputs=num_inputs)

    @classmethod
    def from_entries(cls, entries: Any, concat: Any) -> CellGenotype:
        """Return the cell of a genotype as DARTS and NDS write one.

        Args:
            entries: Operation and input, two entries a node.
            concat: The states that are its output.

        Raises:
            InvalidSampleError: That is not what they are.
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
        """Return the cell that `to_dict` spells.

        Raises:
            InvalidSampleError: It spells none.
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
        """Spell a cell of two inputs: {"nodes": [[[operation, state], …], …], "concat": […]}."""
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
    """Yield the choices of a cell: of every operation first, then of what each is applied to.

    Args:
        cell: What the labels begin with.
        operations: Names of the candidates.
        num_nodes: Nodes of the cell.
        num_inputs: Inputs of the cell.
        operations_per_node: Operations whose sum is a node.
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
