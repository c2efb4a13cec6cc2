"""Batches of pixels: decoded by threads in turn with the network, or by processes beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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

__all__ = ["Batch", "batches"]

_MOST_AT_ONCE: Final = 32
_BATCHES_A_PROCESS: Final = 2
"""Ready or in work; each is held in shared memory."""
_IMAGES_A_THREAD: Final = 16
"""In a turn: so many that it is little what the first thread without one waits for the last."""


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


def batches(
    dataset: LabelledImages,
    protocol: EvaluationProtocol,
    batch_size: int,
    *,
    skip_damaged: bool = False,
    for_gpu: bool = False,
) -> Generator[Batch]:
    """Yield the images of a data set in batches, in order.

    As many images are decoded at once as PyTorch has threads.

    Args:
        dataset: The images.
        protocol: What is done to them.
        batch_size: Images in a batch, the damaged among them.
        skip_damaged: Leave damaged images out, instead of stopping at the first.
        for_gpu: Decode while the caller is busy, into memory that a GPU can copy from by itself.

    Raises:
        DamagedImageError: An image is damaged.
        DatasetError: An archive of them ends too early.
        OSError: A file cannot be read.
    """
    reader = _Reader(dataset, protocol, skip_damaged=skip_damaged)
    ranges = [
        range(start, min(start + batch_size, len(dataset)))
        for start in range(0, len(dataset), batch_size)
    ]
    at_once = min(torch.get_num_threads(), _MOST_AT_ONCE)
    return _beside(reader, ranges, at_once) if for_gpu else _in_turn(reader, ranges, at_once)


def _beside(reader: _Reader, ranges: Sequence[range], processes: int) -> Generator[Batch]:
    """Decode in processes, each a batch.

    A GPU takes more images than threads can decode: a third of a millisecond and more of each image
    needs Python's lock.
    """
    loader: DataLoader[Any] = DataLoader(
        reader,
        batch_size=None,
        sampler=ranges,
        num_workers=min(processes, len(ranges), len(os.sched_getaffinity(0))),
        prefetch_factor=_BATCHES_A_PROCESS,
        pin_memory=torch.cuda.is_available(),
    )
    for batch in loader:
        # An error that a process raised would come with its traceback as its message.
        if isinstance(batch, Exception):
            raise batch
        yield batch


def _in_turn(reader: _Reader, ranges: Sequence[range], threads: int) -> Generator[Batch]:
    """Decode some batches with all threads, then let the caller have the cores for itself.

    Decoding beside a network on the processor would be twice as many threads as cores, no faster,
    and in the way of everything else there. In the caller's turn files are read and no more.
    """
    some = max(1, -(-_IMAGES_A_THREAD * threads // len(ranges[0])))
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:
        contents: list[Future[bytes]] = []
        try:
            for first in range(0, len(ranges), some):
                turn = ranges[first : first + some]
                contents = contents or _submitted(pool, reader, turn)
                pixels = [reader.room(indices) for indices in turn]
                rows = (row for room in pixels for row in room.numpy())
                indices = (index for each in turn for index in each)
                digests = list(pool.map(reader.read, indices, rows, contents))
                contents = _submitted(pool, reader, ranges[first + some : first + 2 * some])
                for each, room in zip(turn, pixels, strict=True):
                    yield reader.batch(each, digests[: len(each)], room)
                    del digests[: len(each)]
        finally:
            pool.shutdown(cancel_futures=True)


def _submitted(
    pool: ThreadPoolExecutor, reader: _Reader, ranges: Sequence[range]
) -> list[Future[bytes]]:
    """Begin to read the files of some batches."""
    return [pool.submit(reader.dataset.content, index) for each in ranges for index in each]


class _Reader(Dataset[Any]):
    """Reads and decodes images.

    Args:
        dataset: The images.
        protocol: What is done to them.
        skip_damaged: Whether to go on after a damaged image.
    """

    def __init__(
        self, dataset: LabelledImages, protocol: EvaluationProtocol, *, skip_damaged: bool
    ) -> None:
        self.dataset = dataset
        self._protocol = protocol
        self._skip_damaged = skip_damaged

    def __getitem__(self, indices: range) -> Batch | Exception:
        """Return a batch, or why there is none."""
        pixels = self.room(indices)
        try:
            digests = [
                self.read(index, row) for index, row in zip(indices, pixels.numpy(), strict=True)
            ]
        except (DatasetError, OSError) as error:
            return error
        return self.batch(indices, digests, pixels)

    def room(self, indices: range) -> Tensor:
        """Return pixels (batch, size, size, 3) for some images, which are to be filled in."""
        size = self._protocol.input_size
        return torch.empty((len(indices), size, size, 3), dtype=torch.uint8)

    def read(
        self, index: int, row: npt.NDArray[np.uint8], content: Future[bytes] | None = None
    ) -> bytes | None:
        """Fill in the pixels of an image and return its SHA-256; None: it is damaged."""
        kept = self.dataset.content(index) if content is None else content.result()
        try:
            row[...] = cropped(self.dataset.image(index, kept), self._protocol)
        except DamagedImageError:
            if not self._skip_damaged:
                raise
            return None
        return hashlib.sha256(kept).digest()

    @staticmethod
    def batch(indices: range, digests: Sequence[bytes | None], pixels: Tensor) -> Batch:
        """Return the images that are whole as a batch."""
        whole = [row for row, digest in enumerate(digests) if digest is not None]
        return Batch(
            indices=tuple(indices[row] for row in whole),
            digests=tuple(digest for digest in digests if digest is not None),
            pixels=pixels if len(whole) == len(digests) else pixels[whole],
            damaged=tuple(indices[row] for row, digest in enumerate(digests) if digest is None),
        )
