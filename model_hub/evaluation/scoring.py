"""Evaluates a network on labelled images, on the cores of a processor or on a GPU."""

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
"""Images that a core runs at a time. With more, the outputs of a layer do not fit into its caches,
which slows large networks, and servers on the same machine."""
_PASSES_PER_MESSAGE: Final = 4
"""Passes whose results a process sends at a time. Each message wakes four threads."""
_LEAST_MESSAGES: Final = 4
"""Messages of each process at least, so that all processes end at about the same time."""


def evaluate(  # noqa: PLR0913 - what a figure depends on
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
    """Classify every image of a data set, once, in its order.

    The same call gives the same figures: nothing is drawn at random, and neither TensorFloat-32 nor
    algorithms chosen by speed are used. The network itself is not changed: a copy runs, in
    evaluation mode. On a processor it runs in as many processes as PyTorch has threads, forked
    from the caller's; with one thread, in the caller's own.

    Args:
        network: Maps (batch, 3, height, width) to logits (batch, outputs).
        dataset: Images and labels.
        protocol: What is done to images and labels.
        batch_size: Images at a time; halved as often as it takes where a GPU has too little memory.
            On a processor each core takes so many, but no more than 4, which is faster.
        device: Where the copy runs.
        precision: Of its weights and inputs; see `model_hub.running.PRECISIONS`.
        compiled: Whether `torch.compile` compiles it.
        channels_last: Whether images lie in memory pixel by pixel; None: on a GPU.
        skip_damaged: Leave damaged images out and name them, instead of stopping at the first.
        progress: Called now and then with the number of images that are done.

    Raises:
        InvalidArgumentError: An argument cannot mean anything.
        DamagedImageError: An image is damaged, or all are.
        LabelError: The network has no output for a label.
        ClassesError: The numbers of classes and outputs differ, and `classes.txt` does not state
            which output is which class.
        OutputError: The network answers with something that is no finite number.
        torch.OutOfMemoryError: The device has no room for a single image.
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
    """Keep a GPU from rounding to TensorFloat-32 and from choosing algorithms by speed."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    # Page-locked memory is got through the current GPU, of which a process may have another.
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
        indices: The places of the images in the data set.
        digests: SHA-256 of the content of each.
        damaged: Places of those among them that could not be read.
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
        batch_size: Images at a time.

    Attributes:
        batch_size: Images at a time.
    """

    def __init__(self, run: Callable[[Tensor], Any], reader: Reader, *, batch_size: int) -> None:
        self._run = run
        self._reader = reader
        self.batch_size = batch_size


class OnCores(_Inference):
    """A network on the cores of a processor.

    Each core has a process of its own, which decodes some images and runs the network on them.
    Cores that share the layers of a larger batch wait for each other hundreds of times a batch and
    take up to twice as long, and threads wait for Python's lock. On a machine that also runs a
    server, each of these waits delays the server's answers.

    `run` is called in several processes at once, with as many images as each core takes at a time:
    of a `batch_size` above 4, four.
    """

    def __init__(self, run: Callable[[Tensor], Any], reader: Reader, *, batch_size: int) -> None:
        super().__init__(run, reader, batch_size=min(batch_size, _IMAGES_PER_PASS))

    def answers(self) -> Generator[Answers]:
        """Yield the answers to all images, in order.

        As many processes work as PyTorch has threads; with one, the caller's.

        Raises:
            DamagedImageError: An image is damaged.
            DatasetError: An archive of them ends too early.
            OSError: A file cannot be read.
        """
        # The first batch runs in the caller: the network is compiled once, and its errors are
        # raised unchanged.
        first = range(min(self.batch_size, len(self._reader)))
        # The caller uses one thread as well: counting so few answers needs no more.
        with _one_thread() as threads:
            yield self._answered(self._reader.batch(first, self._reader.contents(first)))
            yield from batches(
                self._reader,
                self._reader.parts(self._images_per_message(threads), start=first.stop),
                processes=threads if threads > 1 else 0,
                work=self._answered,
            )

    def _images_per_message(self, processes: int) -> int:
        """Return of how many images a process sends the results together."""
        passes = len(self._reader) // (self.batch_size * processes * _LEAST_MESSAGES)
        return self.batch_size * min(max(passes, 1), _PASSES_PER_MESSAGE)

    def _answered(self, batch: Batch) -> Answers:
        if not batch.indices:
            return _answers(batch, None)
        # By places, so that damaged images change nothing for those in other passes.
        passes = Counter(place // self.batch_size for place in batch.indices)
        logits = [self._run(pixels) for pixels in torch.split(batch.pixels, [*passes.values()])]
        return _answers(batch, torch.cat(logits))


@contextmanager
def _one_thread() -> Iterator[int]:
    """Let PyTorch use one thread for a while; tell how many it had."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


class OnGpu(_Inference):
    """A network on a GPU, which runs the next batch while the last one is counted.

    `batch_size` is halved where the GPU has too little memory.
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
        """Start computing the logits of some images, as many at a time as fit on the GPU."""
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
        return _PendingLogits(answers)


class _PendingLogits:
    """Logits on their way from a GPU, which may still be computing them.

    Args:
        parts: (some images, outputs) each, on the device.
    """

    def __init__(self, parts: list[Tensor]) -> None:
        self._parts = [part.to("cpu", non_blocking=True) for part in parts]
        self._copied = (
            torch.cuda.current_stream(parts[0].device).record_event() if parts[0].is_cuda else None
        )

    def wait(self) -> Tensor:
        """Wait until they are here and return them, (batch, outputs)."""
        if self._copied is not None:
            self._copied.synchronize()
        return torch.cat(self._parts)


def _received(batch: Batch, logits: _PendingLogits | None) -> Answers:
    return _answers(batch, None if logits is None else logits.wait())


def _answers(batch: Batch, logits: Tensor | None) -> Answers:
    # An array travels between processes within its message, a tensor in a file of shared memory.
    numbers = None if logits is None else logits.double().numpy()
    return Answers(batch.indices, batch.digests, batch.damaged, numbers)
