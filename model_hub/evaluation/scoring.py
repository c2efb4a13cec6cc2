"""How many labelled images a network classifies as they are labelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count
from model_hub.errors import InvalidArgumentError
from model_hub.evaluation.accuracy import AccuracyCounter, Evaluation
from model_hub.evaluation.datasets import LabelledImages
from model_hub.evaluation.errors import DamagedImageError
from model_hub.evaluation.inference import OnCores, OnGpu
from model_hub.evaluation.loading import Reader
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
    mode does the work. On a processor it runs in as many processes as PyTorch has threads, forked
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
        progress: Told now and then how many images are done.

    Raises:
        InvalidArgumentError: An argument cannot mean anything.
        DamagedImageError: An image is damaged, or all are.
        LabelError: The network has no output for a label.
        ClassesError: The classes of a data set are not as many as the outputs of the network, and
            nobody stated which output is whose.
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
