"""The networks of NAS-Bench-201 (Dong & Yang 2020, arXiv:2001.00326).

A network has three stacks of equal cells. Between stacks, a residual block halves the resolution
and doubles the width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from torch import Tensor, nn

from model_hub.blocks.cell_operations import Zero
from model_hub.errors import InvalidSampleError

__all__ = [
    "NasBench201Cell",
    "NasBench201Network",
    "NatsNetwork",
    "Node",
    "ReLUConvBN",
    "ReductionBlock",
]

_NUM_TENSORS: Final = 4
"""The input, two nodes and the output of a cell of the benchmark."""

_NUM_STACKS: Final = 3


class NatsNetwork(nn.Module):
    """Base of the networks of both NATS-Bench spaces: a stem, cells and a classifier.

    Args:
        cells: Cells and reduction blocks, created after the stem: it draws its weights first.
        first: Channels of the stem.
        last: Channels of the last cell.
        num_labels: Number of classes.
    """

    def __init__(
        self, cells: Iterable[nn.Module], *, first: int, last: int, num_labels: int
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 3, padding=1, bias=False), nn.BatchNorm2d(first)
        )
        self.cells = nn.Sequential(*cells)
        self.lastact = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(last, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        features = self.lastact(self.cells(self.stem(x)))
        logits: Tensor = self.classifier(features.mean((2, 3)))
        return logits


class NasBench201Network(NatsNetwork):
    """A network of the NAS-Bench-201 space.

    Args:
        operations: Name of the operation on each edge (source, target), 0 <= source < target <= 3.
        channels: Channels of the first stack.
        cells_per_stack: Number of cells per stack.
        num_labels: Number of classes.
    """

    def __init__(
        self,
        operations: Mapping[tuple[int, int], str],
        *,
        channels: int,
        cells_per_stack: int,
        num_labels: int,
    ) -> None:
        super().__init__(
            _stacks(operations, channels, cells_per_stack),
            first=channels,
            last=channels << (_NUM_STACKS - 1),
            num_labels=num_labels,
        )


def _stacks(
    operations: Mapping[tuple[int, int], str], channels: int, cells_per_stack: int
) -> Iterator[nn.Module]:
    for stack in range(_NUM_STACKS):
        if stack:
            yield ReductionBlock(channels, 2 * channels)
            channels *= 2
        for _ in range(cells_per_stack):
            yield NasBench201Cell(operations, channels)


class NasBench201Cell(nn.Module):
    """A cell: each tensor is the sum of the operations on all tensors before it.

    Args:
        operations: Name of the operation on each edge (source, target), source < target.
        channels: Channels of every tensor.
        num_tensors: Number of tensors: input, nodes and output; the benchmark has 4.
        candidates: Factories of the operations by name, given channels; default: the benchmark's.

    Raises:
        InvalidSampleError: An edge has no operation, or one that is not a candidate.
    """

    def __init__(
        self,
        operations: Mapping[tuple[int, int], str],
        channels: int,
        *,
        num_tensors: int = _NUM_TENSORS,
        candidates: Mapping[str, Callable[[int], nn.Module]] | None = None,
    ) -> None:
        super().__init__()
        known = _OPERATIONS if candidates is None else candidates
        self.layers = nn.ModuleList(
            Node(_made(operations, (source, target), known)(channels) for source in range(target))
            for target in range(1, num_tensors)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the last tensor, which has the shape of the input."""
        tensors = [x]
        for node in self.layers:
            tensors.append(node(tensors))
        return tensors[-1]


def _made(
    operations: Mapping[tuple[int, int], str],
    edge: tuple[int, int],
    candidates: Mapping[str, Callable[[int], nn.Module]],
) -> Callable[[int], nn.Module]:
    name = operations.get(edge)
    if name is None or name not in candidates:
        source, target = edge
        raise InvalidSampleError(
            f"cell/{source}_{target}",
            f"{name!r} is not an operation; the candidates are {', '.join(candidates)}",
        )
    return candidates[name]


class Node(nn.ModuleList):
    """A tensor of a cell: the sum of one operation on each earlier tensor."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """Return the sum of the operations on the earlier tensors."""
        terms: list[Tensor] = [op(tensor) for op, tensor in zip(self, tensors, strict=True)]
        return sum(terms[1:], terms[0])


class ReLUConvBN(nn.Module):
    """ReLU, a convolution without bias, and a batch norm.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        kernel_size: Kernel size, odd.
        stride: Stride of the convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding=kernel_size // 2,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three layers in order."""
        y: Tensor = self.op(x)
        return y


class ReductionBlock(nn.Module):
    """A basic ResNet block that halves the resolution, with an average-pooled shortcut.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(in_channels, out_channels, 3, stride=2)
        self.conv_b = ReLUConvBN(out_channels, out_channels, 3)
        self.downsample = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both paths."""
        shortcut: Tensor = self.downsample(x)
        residual: Tensor = self.conv_b(self.conv_a(x))
        return shortcut + residual


def _convolution(kernel_size: int) -> Callable[[int], nn.Module]:
    return lambda channels: ReLUConvBN(channels, channels, kernel_size)


_OPERATIONS: Final[Mapping[str, Callable[[int], nn.Module]]] = MappingProxyType(
    {
        "none": lambda _: Zero(),
        "skip_connect": lambda _: nn.Identity(),
        "conv_1x1": _convolution(1),
        "conv_3x3": _convolution(3),
        "avg_pool_3x3": lambda _: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    }
)
"""Factories of the operations by name; each takes the number of channels."""
