"""Evaluates a network on labelled images, on CPU cores or on a GPU."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model_hub.arguments import a_count
from model_hub.errors import DamagedImageError, InvalidArgumentError
from model_hub.evaluation.accuracy import AccuracyCounter, Evaluation
from model_hub.evaluation.datasets import LabelledImages
from model_hub.evaluation.loading import Batch, Reader, batches
from model_hub.evaluation.transform import normalised
from model_hub.protocols import EvaluationProtocol
from model_hub.running import Running

__all__ = ["Answers", "OnCores", "OnGpu", "evaluate"]


_IMAGES_PER_PASS: Final = 4
"""Batch size of a core. With more images, the outputs of a layer do not fit into its caches, which
slows down large networks and servers on the same machine."""
_PASSES_PER_MESSAGE: Final = 4
"""Passes whose results a process sends in one message; each message wakes four threads."""
_LEAST_MESSAGES: Final = 4
"""Fewest messages of each process, so that all processes end at about the same time."""


def evaluate(  # noqa: PLR0913 - settings of an evaluation
    network: nn.Module,
    dataset: LabelledImages,
    protocol: EvaluationProtocol,
    *,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    precision: str = "float32",
    compiled: bool = False,
    channels_last: bool | None = None,
    skip_damaged: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Evaluate a network on every image of a data set and return its accuracy and loss.

    Results are reproducible: nothing is random, and neither TensorFloat-32 nor autotuned algorithms
    are used. A copy of the network runs in evaluation mode. On the CPU it runs in as many processes
    as PyTorch has threads, forked from the calling process; with one thread, it runs in the calling
    process.

    Args:
        network: Maps (batch, 3, height, width) to logits (batch, outputs); it is not changed.
        dataset: Images and labels.
        protocol: Preprocessing of images and labels.
        batch_size: Images per batch, halved repeatedly if a GPU has too little memory. On the CPU,
            it is the batch size of each core, at most 4, which is faster.
        device: Device that runs the copy.
        precision: Precision of weights and inputs; see `model_hub.running.PRECISIONS`.
        compiled: Whether to use `torch.compile`.
        channels_last: Whether images have the channels-last memory format; default: on a GPU only.
        skip_damaged: Skip damaged images and list them, instead of raising an error at the first.
        progress: Called repeatedly with the number of finished images.

    Raises:
        InvalidArgumentError: An argument is invalid.
        DamagedImageError: An image is damaged, or all are.
        LabelError: The network has no output for a label.
        ClassesError: The numbers of classes and outputs differ, and `classes.txt` does not state
            which output is which class.
        OutputError: An output of the network is not finite.
        torch.OutOfMemoryError: The device has too little memory for a single image.
    """
    a_count("batch_size", batch_size)
    running = Running(
        device=device, precision=precision, compiled=compiled, channels_last=channels_last
    )
    if not len(dataset):
        raise InvalidArgumentError("dataset", "it has no images")
    started = time.perf_counter()
    run, place = running.prepared(network), torch.device(device)

    @torch.inference_mode()
    def answer(pixels: Tensor) -> Any:
        return run(normalised(pixels.to(place, non_blocking=True), protocol))

    reader = Reader(dataset, protocol, skip_damaged=skip_damaged)
    kind = OnCores if place.type == "cpu" else OnGpu
    inference = kind(answer, reader, batch_size=batch_size)
    at_first = inference.batch_size
    counter = AccuracyCounter(dataset, protocol.label_offset)
    skipped: list[str] = []
    with _reproducible(place), closing(inference.answers()) as answers:
        for found in answers:
            skipped.extend(dataset.name(index) for index in found.damaged)
            if found.logits is not None:
                counter.add(found.indices, found.digests, torch.from_numpy(found.logits))
            if progress is not None:
                progress(counter.count + len(skipped))
    if not counter.count:
        raise DamagedImageError(f"all {len(skipped)} images of the data set are damaged")
    return counter.evaluation(
        skipped=skipped,
        batch_size=inference.batch_size,
        halved=inference.batch_size < at_first,
        seconds=time.perf_counter() - started,
    )


