"""The supernet of cell spaces: every operation on every earlier state of every node.

The inputs of a node are choices in these spaces. A mixture therefore sums over all operations on
all earlier states, not over the candidates of one choice. Its rows are the edges of a cell, such as
`normal/3_1` from state 1 to state 3, and their candidates are the operations and `none` (Liu et al.
2019, arXiv:1806.09055). A single path runs two operations for each node, as the space's own cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody knows it by

from model_hub.blocks.cell_operations import CELL_OPERATIONS, Zero
from model_hub.cells import CELLS, NORMAL, REDUCE, CellGenotype
from model_hub.choices import Chosen
from model_hub.spaces.nasnet import CellSpace
from model_hub.spaces.nasnet_network import CellNetwork, NasNetCell
from nas_search.oneshot.plans import Plan
from nas_search.oneshot.switches import Row, Switch

__all__ = ["CellPlan", "MixedCell", "build_cells"]

_NONE: Final = "none"
_NUM_INPUTS: Final = 2
_SOURCES: Final = 2
"""The number of input states of a node of a decoded cell."""

_Edge = tuple[int, int]
"""A state, and an earlier state that is its input."""


@dataclass(eq=False)
class Wiring:
    """The active edges of all cells of a kind (normal or reduction).

    Args:
        genotype: The cell of a single path; None: all edges are active.
        rows: The row of candidates of each edge.
        gives_loose_ends: Whether the output of a cell has only the states that no node reads.
    """

    genotype: CellGenotype | None
    rows: dict[_Edge, Row]
    gives_loose_ends: bool

    def part_given_out(self, state: int) -> Tensor | float:
        """Return the weight of a state in the output of a mixture, from 0 to 1.

        With loose ends, it is the product of the weights of `none` on all edges from the state,
        since a state that no node reads belongs to the output.
        """
        part: Tensor | float = 1.0
        if self.gives_loose_ends:
            for (_, source), row in self.rows.items():
                if source == state:
                    part = part * _weight_of_none(row)
        return part


def _weight_of_none(row: Row) -> Tensor | float:
    return float(row.chosen == _NONE) if row.weights is None else row.weights[-1]


class MixedCell(nn.Module):
    """A cell with all operations on all edges.

    Args:
        cell: The space's own cell, whose preprocessor and drop path are kept.
        wiring: The active edges.
        operations: Names of the candidate operations.
        reduction: Whether the cell halves the resolution, with stride 2 on its inputs.
    """

    def __init__(
        self, cell: NasNetCell, wiring: Wiring, operations: tuple[str, ...], *, reduction: bool
    ) -> None:
        super().__init__()
        self.preprocessor = cell.preprocessor
        self.drop_path = cell.drop_path
        self.wiring = wiring
        channels = cell.out_channels // len(cell.genotype.concat)
        self.edges = nn.ModuleDict()
        for (state, source), row in wiring.rows.items():
            stride = 2 if reduction and source < _NUM_INPUTS else 1
            candidates = {name: CELL_OPERATIONS[name](channels, stride) for name in operations}
            self.edges[f"{state}_{source}"] = Switch(row, {**candidates, _NONE: Zero(stride)})

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return (batch, output nodes x channels, height, width)."""
        states = list(self.preprocessor(*inputs)) if self.preprocessor else list(inputs)
        genotype = self.wiring.genotype
        if genotype is None:
            return self._mixture(states)
        for state, node in enumerate(genotype.nodes, _NUM_INPUTS):
            states.append(_total(self._term(state, *read, states) for read in node))
        return torch.cat([states[state] for state in genotype.concat], 1)

    def _term(self, state: int, name: str, source: int, states: list[Tensor]) -> Tensor:
        edge: Any = self.edges[f"{state}_{source}"]
        return self._dropped(edge[name], edge[name](states[source]))

    def _mixture(self, states: list[Tensor]) -> Tensor:
        end = max(state for state, _ in self.wiring.rows) + 1
        for state in range(_NUM_INPUTS, end):
            edges = (self.edges[f"{state}_{source}"] for source in range(state))
            states.append(
                _total(self._dropped(edge, edge(x)) for edge, x in zip(edges, states, strict=False))
            )
        given = range(_NUM_INPUTS, end)
        return torch.cat([states[s] * self.wiring.part_given_out(s) for s in given], 1)

    def _dropped(self, operation: nn.Module, term: Tensor) -> Tensor:
        """Apply the drop path of the cell, except to identities."""
        if self.drop_path is None or isinstance(operation, nn.Identity):
            return term
        dropped: Tensor = self.drop_path(term)
        return dropped


