"""The network that NAS-Bench-101 trains around a cell: channel widths and parameters.

Stem convolution, then three stacks of three cells; between stacks the resolution is halved and
the width doubled; then global pooling and a linear layer (Ying et al. 2019, arXiv:1902.09635).
Every convolution has no bias and is followed by a batch norm with two parameters per channel.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmark_db.nasbench101.cell import CONV1X1, CONV3X3, MAXPOOL3X3, Cell

__all__ = ["PUBLISHED_NETWORK", "Network", "trainable_parameters", "vertex_channels"]

_KERNEL_AREA = {CONV3X3: 9, CONV1X1: 1}
_IMAGE_CHANNELS = 3
_STEM_KERNEL_AREA = 9


@dataclass(frozen=True, slots=True)
class Network:
    """The fixed part around the cell; the defaults are those of the published benchmark."""

    stem_channels: int = 128
    num_stacks: int = 3
    cells_per_stack: int = 3
    num_labels: int = 10


PUBLISHED_NETWORK = Network()


def vertex_channels(cell: Cell, in_channels: int, out_channels: int) -> tuple[int, ...]:
    """Return the output channels of each vertex of a pruned cell.

    The interior vertices that feed the output share its channels; the first ones receive the
    remainder of the division. Going backwards, every other vertex is as wide as the widest vertex
    that it feeds.

    Args:
        cell: A pruned cell.
        in_channels: Channels of the input vertex.
        out_channels: Channels of the output vertex.

    Raises:
        ValueError: The cell is not pruned.
    """
    if not cell.is_pruned:
        raise ValueError(f"{cell} has vertices on no path from input to output; prune it first")
    predecessors = cell.predecessors
    output = cell.num_vertices - 1
    feeding = [v for v in range(1, output) if predecessors[output] >> v & 1]
    channels = [0] * (output + 1)
    channels[0], channels[output] = in_channels, out_channels
    for place, vertex in enumerate(feeding):
        share, rest = divmod(out_channels, len(feeding))
        channels[vertex] = share + (place < rest)
    for vertex in reversed(range(1, output)):
        if vertex not in feeding:
            channels[vertex] = max(
                channels[target] for target in range(output) if predecessors[target] >> vertex & 1
            )
    return tuple(channels)


def trainable_parameters(cell: Cell, network: Network = PUBLISHED_NETWORK) -> int:
    """Count exactly the trainable parameters of the network around a cell.

    Args:
        cell: Any cell whose output is reachable; it is pruned first, as the benchmark does.
        network: The fixed part of the network.

    Raises:
        ValueError: The output cannot be reached from the input.
    """
    pruned = cell.pruned()
    width = network.stem_channels
    total = _convolution(_STEM_KERNEL_AREA, _IMAGE_CHANNELS, width)
    incoming = width
    for stack in range(network.num_stacks):
        width = network.stem_channels << stack
        for _ in range(network.cells_per_stack):
            total += _cell_parameters(pruned, incoming, width)
            incoming = width
    return total + (width + 1) * network.num_labels


def _cell_parameters(cell: Cell, in_channels: int, out_channels: int) -> int:
    """Count one cell: the operations, and a projection for each edge from the input."""
    channels = vertex_channels(cell, in_channels, out_channels)
    projections = sum(
        _convolution(1, in_channels, width)
        for width, mask in zip(channels, cell.predecessors, strict=True)
        if mask & 1
    )
    return projections + sum(
        _convolution(_KERNEL_AREA[label], channels[vertex], channels[vertex])
        for vertex, label in enumerate(cell.operations, start=1)
        if label != MAXPOOL3X3
    )


def _convolution(kernel_area: int, in_channels: int, out_channels: int) -> int:
    """Count a convolution without bias and its batch norm, which has two parameters per channel."""
    return kernel_area * in_channels * out_channels + 2 * out_channels