@contextmanager
def _reproducible(device: torch.device) -> Iterator[None]:
    """Disable TensorFloat-32 and autotuned algorithms of a GPU in a `with` block."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    # Page-locked memory is allocated through the current GPU, which may be another one.
    current = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    try:
        with (
            current,
            torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=False
            ),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


@dataclass(frozen=True, slots=True)
class Answers:
    """Outputs of the network for some consecutive images.

    Attributes:
        indices: Indices of the images in the data set.
        digests: SHA-256 of the content of each image.
        damaged: Indices of damaged images, which `indices` omits.
        logits: (images, outputs), float64; None: all are damaged.
    """

    indices: tuple[int, ...]
    digests: tuple[bytes, ...]
    damaged: tuple[int, ...]
    logits: npt.NDArray[np.float64] | None


class _Inference:
    """A network that runs on the images of a reader.

    Args:
        run: Maps pixels (batch, size, size, 3) to logits.
        reader: Reads the images.
        batch_size: Images per batch.

    Attributes:
        batch_size: Images per batch.
    """

    def __init__(self, run: Callable[[Tensor], Any], reader: Reader, *, batch_size: int) -> None:
        self._run = run
        self._reader = reader
        self.batch_size = batch_size


class OnCores(_Inference):
    """Runs a network on CPU cores.

    Each core has a separate process, which decodes some images and runs the network on them. Cores
    that share the layers of a larger batch would wait for each other hundreds of times per batch
    and take up to twice as long; threads would wait for Python's lock. On a machine that also runs
    a server, each of these waits would delay the server's responses.

    `run` is called in several processes at once, with `batch_size` images, but at most four.
    """

    def __init__(self, run: Callable[[Tensor], Any], reader: Reader, *, batch_size: int) -> None:
        super().__init__(run, reader, batch_size=min(batch_size, _IMAGES_PER_PASS))

    def answers(self) -> Generator[Answers]:
        """Yield the outputs of all images, in order.

        PyTorch's number of threads is the number of processes; with one, the calling process works.

        Raises:
            DamagedImageError: An image is damaged.
            DatasetError: An archive is truncated.
            OSError: A file cannot be read.
        """
        # The first batch runs in the caller: the network is compiled once, and its errors are
        # raised unchanged.
        first = range(min(self.batch_size, len(self._reader)))
        # The caller uses one thread as well, which suffices to count the predictions.
        with _one_thread() as threads:
            yield self._answered(self._reader.batch(first, self._reader.contents(first)))
            yield from batches(
                self._reader,
                self._reader.parts(self._images_per_message(threads), start=first.stop),
                processes=threads if threads > 1 else 0,
                work=self._answered,
            )

    def _images_per_message(self, processes: int) -> int:
        """Return the number of images whose results a process sends in one message."""
        passes = len(self._reader) // (self.batch_size * processes * _LEAST_MESSAGES)
        return self.batch_size * min(max(passes, 1), _PASSES_PER_MESSAGE)

    def _answered(self, batch: Batch) -> Answers:
        if not batch.indices:
            return _answers(batch, None)
        # Grouped by index, so that damaged images do not affect other passes.
        passes = Counter(place // self.batch_size for place in batch.indices)
        logits = [self._run(pixels) for pixels in torch.split(batch.pixels, [*passes.values()])]
        return _answers(batch, torch.cat(logits))


@contextmanager
def _one_thread() -> Iterator[int]:
    """Let PyTorch use one thread in a `with` block, which gets the former number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


class OnGpu(_Inference):
    """Runs a network on a GPU, which computes the next batch while the previous one is counted.

    `batch_size` is halved if the GPU has too little memory.
    """

    def answers(self) -> Generator[Answers]:
        """Yield the outputs of all images, in order.

        PyTorch's number of threads is the number of decoding processes.

        Raises:
            DamagedImageError: An image is damaged.
            DatasetError: An archive is truncated.
            OSError: A file cannot be read.
            torch.OutOfMemoryError: The device has too little memory for a single image.
        """
        read = batches(
            self._reader,
            self._reader.parts(self.batch_size),
            work=lambda batch: batch,
            processes=torch.get_num_threads(),
            pinned=True,
        )
        submitted: deque[tuple[Batch, _PendingLogits | None]] = deque()
        with closing(read):
            for batch in read:
                submitted.append((batch, self._submitted(batch.pixels) if batch.indices else None))
                if len(submitted) > 1:
                    yield _received(*submitted.popleft())
            while submitted:
                yield _received(*submitted.popleft())

    def _submitted(self, pixels: Tensor) -> _PendingLogits:
        """Start to compute the logits of some images, in batches that fit on the GPU."""
        answers = []
        while len(pixels):
            try:
                answers.append(self._run(pixels[: self.batch_size]))
                pixels = pixels[self.batch_size :]
                continue
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
            # Outside the handler, the error no longer keeps the memory of the failed pass alive.
            self.batch_size = min(self.batch_size, len(pixels)) // 2 or 1
            torch.cuda.empty_cache()
        return _PendingLogits(answers)


class _PendingLogits:
    """Logits that a GPU may still be computing or copying.

    Args:
        parts: Logits (images, outputs) on the device.
    """

    def __init__(self, parts: list[Tensor]) -> None:
        self._parts = [part.to("cpu", non_blocking=True) for part in parts]
        self._copied = (
            torch.cuda.current_stream(parts[0].device).record_event() if parts[0].is_cuda else None
        )

    def wait(self) -> Tensor:
        """Wait for the logits and return them on the CPU, (batch, outputs)."""
        if self._copied is not None:
            self._copied.synchronize()
        return torch.cat(self._parts)


def _received(batch: Batch, logits: _PendingLogits | None) -> Answers:
    return _answers(batch, None if logits is None else logits.wait())


def _answers(batch: Batch, logits: Tensor | None) -> Answers:
    # Between processes, arrays are part of a message; tensors need a file of shared memory.
    numbers = None if logits is None else logits.double().numpy()
    return Answers(batch.indices, batch.digests, batch.damaged, numbers)
