"""Cells of the NASNet family and networks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor, nn

from model_hub.arguments import a_number
from model_hub.blocks.cell_operations import (
    CELL_OPERATIONS,
    FactorizedReduce,
    OperationFactory,
    relu_conv_bn,
)
from model_hub.blocks.layers import DropPath
from model_hub.cells import CellGenotype
from model_hub.errors import InvalidSampleError, named

__all__ = ["AuxiliaryHead", "CellNetwork", "NasNetCell", "Preprocessor", "Stem", "stage_sizes"]

Stem: TypeAlias = Literal["cifar", "imagenet"]
"""The stem of a network: one convolution for small images, three of stride 2 for large ones."""

_NUM_STAGES: Final = 3
_STEM_MULTIPLIER: Final = 3
"""Ratio of the width of the stem for small images to that of the first stage."""

_AUXILIARY_STRIDE: Final[Mapping[Stem, int]] = {"cifar": 3, "imagenet": 2}


class NasNetCell(nn.Module):
    """A cell: every node is the sum of its operations.

    Args:
        genotype: The operations of each node and the states that they read.
        channels: Channels of each operation.
        reduction: Halve the resolution: operations on inputs of the cell have stride 2.
        preprocessor: Converts the inputs to one size and `channels` channels; without one, the
            inputs must have that shape.
        operations: Factories of the operations by name.
        drop_path: Applied after every operation except identities.

    Raises:
        UnknownNameError: The genotype has an operation that `operations` lacks.
        InvalidSampleError: An input of a reduction cell is part of its output.
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
                None, f"the output of a reduction cell includes input {min(genotype.concat)}"
            )
        self.genotype = genotype
        self.preprocessor = preprocessor
        self.drop_path = drop_path
        self.out_channels = channels * len(genotype.concat)
        self.ops = nn.ModuleList(
            nn.ModuleList(
                named("operation", name, operations)(
                    channels, 2 if reduction and source < genotype.num_inputs else 1
                )
                for name, source in node
            )
            for node in genotype.nodes
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the concatenated output nodes (batch, nodes x channels, height, width)."""
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
    """Converts the outputs of the two previous cells to the width and the size of a cell.

    Args:
        before: Channels of the output of the cell before the previous one.
        last: Channels of the output of the previous cell.
        channels: Channels of both outputs.
        reduce: Halve the resolution of the first input, because the previous cell halved its own.
    """

    def __init__(self, before: int, last: int, channels: int, *, reduce: bool) -> None:
        super().__init__()
        self.pre0 = FactorizedReduce(before, channels) if reduce else relu_conv_bn(before, channels)
        self.pre1 = relu_conv_bn(last, channels)

    def forward(self, before: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return both inputs, converted to the same shape."""
        return self.pre0(before), self.pre1(last)


class CellNetwork(nn.Module):
    """A network of three stages of cells; the second and the third begin with a reduction cell.

    Each cell takes the outputs of the two previous cells. An operation is `width` wide in the first
    stage and twice as wide in each further one.

    Args:
        cells: The normal cell and the reduction cell, in this order.
        width: Channels of an operation in the first stage.
        num_cells: Number of cells of all stages, at least 3.
        num_labels: Number of classes.
        stem: The stem for images of CIFAR or of ImageNet.
        auxiliary_head: Add a second classifier after the first cell of the third stage, which is
            used in training only.
        drop_path_prob: Probability that the output of an operation is dropped for an image in
            training.
        operations: Factories of the operations by name.
    """

    def __init__(
        self,
        cells: tuple[CellGenotype, CellGenotype],
        *,
        width: int,
        num_cells: int,
        num_labels: int,
        stem: Stem,
        auxiliary_head: bool = False,
        drop_path_prob: float = 0.0,
        operations: Mapping[str, OperationFactory] = CELL_OPERATIONS,
    ) -> None:
        super().__init__()
        self.drop_path = DropPath(drop_path_prob)
        before = last = self._make_stem(stem, width)
        halve = stem == "imagenet"
        self.stages = nn.ModuleList()
        for stage, size in enumerate(stage_sizes(num_cells)):
            built: list[NasNetCell] = []
            channels = width << stage
            for place in range(size):
                reduction = stage > 0 and place == 0
                cell = NasNetCell(
                    cells[reduction],
                    channels,
                    reduction=reduction,
                    preprocessor=Preprocessor(before, last, channels, reduce=halve),
                    operations=operations,
                    drop_path=self.drop_path,
                )
                built.append(cell)
                before, last, halve = last, cell.out_channels, reduction
            self.stages.append(nn.ModuleList(built))
        if auxiliary_head:
            self.auxiliary_head = AuxiliaryHead(
                built[0].out_channels, num_labels, _AUXILIARY_STRIDE[stem]
            )
        self.classifier = nn.Linear(last, num_labels)

    def set_drop_path(self, probability: float) -> None:
        """Set the probability of drop path; a schedule calls this between epochs.

        Raises:
            InvalidArgumentError: The probability is not between 0 and 1.
        """
        self.drop_path.rate = a_number("probability", probability, least=0, most=1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width).

        In training, a network with an auxiliary head returns (logits, auxiliary logits).
        """
        before, last = self._stem_outputs(x)
        halfway = last
        for stage in self.stages:
            for place, cell in enumerate(stage.children()):
                before, last = last, cell(before, last)
                halfway = last if place == 0 else halfway
        logits: Tensor = self.classifier(last.mean((2, 3)))
        if self.training and hasattr(self, "auxiliary_head"):
            return logits, self.auxiliary_head(halfway)
        return logits

    def _make_stem(self, stem: Stem, width: int) -> int:
        """Create the stem and return the number of channels of both its outputs."""
        if stem == "cifar":
            self.stem = nn.Sequential(*_conv_bn(3, _STEM_MULTIPLIER * width, stride=1))
            return _STEM_MULTIPLIER * width
        half = width // 2
        self.stem0 = nn.Sequential(
            *_conv_bn(3, half, stride=2), nn.ReLU(), *_conv_bn(half, width, stride=2)
        )
        self.stem1 = nn.Sequential(nn.ReLU(), *_conv_bn(width, width, stride=2))
        return width

    def _stem_outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if hasattr(self, "stem"):
            y = self.stem(x)
            return y, y
        y = self.stem0(x)
        return y, self.stem1(y)


class AuxiliaryHead(nn.Module):
    """An auxiliary classifier of the features of the first cell of the last stage.

    Args:
        in_channels: Number of channels of the features.
        num_labels: Number of classes.
        stride: Stride of the pooling, whose output must be 2 x 2.
    """

    def __init__(self, in_channels: int, num_labels: int, stride: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride, count_include_pad=False),
            nn.Conv2d(in_channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels)."""
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits


def _conv_bn(in_channels: int, out_channels: int, *, stride: int) -> Iterator[nn.Module]:
    yield nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
    yield nn.BatchNorm2d(out_channels)


def stage_sizes(num_cells: int) -> list[int]:
    """Return the number of cells of each stage, which differ by at most one."""
    ends = [stage * num_cells // _NUM_STAGES for stage in range(_NUM_STAGES + 1)]
    return [end - start for start, end in pairwise(ends)]