class ConvOfNodes(nn.Conv2d):
    """A convolution of the output of a cell, with a block of input channels for each node."""

    wiring: Wiring

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (batch, output nodes x channels, height, width)."""
        weight = _blocks_read(self.weight, self.wiring)
        y: Tensor = self._conv_forward(x, weight, self.bias)
        return y


class LinearOfNodes(nn.Linear):
    """A linear layer of the output of a cell, with a block of inputs for each node."""

    wiring: Wiring

    def forward(self, x: Tensor) -> Tensor:
        """Apply to (batch, output nodes x channels)."""
        return F.linear(x, _blocks_read(self.weight, self.wiring), self.bias)


def _blocks_read(weight: Tensor, wiring: Wiring) -> Tensor:
    """Return the blocks of a weight that belong to the output nodes of a cell."""
    genotype = wiring.genotype
    if genotype is None or len(genotype.concat) == len(genotype.nodes):
        return weight
    blocks = weight.chunk(len(genotype.nodes), 1)
    return torch.cat([blocks[state - _NUM_INPUTS] for state in genotype.concat], 1)


class CellPlan(Plan):
    """The plan of a space with a normal and a reduction cell.

    Args:
        space: The space.
    """

    def __init__(self, space: CellSpace) -> None:
        self.space = space
        self.wirings: dict[str, Wiring] = {}
        rows = {}
        for cell in CELLS:
            edges = {
                (state, source): Row(f"{cell}/{state}_{source}", (*space.operations, _NONE))
                for state in range(_NUM_INPUTS, _NUM_INPUTS + space.num_nodes)
                for source in range(state)
            }
            self.wirings[cell] = Wiring(None, edges, space.merge == "loose_end")
            rows.update({row.name: row for row in edges.values()})
        super().__init__(rows)

    def activate(self, values: Mapping[str, Any]) -> None:
        """Activate the two cells of a sample."""
        for cell, wiring in self.wirings.items():
            wiring.genotype = self.space.genotype(values, cell)

    def mix(self, weights: Mapping[str, Tensor]) -> None:
        """Activate all edges, with the given weights of their operations."""
        for wiring in self.wirings.values():
            wiring.genotype = None
        for name, row in self.rows.items():
            row.weights = weights[name]

    def decode(self, probabilities: Mapping[str, Tensor]) -> dict[str, Chosen]:
        """Return for each node the two strongest inputs, each with its best operation.

        The strength of an edge is the probability of its best operation other than `none` (Liu et
        al. 2019, section 2.4).
        """
        sample: dict[str, Chosen] = {}
        for cell in CELLS:
            for state in range(_NUM_INPUTS, _NUM_INPUTS + self.space.num_nodes):
                rows = [probabilities[f"{cell}/{state}_{s}"][:-1] for s in range(state)]
                by_strength = sorted(range(state), key=lambda s: -float(rows[s].max()))
                for k, source in enumerate(sorted(by_strength[:_SOURCES])):
                    operation = self.space.operations[int(rows[source].argmax())]
                    sample[f"{cell}/op_{state}_{k}"] = operation
                    sample[f"{cell}/input_{state}_{k}"] = [source]
        return sample


def build_cells(space: CellSpace) -> tuple[nn.Module, Plan]:
    """Return a network of `MixedCell`s, and the plan that controls it.

    Raises:
        NoSupernetError: Width or number of cells are choices.
        TooLargeError: The network does not fit into memory.
    """
    space.sharing  # noqa: B018 - raises if widths are choices
    plan = CellPlan(space)
    network = space.freeze(_of_loose_nodes(space))
    assert isinstance(network, CellNetwork)  # noqa: S101 - by construction
    cells = list(_cells(network))
    for place, (path, reduction) in enumerate(cells):
        cell: Any = network.get_submodule(path)
        kind = REDUCE if reduction else NORMAL
        mixed = MixedCell(cell, plan.wirings[kind], space.operations, reduction=reduction)
        network.set_submodule(path, mixed)
        for reads, before in (("pre0", place - 2), ("pre1", place - 1)):
            if before >= 0:
                reader = mixed.get_submodule(f"preprocessor.{reads}")
                _read_by_node(reader, plan.wirings[REDUCE if cells[before][1] else NORMAL])
    _read_by_node(network.classifier, plan.wirings[REDUCE if cells[-1][1] else NORMAL])
    if hasattr(network, "auxiliary_head"):
        _read_by_node(network.auxiliary_head.features[2], plan.wirings[REDUCE])
    return network, plan


def _of_loose_nodes(space: CellSpace) -> dict[str, Chosen]:
    """Return a sample in which nodes read only the inputs of the cell, so that all are output."""
    sample: dict[str, Chosen] = {}
    for choice in space.choices.choices:
        value = choice.default
        sample[choice.label] = [int(choice.label[-1])] if isinstance(value, list) else value
    return sample


def _cells(network: CellNetwork) -> Iterator[tuple[str, bool]]:
    """Yield the path of each cell, and whether it is a reduction cell."""
    for stage, cells in enumerate(network.stages):
        for place, _ in enumerate(cells.children()):
            yield f"stages.{stage}.{place}", stage > 0 and place == 0


def _read_by_node(reader: nn.Module, wiring: Wiring) -> None:
    """Make the convolutions or linear layers of a module select the blocks of output nodes."""
    if not wiring.gives_loose_ends:
        return
    for module in reader.modules():
        for plain, by_node in ((nn.Conv2d, ConvOfNodes), (nn.Linear, LinearOfNodes)):
            if isinstance(module, plain):
                module.__class__ = by_node
                module.wiring = wiring  # type: ignore[assignment]  # neither tensor nor module


def _total(terms: Iterator[Tensor]) -> Tensor:
    first, *others = terms
    total: Tensor = sum(others, first)
    return total
