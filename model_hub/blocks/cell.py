"""The cell of the NASNet family, for any number of inputs, nodes and operations of a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from model_hub.blocks.cell_operations import (
    CELL_OPERATIONS,
    FactorizedReduce,
    OperationFactory,
    relu_conv_bn,
)
from model_hub.blocks.drop_path import DropPath
from model_hub.cells import CellGenotype
from model_hub.errors import InvalidSampleError, UnknownNameError

__all__ = ["NasNetCell", "Preprocessor"]


class NasNetCell(nn.Module):
    """A cell: every node is the sum of its operations.

    Args:
        genotype: Which operation each node applies to which state.
        channels: Of each operation.
        reduction: Halve the resolution: operations on inputs of the cell have stride 2.
        preprocessor: Takes the inputs, returns as many of one size and `channels` channels; by
            default they are already so.
        operations: Makes each operation, by name.
        drop_path: Follows every operation but those that do nothing.

    Raises:
        UnknownNameError: The genotype has an operation that `operations` does not.
        InvalidSampleError: A reduction cell gives out an input of its own.
    """

    def __init__(
        self,
        genotype: CellGenotype,
        channels: int,
        *,
        reduction: bool = False,
        preprocessor: nn.Module | None = None,
        operations: Mapping[str, OperationFactory] = CELL_OPERATIONS,
        drop_path: DropPath | None = None,
    ) -> None:
        super().__init__()
        if reduction and min(genotype.concat) < genotype.num_inputs:
            raise InvalidSampleError(
                None, f"a reduction cell gives out input {min(genotype.concat)}, which it halves"
            )
        self.genotype = genotype
        self.preprocessor = preprocessor
        self.drop_path = drop_path
        self.out_channels = channels * len(genotype.concat)
        self.ops = nn.ModuleList(
            nn.ModuleList(
                _operation(name, operations)(
                    channels, 2 if reduction and source < genotype.num_inputs else 1
                )
                for name, source in node
            )
            for node in genotype.nodes
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return (batch, nodes given out x channels, height, width)."""
        states = list(self.preprocessor(*inputs) if self.preprocessor else inputs)
        for node, operations in zip(self.genotype.nodes, self.ops, strict=True):
            terms = list(self._terms(node, operations, states))
            states.append(sum(terms[1:], terms[0]))
        return torch.cat([states[state] for state in self.genotype.concat], 1)

    def _terms(
        self, node: tuple[tuple[str, int], ...], operations: nn.Module, states: list[Tensor]
    ) -> Iterator[Tensor]:
        for (_, source), operation in zip(node, operations.children(), strict=True):
            term: Tensor = operation(states[source])
            droppable = self.drop_path and not isinstance(operation, nn.Identity)
            yield self.drop_path(term) if self.drop_path and droppable else term


class Preprocessor(nn.Module):
    """Brings the outputs of the two cells before to the width and the size of a cell.

    Args:
        before: Channels of the output of the cell before the last.
        last: Channels of the output of the last cell.
        channels: Channels of both outputs.
        reduce: The last cell halved the resolution, so the output of the one before it is halved.
    """

    def __init__(self, before: int, last: int, channels: int, *, reduce: bool) -> None:
        super().__init__()
        self.pre0 = FactorizedReduce(before, channels) if reduce else relu_conv_bn(before, channels)
        self.pre1 = relu_conv_bn(last, channels)

    def forward(self, before: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return both, of the same shape."""
        return self.pre0(before), self.pre1(last)


def _operation(name: str, operations: Mapping[str, OperationFactory]) -> OperationFactory:
    if name not in operations:
        raise UnknownNameError("operation", name, operations)
    return operations[name]
