"""Cells as data: which operation each node applies to which state (specification, section 6.3).

A cell of the NASNet family computes states. The first ones are its inputs; each further one, a
node, is the sum of operations on earlier states. It gives out some nodes side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from model_hub.choices import Choice, LayerChoice, Sample, Subset
from model_hub.errors import InvalidSampleError, listed, shown

__all__ = ["CELLS", "NORMAL", "OPERATIONS", "REDUCE", "CellGenotype", "Merge", "cell_choices"]

NORMAL: Final = "normal"
REDUCE: Final = "reduce"
"""The cell that halves the resolution."""

CELLS: Final = (NORMAL, REDUCE)
"""The two cells of a network."""

Merge: TypeAlias = Literal["all", "loose_end"]
"""What a cell gives out: all its nodes, or those that no operation of the cell uses."""

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
class CellGenotype:
    """A cell.

    Args:
        nodes: Per node its operations, each with the number of the state it is applied to. The
            inputs are the first states, the first node comes after them.
        concat: The states that the cell gives out, side by side in this order.
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
        """Return the cell of these nodes that gives out what `merge` says."""
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
            merge: What the cell gives out.
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
            concat: The states that the cell gives out.

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
