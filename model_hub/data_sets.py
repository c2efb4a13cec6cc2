"""Data sets of the networks: number of classes and size of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["CHANNELS", "DATA_SETS", "LARGEST_SIDE", "DataSet"]

CHANNELS: Final = 3
"""Red, green and blue."""

LARGEST_SIDE: Final = 1024
"""Largest height and width of an image, in pixels."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set of colour images.

    Args:
        num_labels: Number of classes.
        image_size: Height and width, in pixels.
    """

    num_labels: int
    image_size: int

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape (channels, height, width) of an image."""
        return (CHANNELS, self.image_size, self.image_size)


DATA_SETS: Final[Mapping[str, DataSet]] = MappingProxyType(
    {
        "cifar10": DataSet(num_labels=10, image_size=32),
        "cifar10-valid": DataSet(num_labels=10, image_size=32),
        "cifar100": DataSet(num_labels=100, image_size=32),
        "imagenet16-120": DataSet(num_labels=120, image_size=16),
        "imagenet": DataSet(num_labels=1000, image_size=224),
    }
)
"""The data sets by the names that benchmarks use, in lower case.

`cifar10-valid` trains on half of CIFAR-10. ImageNet16-120 (Chrabaszcz et al. 2017,
arXiv:1707.08819, in the selection of NAS-Bench-201) has 120 classes of ImageNet in 16 x 16 pixels.
"""
