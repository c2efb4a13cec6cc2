"""Parameters and multiply-adds of the networks of both NATS-Bench spaces, computed from structure.

They follow the published records. Parameters are all trainable ones. Multiply-adds ("flops" in the
records) are those of convolutions and of the classifier, whose biases count, too; norms,
poolings and sums do not. Both follow from the architecture and the data set alone (Dong and Yang,
ICLR 2020, section 2; Dong et al., TPAMI 2021): a stem, three stages of cells, a residual block that
halves the resolution before the second and the third, a norm and a classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from benchmark_db.nats_bench.tables import DATASETS

__all__ = ["IMAGES", "ImageSet", "Size", "size_of_topology", "size_of_widths"]

_MILLION: Final = 1_000_000
_KERNELS: Final = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
_COLOURS: Final = 3


class ImageSet(NamedTuple):
    """Properties of a data set that determine network sizes: image height and width, classes."""

    side: int
    classes: int


IMAGES: Final = (ImageSet(32, 10), ImageSet(32, 10), ImageSet(32, 100), ImageSet(16, 120))
"""By the code of the data set."""

assert len(IMAGES) == len(DATASETS)  # noqa: S101 - aligned by hand


class Size(NamedTuple):
    """Trainable parameters and multiply-adds; sizes of parts of a network can be added."""

    parameters: int
    flops: int

    def __add__(self, other: object) -> Size:
        """Return the total size of two parts."""
        if not isinstance(other, Size):
            return NotImplemented
        return Size(self.parameters + other.parameters, self.flops + other.flops)

    def times(self, count: int) -> Size:
        """Return the size of this many equal parts."""
        return Size(count * self.parameters, count * self.flops)

    def in_millions(self) -> tuple[float, float]:
        """Return parameters and multiply-adds in millions, as in answers."""
        return self.parameters / _MILLION, self.flops / _MILLION


_NOTHING: Final = Size(0, 0)


def size_of_topology(
    operations: Sequence[str], dataset: int, *, num_channels: int, num_cells: int
) -> Size:
    """Return the size of a network of NAS-Bench-201.

    Args:
        operations: Published names of the operations on the six edges.
        dataset: Code of the data set.
        num_channels: Channels of the first stage; each following stage has twice as many.
        num_cells: Cells in each stage.
    """
    kernels = [_KERNELS[operation] for operation in operations if operation in _KERNELS]
    images = IMAGES[dataset]
    side = images.side
    channels = num_channels
    total = _convolution(_COLOURS, channels, 3, side)
    for stage in range(3):
        if stage:
            side = _halved(side)
            total += _residual_block(channels, 2 * channels, side)
            channels *= 2
        cell = sum((_convolution(channels, channels, kernel, side) for kernel in kernels), _NOTHING)
        total += cell.times(num_cells)
    return total + _head(channels, images.classes)


def size_of_widths(channels: Sequence[int], dataset: int) -> Size:
    """Return the size of a network of the size space.

    Args:
        channels: Channels of the five layers: cell, residual block, cell, residual block, cell.
        dataset: Code of the data set.
    """
    images = IMAGES[dataset]
    side, width = images.side, channels[0]
    total = _convolution(_COLOURS, width, 3, side)
    for layer, wanted in enumerate(channels):
        if layer % 2:
            side = _halved(side)
            total += _residual_block(width, wanted, side)
        else:
            total += _fixed_cell(width, wanted, side)
        width = wanted
    return total + _head(width, images.classes)


def _fixed_cell(source: int, target: int, side: int) -> Size:
    """Return the size of the size space's cell; its skip is a convolution if the width changes."""
    total = _convolution(source, target, 3, side).times(2)
    total += _convolution(target, target, 3, side).times(3)
    return total if source == target else total + _convolution(source, target, 1, side)


def _convolution(source: int, target: int, kernel: int, side: int) -> Size:
    """Return the size of a convolution and its norm; `side` is the side of its output."""
    weights = source * target * kernel * kernel
    return Size(weights + 2 * target, weights * side * side)


def _residual_block(source: int, target: int, side: int) -> Size:
    """Return the size of a downsampling block: its shortcut pools and convolves without a norm."""
    shortcut = source * target
    return (
        _convolution(source, target, 3, side)
        + _convolution(target, target, 3, side)
        + Size(shortcut, shortcut * side * side)
    )


def _head(channels: int, classes: int) -> Size:
    """Return the size of the last norm and the classifier."""
    classifier = (channels + 1) * classes
    return Size(2 * channels + classifier, classifier)


def _halved(side: int) -> int:
    return (side + 1) // 2
