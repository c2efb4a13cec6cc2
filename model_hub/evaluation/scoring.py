"""How many labelled images a network classifies as they are labelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count
from model_hub.errors import InvalidArgumentError
from model_hub.evaluation.datasets import LabelledImages
from model_hub.evaluation.errors import DamagedImageError
from model_hub.evaluation.loading import batches
from model_hub.evaluation.tally import Evaluation, Tally
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
    answering = _Answering(running.prepared(network), batch_size)
    tally = Tally(dataset, protocol.label_offset)
    skipped: list[str] = []
    read = batches(dataset, protocol, batch_size, skip_damaged=skip_damaged)
    with torch.inference_mode(), _reproducible(), closing(read):
        for batch in read:
            skipped += [dataset.name(index) for index in batch.damaged]
            if batch.indices:
                tally.add(batch.indices, batch.digests, answering(batch.inputs))
            if progress is not None:
                progress(tally.count + len(skipped))
    if not tally.count:
        raise DamagedImageError(f"all {len(skipped)} images of the data set are damaged")
    return tally.evaluation(
        skipped=skipped,
        batch_size=answering.most,
        seconds=time.perf_counter() - started,
    )


class _Answering:
    """Asks a network, as many inputs at a time as its device has room for.

    Args:
        answer: The network.
        most: Inputs at a time.
    """

    def __init__(self, answer: Callable[[Tensor], Any], most: int) -> None:
        self._answer = answer
        self.most = most

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the logits of inputs as float64, on the processor."""
        answers = []
        while len(inputs):
            try:
                answers.append(self._answer(inputs[: self.most]).cpu().double())
                inputs = inputs[self.most :]
                continue
            except torch.OutOfMemoryError:
                if self.most == 1:
                    raise
            # Out here, where the error no longer holds what the failed pass had allocated.
            self.most = min(self.most, len(inputs)) // 2 or 1
            torch.cuda.empty_cache()
        return torch.cat(answers)


@contextmanager
def _reproducible() -> Iterator[None]:
    """Let a GPU neither round to TensorFloat-32 nor choose algorithms by their speed."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
