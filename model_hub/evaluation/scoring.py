"""How many labelled images a network classifies as they are labelled."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count
from model_hub.errors import InvalidArgumentError
from model_hub.evaluation.datasets import LabelledImages
from model_hub.evaluation.errors import DamagedImageError
from model_hub.evaluation.loading import Batch, batches
from model_hub.evaluation.tally import Evaluation, Tally
from model_hub.evaluation.transform import normalised
from model_hub.protocols import EvaluationProtocol
from model_hub.running import Running

__all__ = ["evaluate"]


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
    algorithms chosen by speed are used. The network itself stays as it is: a copy in evaluation
    mode does the work.

    Args:
        network: Maps (batch, 3, height, width) to logits (batch, outputs).
        dataset: Images and labels.
        protocol: What is done to images and labels.
        batch_size: Images at a time; halved as often as it takes where a GPU has too little memory.
        device: Where the copy runs.
        precision: Of its weights and inputs; see `model_hub.running.PRECISIONS`.
        compiled: Whether `torch.compile` compiles it.
        channels_last: Whether images lie in memory pixel by pixel; None: on a GPU.
        skip_damaged: Leave damaged images out and name them, instead of stopping at the first.
        progress: Told now and then how many images are done.

    Raises:
        InvalidArgumentError: An argument cannot mean anything.
        DamagedImageError: An image is damaged, or all are.
        LabelError: The network has no output for a label.
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
    on_gpu = place.type == "cuda"

    def answer(pixels: Tensor) -> Any:
        return run(normalised(pixels.to(place, non_blocking=True), protocol))

    answering = _Answering(answer, batch_size)
    tally = Tally(dataset, protocol.label_offset)
    skipped: list[str] = []

    def count(batch: Batch, logits: _Logits | None) -> None:
        skipped.extend(dataset.name(index) for index in batch.damaged)
        if logits is not None:
            tally.add(batch.indices, batch.digests, logits.arrived().double())
        if progress is not None:
            progress(tally.count + len(skipped))

    read = batches(dataset, protocol, batch_size, skip_damaged=skip_damaged, for_gpu=on_gpu)
    with torch.inference_mode(), _reproducible(place), closing(read):
        # A GPU has its next batch already while the answers to the last one are counted.
        asked: deque[tuple[Batch, _Logits | None]] = deque()
        for batch in read:
            asked.append((batch, answering(batch.pixels) if batch.indices else None))
            if len(asked) > on_gpu:
                count(*asked.popleft())
        while asked:
            count(*asked.popleft())
    if not tally.count:
        raise DamagedImageError(f"all {len(skipped)} images of the data set are damaged")
    return tally.evaluation(
        skipped=skipped,
        batch_size=answering.most,
        seconds=time.perf_counter() - started,
    )


class _Logits:
    """Answers on their way to the processor.

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


class _Answering:
    """Asks a network, as many inputs at a time as its device has room for.

    Args:
        answer: The network.
        most: Inputs at a time.
    """

    def __init__(self, answer: Callable[[Tensor], Any], most: int) -> None:
        self._answer = answer
        self.most = most

    def __call__(self, inputs: Tensor) -> _Logits:
        """Return the logits of inputs, which a GPU may still be working on."""
        answers = []
        while len(inputs):
            try:
                answers.append(self._answer(inputs[: self.most]))
                inputs = inputs[self.most :]
                continue
            except torch.OutOfMemoryError:
                if self.most == 1:
                    raise
            # Out here, where the error no longer holds what the failed pass had allocated.
            self.most = min(self.most, len(inputs)) // 2 or 1
            torch.cuda.empty_cache()
        return _Logits(answers)


@contextmanager
def _reproducible(device: torch.device) -> Iterator[None]:
    """Let a GPU neither round to TensorFloat-32 nor choose algorithms by their speed."""
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
