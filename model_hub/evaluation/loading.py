"""Batches of pixels, read and decoded by threads beside the network or in turn with it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_hub.evaluation.datasets import LabelledImages
from model_hub.evaluation.errors import DamagedImageError
from model_hub.evaluation.transform import cropped
from model_hub.protocols import EvaluationProtocol

__all__ = ["Batch", "batches"]

_MOST_THREADS: Final = 32
_BATCHES_AHEAD: Final = 2
"""At least; small batches take more of them to give every thread work."""
_IMAGES_A_THREAD: Final = 16
"""So many that it is little what the first thread without one waits for the last."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some images in a row.

    Attributes:
        indices: Their places in the data set.
        digests: SHA-256 of each as it is kept.
        pixels: (batch, size, size, 3), bytes; in page-locked memory if asked for.
        damaged: Places of those among them that could not be read.
    """

    indices: tuple[int, ...]
    digests: tuple[bytes, ...]
    pixels: Tensor
    damaged: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A batch that threads fill: its images, their digests to be, and their pixels to be."""

    indices: range
    digests: list[Future[bytes | None]]
    pixels: Tensor

    def collected(self) -> Batch:
        """Wait for it."""
        digests = [digest.result() for digest in self.digests]
        whole = [row for row, digest in enumerate(digests) if digest is not None]
        return Batch(
            indices=tuple(self.indices[row] for row in whole),
            digests=tuple(digest for digest in digests if digest is not None),
            pixels=self.pixels if len(whole) == len(digests) else self.pixels[whole],
            damaged=tuple(
                self.indices[row] for row, digest in enumerate(digests) if digest is None
            ),
        )


def batches(
    dataset: LabelledImages,
    protocol: EvaluationProtocol,
    batch_size: int,
    *,
    skip_damaged: bool = False,
    for_gpu: bool = False,
) -> Generator[Batch]:
    """Yield the images of a data set in batches, in order.

    Decoding and resizing leave Python's lock to others, so that threads do as well as processes,
    and copy nothing between them. There are as many as PyTorch has. For a GPU they go on while it
    works. A network on the processor has the cores for itself instead: images are decoded for some
    batches, then the caller has its turn, in which no more than files are read. Together they would
    be twice as many threads as cores, no faster, and in the way of everything else there.

    Args:
        dataset: The images.
        protocol: What is done to them.
        batch_size: Images in a batch, the damaged among them.
        skip_damaged: Leave damaged images out, instead of stopping at the first.
        for_gpu: Decode while the caller is busy, into memory that a GPU can copy from by itself.

    Raises:
        DamagedImageError: An image is damaged.
        OSError: A file cannot be read.
    """
    size = protocol.input_size
    read_before: dict[int, Future[bytes]] = {}

    def read(index: int, pixels: npt.NDArray[np.uint8]) -> bytes | None:
        ahead = read_before.pop(index, None)
        try:
            content = dataset.content(index) if ahead is None else ahead.result()
            pixels[...] = cropped(dataset.image(index, content), protocol)
        except DamagedImageError:
            if not skip_damaged:
                raise
            return None
        return hashlib.sha256(content).digest()

    threads = min(torch.get_num_threads(), _MOST_THREADS)
    ranges = [
        range(start, min(start + batch_size, len(dataset)))
        for start in range(0, len(dataset), batch_size)
    ]
    most = max(_BATCHES_AHEAD, -(-_IMAGES_A_THREAD * threads // batch_size))
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:

        def begun(indices: range) -> _Begun:
            pixels = torch.empty(
                (len(indices), size, size, 3), dtype=torch.uint8, pin_memory=for_gpu
            )
            tasks = [
                pool.submit(read, index, row)
                for index, row in zip(indices, pixels.numpy(), strict=True)
            ]
            return _Begun(indices, tasks, pixels)

        ahead: deque[_Begun] = deque()
        next_one = 0
        try:
            while ahead or next_one < len(ranges):
                if for_gpu or not ahead:
                    last = next_one + most - len(ahead)
                    ahead += map(begun, ranges[next_one:last])
                    next_one = last
                    if not for_gpu:
                        wait([digest for batch in ahead for digest in batch.digests])
                        for index in (i for each in ranges[last : last + most] for i in each):
                            read_before[index] = pool.submit(dataset.content, index)
                yield ahead.popleft().collected()
        finally:
            pool.shutdown(cancel_futures=True)
