"""What a network answers to the images of a data set, on the cores of a processor or on a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from model_hub.evaluation.loading import Batch, Reader, batches

__all__ = ["Answers", "OnCores", "OnGpu"]

_IMAGES_A_CORE: Final = 4
"""Of more, the outputs of a layer are too large for a core's caches, which slows large networks and
servers on the same machine; of fewer, threads wait for Python's lock with small ones."""
_MOST_CORES: Final = 32
_PARTS_A_CORE: Final = 2
"""In work, or with files that are being read."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to some images in a row.

    Attributes:
        batch: The images.
        logits: (images of the batch, outputs), in the memory of the processor; None: all are
            damaged.
    """

    batch: Batch
    logits: Tensor | None


class _Asking:
    """A network that is asked about images.

    Args:
        run: Maps pixels (batch, size, size, 3) to logits.
        reader: Reads the images.
        batch_size: Images at a time.

    Attributes:
        batch_size: Images at a time.
    """

    def __init__(self, run: Callable[[Tensor], Any], reader: Reader, *, batch_size: int) -> None:
        self._run = run
        self._reader = reader
        self.batch_size = batch_size


class OnCores(_Asking):
    """A network on the cores of a processor.

    Each core decodes some images and runs the network on them by itself. Cores that share each
    layer of a larger batch wait for each other hundreds of times a batch and take up to twice as
    long; beside a server, every one of these waits is in the way of its answers.

    Args:
        run: Maps pixels (batch, size, size, 3) to logits; called by several threads at once.
        reader: Reads the images.
        batch_size: Images at a time, a core; more than 4 are 4.

    Attributes:
        batch_size: Images at a time, a core.
    """

    def __init__(self, run: Callable[[Tensor], Any], reader: Reader, *, batch_size: int) -> None:
        super().__init__(run, reader, batch_size=min(batch_size, _IMAGES_A_CORE))

    def answers(self) -> Generator[Answers]:
        """Yield the answers to all images, in order.

        As many cores work as PyTorch has threads.

        Raises:
            DamagedImageError: An image is damaged.
            DatasetError: An archive of them ends too early.
            OSError: A file cannot be read.
        """
        with _threads_kept() as threads:
            cores = min(threads, _MOST_CORES)
            computing = ThreadPoolExecutor(
                cores, "images", initializer=torch.set_num_threads, initargs=(1,)
            )
            reading = ThreadPoolExecutor(cores, "files")
            asked: deque[Future[Answers]] = deque()
            try:
                for places in self._reader.parts(self.batch_size):
                    contents = reading.submit(self._reader.contents, places)
                    asked.append(computing.submit(self._answered, places, contents))
                    if len(asked) > _PARTS_A_CORE * cores:
                        yield asked.popleft().result()
                while asked:
                    yield asked.popleft().result()
            finally:
                # What waits for a file is told first that it will not come.
                reading.shutdown(cancel_futures=True)
                computing.shutdown(cancel_futures=True)

    def _answered(self, places: range, contents: Future[list[bytes]]) -> Answers:
        batch = self._reader.batch(places, contents.result())
        return Answers(batch, self._run(batch.pixels) if batch.indices else None)


@contextmanager
def _threads_kept() -> Iterator[int]:
    """Tell how many threads PyTorch has, and let it have as many afterwards.

    A thread that sets its own number sets that of all that begin later.
    """
    threads = torch.get_num_threads()
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


class OnGpu(_Asking):
    """A network on a GPU, which has its next batch while the answers to the last one are counted.

    Args:
        run: Maps pixels (batch, size, size, 3) to logits.
        reader: Reads the images.
        batch_size: Images at a time.

    Attributes:
        batch_size: Images at a time: halved where the GPU has too little memory.
    """

    def answers(self) -> Generator[Answers]:
        """Yield the answers to all images, in order.

        As many processes decode as PyTorch has threads.

        Raises:
            DamagedImageError: An image is damaged.
            DatasetError: An archive of them ends too early.
            OSError: A file cannot be read.
            torch.OutOfMemoryError: The device has no room for a single image.
        """
        read = batches(self._reader, self.batch_size, processes=torch.get_num_threads())
        asked: deque[tuple[Batch, _OnTheirWay | None]] = deque()
        with closing(read):
            for batch in read:
                asked.append((batch, self._asked(batch.pixels) if batch.indices else None))
                if len(asked) > 1:
                    yield _arrived(*asked.popleft())
            while asked:
                yield _arrived(*asked.popleft())

    def _asked(self, pixels: Tensor) -> _OnTheirWay:
        """Ask for the logits of some images, as many at a time as the GPU has room for."""
        answers = []
        while len(pixels):
            try:
                answers.append(self._run(pixels[: self.batch_size]))
                pixels = pixels[self.batch_size :]
                continue
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
            # Out here, where the error no longer holds what the failed pass had allocated.
            self.batch_size = min(self.batch_size, len(pixels)) // 2 or 1
            torch.cuda.empty_cache()
        return _OnTheirWay(answers)


class _OnTheirWay:
    """Logits that are copied to the processor, while a GPU may still be working on them.

    Args:
        parts: (some images, outputs) each, on the device.
    """

    def __init__(self, parts: list[Tensor]) -> None:
        self._parts = [part.to("cpu", non_blocking=True) for part in parts]
        self._copied = (
            torch.cuda.current_stream(parts[0].device).record_event() if parts[0].is_cuda else None
        )

    def arrived(self) -> Tensor:
        """Wait for them; return (batch, outputs)."""
        if self._copied is not None:
            self._copied.synchronize()
        return torch.cat(self._parts)


def _arrived(batch: Batch, logits: _OnTheirWay | None) -> Answers:
    return Answers(batch, None if logits is None else logits.arrived())
