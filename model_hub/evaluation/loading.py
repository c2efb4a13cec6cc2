"""Batches of inputs, read and transformed by threads while the network works."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from model_hub.evaluation.datasets import LabelledImages
from model_hub.evaluation.errors import DamagedImageError
from model_hub.evaluation.transform import transformed
from model_hub.protocols import EvaluationProtocol

__all__ = ["Batch", "batches"]

_MOST_THREADS: Final = 32
_BATCHES_AHEAD: Final = 2
"""At least; small batches take more of them to give every thread an image."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some images in a row.

    Attributes:
        indices: Their places in the data set.
        digests: SHA-256 of each.
        inputs: (batch, 3, height, width), float32.
        damaged: Places of those among them that could not be read.
    """

    indices: tuple[int, ...]
    digests: tuple[bytes, ...]
    inputs: Tensor
    damaged: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    index: int
    digest: bytes
    input: Tensor | None


def batches(
    dataset: LabelledImages,
    protocol: EvaluationProtocol,
    batch_size: int,
    *,
    skip_damaged: bool = False,
) -> Generator[Batch]:
    """Yield the images of a data set in batches, in order.

    Decoding and resizing leave Python's lock to others, so that threads on all cores do as well as
    processes, and copy nothing between them.

    Args:
        dataset: The images.
        protocol: What is done to them.
        batch_size: Images in a batch, the damaged among them.
        skip_damaged: Leave damaged images out, instead of stopping at the first.

    Raises:
        DamagedImageError: An image is damaged.
        OSError: A file cannot be read.
    """

    def read(index: int) -> _Read:
        try:
            tensor = transformed(dataset.image(index), protocol)
        except DamagedImageError:
            if not skip_damaged:
                raise
            return _Read(index, b"", None)
        return _Read(index, dataset.digest(index), tensor)

    starts = iter(range(0, len(dataset), batch_size))
    threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    ahead_of_use = max(_BATCHES_AHEAD, -(-2 * threads // batch_size))
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:

        def begin() -> Iterator[list[Future[_Read]]]:
            for start in starts:
                end = min(start + batch_size, len(dataset))
                yield [pool.submit(read, index) for index in range(start, end)]

        beginning = begin()
        ahead: deque[list[Future[_Read]]] = deque()
        try:
            for batch in beginning:
                ahead.append(batch)
                if len(ahead) > ahead_of_use:
                    yield _collected(ahead.popleft())
            while ahead:
                yield _collected(ahead.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _collected(tasks: list[Future[_Read]]) -> Batch:
    read = [task.result() for task in tasks]
    whole = [image for image in read if image.input is not None]
    tensors = [image.input for image in whole if image.input is not None]
    return Batch(
        indices=tuple(image.index for image in whole),
        digests=tuple(image.digest for image in whole),
        inputs=torch.stack(tensors) if tensors else torch.empty(0),
        damaged=tuple(image.index for image in read if image.input is None),
    )
