"""Batches of pixels: read, decoded and cropped, here or in processes beside the caller."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from model_hub.evaluation.datasets import LabelledImages
from model_hub.evaluation.errors import DamagedImageError, DatasetError
from model_hub.evaluation.transform import cropped
from model_hub.protocols import EvaluationProtocol

__all__ = ["Batch", "Reader", "batches"]

_BATCHES_A_PROCESS: Final = 2
"""Ready or in work; each is held in shared memory."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some images in a row.

    Attributes:
        indices: Their places in the data set.
        digests: SHA-256 of each as it is kept.
        pixels: (batch, size, size, 3), bytes.
        damaged: Places of those among them that could not be read.
    """

    indices: tuple[int, ...]
    digests: tuple[bytes, ...]
    pixels: Tensor
    damaged: tuple[int, ...]

    def pin_memory(self) -> Batch:
        """Return it with pixels in page-locked memory; DataLoader asks for it."""
        return replace(self, pixels=self.pixels.pin_memory())


class Reader:
    """Reads and decodes images.

    Args:
        dataset: The images.
        protocol: What is done to them.
        skip_damaged: Leave damaged images out, instead of stopping at the first.
    """

    def __init__(
        self, dataset: LabelledImages, protocol: EvaluationProtocol, *, skip_damaged: bool = False
    ) -> None:
        self._dataset = dataset
        self._protocol = protocol
        self._skip_damaged = skip_damaged

    def parts(self, size: int) -> Iterator[range]:
        """Yield the places of all images, in order, some at a time."""
        count = len(self._dataset)
        return (range(start, min(start + size, count)) for start in range(0, count, size))

    def contents(self, places: range) -> list[bytes]:
        """Return images as they are kept.

        Raises:
            DatasetError: An archive of them ends too early.
            OSError: A file cannot be read.
        """
        return [self._dataset.content(place) for place in places]

    def batch(self, places: range, contents: Sequence[bytes]) -> Batch:
        """Decode images.

        Raises:
            DamagedImageError: One is damaged.
        """
        size = self._protocol.input_size
        pixels = torch.empty((len(places), size, size, 3), dtype=torch.uint8)
        rows = zip(places, contents, pixels.numpy(), strict=True)
        whole = [self._decoded(*row) for row in rows]
        kept = [row for row, fine in enumerate(whole) if fine]
        return Batch(
            indices=tuple(places[row] for row in kept),
            digests=tuple(hashlib.sha256(contents[row]).digest() for row in kept),
            pixels=pixels if all(whole) else pixels[kept],
            damaged=tuple(place for place, fine in zip(places, whole, strict=True) if not fine),
        )

    def _decoded(self, place: int, content: bytes, row: npt.NDArray[np.uint8]) -> bool:
        """Fill in the pixels of an image; False: it is damaged."""
        try:
            row[...] = cropped(self._dataset.image(place, content), self._protocol)
        except DamagedImageError:
            if not self._skip_damaged:
                raise
            return False
        return True


def batches(reader: Reader, size: int, *, processes: int) -> Generator[Batch]:
    """Yield the images of a data set in batches, in order, decoded while the caller is busy.

    They are in memory that a GPU can copy from by itself. Processes decode, because a GPU takes
    more images than threads can give: a third of a millisecond and more of each image needs
    Python's lock.

    Args:
        reader: Reads them.
        size: Images in a batch, the damaged among them.
        processes: Decode so many batches at once; no more than there are cores and batches.

    Raises:
        DamagedImageError: An image is damaged.
        DatasetError: An archive of them ends too early.
        OSError: A file cannot be read.
    """
    parts = list(reader.parts(size))
    loader: DataLoader[Any] = DataLoader(
        _InProcesses(reader),
        batch_size=None,
        sampler=parts,
        num_workers=min(processes, len(parts), len(os.sched_getaffinity(0))),
        prefetch_factor=_BATCHES_A_PROCESS,
        pin_memory=torch.cuda.is_available(),
    )
    for batch in loader:
        # An error that a process raised would come with its traceback as its message.
        if isinstance(batch, Exception):
            raise batch
        yield batch


class _InProcesses(Dataset[Any]):
    """What a process of DataLoader asks for a batch, by the places of its images."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __getitem__(self, places: range) -> Batch | Exception:
        """Return a batch, or why there is none."""
        try:
            return self._reader.batch(places, self._reader.contents(places))
        except (DatasetError, OSError) as error:
            return error
