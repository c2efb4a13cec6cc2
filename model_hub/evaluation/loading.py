"""Batches of pixels, which are read, decoded and cropped in other processes."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from model_hub.errors import DamagedImageError, DatasetError
from model_hub.evaluation.datasets import LabelledImages
from model_hub.evaluation.transform import cropped
from model_hub.memory import keep_freed_memory
from model_hub.protocols import EvaluationProtocol

__all__ = ["Batch", "Reader", "batches"]

_T = TypeVar("_T")

_BATCHES_PER_PROCESS: Final = 2
"""Number of batches that each process prepares in advance, with pixels in shared memory."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The pixels of some consecutive images.

    Attributes:
        indices: Indices of the images in the data set.
        digests: SHA-256 of the content of each image.
        pixels: (batch, size, size, 3), bytes.
        damaged: Indices of damaged images, which `indices` and `pixels` omit.
    """

    indices: tuple[int, ...]
    digests: tuple[bytes, ...]
    pixels: Tensor
    damaged: tuple[int, ...]

    def pin_memory(self) -> Batch:
        """Return the batch with pixels in page-locked memory; DataLoader calls this."""
        return replace(self, pixels=self.pixels.pin_memory())


class Reader:
    """Reads and decodes images.

    Args:
        dataset: The images.
        protocol: Their preprocessing.
        skip_damaged: Skip damaged images instead of raising an error at the first.
    """

    def __init__(
        self, dataset: LabelledImages, protocol: EvaluationProtocol, *, skip_damaged: bool = False
    ) -> None:
        self._dataset = dataset
        self._protocol = protocol
        self._skip_damaged = skip_damaged

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._dataset)

    def parts(self, size: int, *, start: int = 0) -> list[range]:
        """Return the indices of all images from `start` on, in parts of `size`."""
        count = len(self)
        return [range(first, min(first + size, count)) for first in range(start, count, size)]

    def contents(self, places: range) -> list[bytes]:
        """Return the contents of images: bytes of files, or pixels.

        Raises:
            DatasetError: An archive is truncated.
            OSError: A file cannot be read.
        """
        return [self._dataset.content(place) for place in places]

    def batch(self, places: range, contents: Sequence[bytes]) -> Batch:
        """Decode images into a batch.

        Raises:
            DamagedImageError: An image is damaged and `skip_damaged` is false.
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
        """Write the pixels of an image into a row; return False if the image is damaged."""
        try:
            row[...] = cropped(self._dataset.image(place, content), self._protocol)
        except DamagedImageError:
            if not self._skip_damaged:
                raise
            return False
        return True


def batches(
    reader: Reader,
    parts: Sequence[range],
    *,
    processes: int,
    pinned: bool = False,
    work: Callable[[Batch], _T],
) -> Generator[_T]:
    """Yield the result of `work` for each batch, in order, computed in other processes.

    Processes instead of threads decode, because each image holds Python's lock for at least a third
    of a millisecond. They are forked from the caller and inherit its objects. On systems other than
    Linux, and in processes of a pool, the calling process does all work.

    Args:
        reader: Reads the images.
        parts: The indices of each batch.
        processes: Number of processes, limited by the numbers of cores and batches. With 0, the
            calling process does all work.
        pinned: Whether pixels are in page-locked memory, from which a GPU copies fastest.
        work: Applied to each batch in the processes.

    Raises:
        DamagedImageError: An image is damaged.
        DatasetError: An archive is truncated.
        OSError: A file cannot be read.
    """
    count = min(processes, len(parts), _cores()) if _may_fork() else 0
    loader: DataLoader[Any] = DataLoader(
        _Work(reader, parts, work, shared=count > 0),
        batch_size=None,
        num_workers=count,
        prefetch_factor=_BATCHES_PER_PROCESS if count else None,
        multiprocessing_context="fork" if count else None,
        worker_init_fn=_begin,
        pin_memory=pinned and torch.cuda.is_available(),
        # DataLoader draws a seed; this generator keeps the caller's random state unchanged.
        generator=torch.Generator(),
    )
    for found in loader:
        # DataLoader would replace the error message by the traceback of its process.
        if isinstance(found, Exception):
            raise found
        yield found


class _Work(IterableDataset[Any]):
    """The batches of DataLoader's processes: each of N processes computes every Nth batch.

    Meanwhile a thread reads the files of the next batch. DataLoader reads from its processes in
    turn, which keeps the batches in order.
    """

    def __init__(
        self,
        reader: Reader,
        parts: Sequence[range],
        work: Callable[[Batch], Any],
        *,
        shared: bool,
    ) -> None:
        self._reader = reader
        self._parts = parts
        self._work = work
        self._shared = shared

    def __iter__(self) -> Iterator[Any]:
        """Yield the results of batches; an error is yielded as the last item."""
        # Without processes of its own, the caller may still be a process of another DataLoader.
        process = get_worker_info() if self._shared else None
        mine = self._parts[process.id :: process.num_workers] if process else self._parts
        with ThreadPoolExecutor(1, "files") as files:
            read = deque(files.submit(self._reader.contents, places) for places in mine[:1])
            try:
                for places, later in zip_longest(mine, mine[1:]):
                    if later is not None:
                        read.append(files.submit(self._reader.contents, later))
                    yield self._work(self._reader.batch(places, read.popleft().result()))
            except (DatasetError, OSError) as error:
                yield error


def _begin(_: int) -> None:
    keep_freed_memory()


def _may_fork() -> bool:
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


def _cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
