"""Batches of pixels: read, decoded and cropped, in processes beside the caller."""

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
"""Batches that each process prepares in advance; pixels are in shared memory."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The pixels of some consecutive images.

    Attributes:
        indices: Their places in the data set.
        digests: SHA-256 of the content of each.
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

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._dataset)

    def parts(self, size: int, *, start: int = 0) -> list[range]:
        """Return the places of all images from one on, in order, some at a time."""
        count = len(self)
        return [range(first, min(first + size, count)) for first in range(start, count, size)]

    def contents(self, places: range) -> list[bytes]:
        """Return the contents of images: bytes of files, or pixels.

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


def batches(
    reader: Reader,
    parts: Sequence[range],
    *,
    processes: int,
    pinned: bool = False,
    work: Callable[[Batch], _T],
) -> Generator[_T]:
    """Yield the result of `work` for each batch, in order, prepared in other processes.

    Processes decode, not threads: at least a third of a millisecond of each image needs Python's
    lock. They are forked from the caller and inherit what they need. On other systems than Linux,
    and in processes of a pool, the caller does everything itself.

    Args:
        reader: Reads them.
        parts: The places of each.
        processes: How many work at once; at most as many as there are cores and batches. With 0,
            the caller does everything itself.
        pinned: Whether pixels are in page-locked memory, from which a GPU copies fastest.
        work: What the processes do with a batch, besides reading it.

    Raises:
        DamagedImageError: An image is damaged.
        DatasetError: An archive of them ends too early.
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
        # DataLoader draws a seed, which must not change the caller's random numbers.
        generator=torch.Generator(),
    )
    for found in loader:
        # DataLoader would replace the message of an error by the traceback of its process.
        if isinstance(found, Exception):
            raise found
        yield found


class _Work(IterableDataset[Any]):
    """The batches of all processes of DataLoader: of N processes, each does every Nth.

    A thread reads the files of the next batch meanwhile. DataLoader takes from its processes in
    turn, so batches come in order.
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
        """Yield the results of batches; an error, if there is one, is the last item."""
        # A caller that does everything itself may still be a process of another DataLoader.
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
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
