"""Accuracy of a network on labelled images."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from model_hub.arguments import a_count, one_of
from model_hub.errors import InvalidArgumentError
from model_hub.evaluation.datasets import LabelledImages
from model_hub.evaluation.errors import DatasetError, OutputError
from model_hub.evaluation.transform import transformed
from model_hub.protocols import EvaluationProtocol
from model_hub.table import Column, text_table

__all__ = ["ClassScore", "Evaluation", "evaluate"]

_FIVE: Final = 5
_PRECISIONS: Final = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_WORKERS: Final = 4
"""Threads that decode and resize; Pillow lets them run at the same time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassScore:
    """How the images of one label were classified.

    Attributes:
        label: The label.
        name: Its name, if the data set knows it.
        count: Images with this label.
        right: Of those, how many the network put first.
        right_in_five: Of those, how many it had among its first five.
    """

    label: int
    name: str | None
    count: int
    right: int
    right_in_five: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """How a network classified a data set.

    Attributes:
        count: Images.
        right: How many of them the network put first.
        right_in_five: How many it had among its first five.
        loss: Mean cross-entropy, in nats.
        classes: The same for each label that occurs, in the order of labels.
        seconds: Wall time of the whole evaluation, reading included.
    """

    count: int
    right: int
    right_in_five: int
    loss: float
    classes: tuple[ClassScore, ...]
    seconds: float

    @property
    def top1(self) -> float:
        """Accuracy in percent."""
        return 100 * self.right / self.count

    @property
    def top5(self) -> float:
        """Accuracy in percent where any of the first five may be right."""
        return 100 * self.right_in_five / self.count

    def table(self) -> str:
        """Return a line a label as plain text."""
        return text_table(
            (
                Column("label", [_title(score) for score in self.classes], "total"),
                Column.of_numbers("images", [score.count for score in self.classes]),
                Column.of_numbers("top 1", [score.right for score in self.classes]),
                Column.of_numbers("top 5", [score.right_in_five for score in self.classes]),
            )
        )

    def __str__(self) -> str:
        return (
            f"top 1 {self.top1:.3f} % ({self.right} of {self.count}), "
            f"top 5 {self.top5:.3f} % ({self.right_in_five}), loss {self.loss:.4f}, "
            f"{self.seconds:.1f} s"
        )


def evaluate(
    network: nn.Module,
    dataset: LabelledImages,
    protocol: EvaluationProtocol,
    *,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    precision: str = "float32",
) -> Evaluation:
    """Classify every image of a data set, once, in its order.

    The same call gives the same figures: nothing is drawn at random, and neither TensorFloat-32 nor
    algorithms chosen by speed are used. The network itself stays as it is: a copy in evaluation
    mode does the work.

    Args:
        network: Maps (batch, 3, height, width) to logits (batch, outputs).
        dataset: Images and labels.
        protocol: What is done to images and labels.
        batch_size: Images at a time.
        device: Where the copy runs.
        precision: Of its weights and inputs: float32, float64, bfloat16 or float16.

    Raises:
        InvalidArgumentError: An argument cannot mean anything.
        DatasetError: An image is damaged, or the network has no output for a label.
        OutputError: The network answers with something that is no finite number.
    """
    a_count("batch_size", batch_size)
    dtype = _PRECISIONS[one_of("precision", precision, tuple(_PRECISIONS))]
    if not len(dataset):
        raise InvalidArgumentError("dataset", "it has no images")
    started = time.perf_counter()
    copied = copy.deepcopy(network).to(device=device, dtype=dtype).eval()
    tally = _Tally()
    batches = _batches(dataset, protocol, batch_size)
    with torch.inference_mode(), _reproducible(), closing(batches):
        for indices, images in batches:
            logits = copied(images.to(device=device, dtype=dtype)).cpu().double()
            tally.add(dataset, indices, logits, protocol.label_offset)
    return tally.evaluation(dataset.classes, time.perf_counter() - started)


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


def _batches(
    dataset: LabelledImages, protocol: EvaluationProtocol, batch_size: int
) -> Generator[tuple[range, Tensor]]:
    """Yield the indices and the inputs of each batch, while the next one is being read."""

    def read(index: int) -> Tensor:
        return transformed(dataset.image(index), protocol)

    count = len(dataset)
    batches = [range(n, min(n + batch_size, count)) for n in range(0, count, batch_size)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        try:
            ahead = [pool.submit(read, index) for index in batches[0]]
            for indices, following in zip_longest(batches, batches[1:], fillvalue=range(0)):
                current, ahead = ahead, [pool.submit(read, index) for index in following]
                yield indices, torch.stack([task.result() for task in current])
        finally:
            pool.shutdown(cancel_futures=True)


class _Tally:
    """Counts right answers, label by label."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.right: Counter[int] = Counter()
        self.in_five: Counter[int] = Counter()
        self.loss = 0.0

    def add(
        self, dataset: LabelledImages, indices: Sequence[int], logits: Tensor, offset: int
    ) -> None:
        """Count a batch.

        A label's rank is the number of outputs above its own, and of equal ones before it: so ties
        are broken alike everywhere.
        """
        labels = [dataset.label(index) for index in indices]
        for index, label, row in zip(indices, labels, logits, strict=True):
            if not 0 <= label + offset < len(row):
                raise DatasetError(
                    f"{dataset.place(index)}: label {label} with offset {offset}, "
                    f"but the network has {len(row)} outputs"
                )
            if not row.isfinite().all():
                raise OutputError(f"{dataset.place(index)}: the network's outputs are no numbers")
        outputs = torch.tensor(labels)[:, None] + offset
        own = logits.gather(1, outputs)
        before = torch.arange(logits.shape[1]) < outputs
        ranks = ((logits > own) | ((logits == own) & before)).sum(1).tolist()
        self.loss += F.cross_entropy(logits, outputs[:, 0], reduction="sum").item()
        for label, rank in zip(labels, ranks, strict=True):
            self.counts[label] += 1
            self.right[label] += rank == 0
            self.in_five[label] += rank < _FIVE

    def evaluation(self, names: Sequence[str] | None, seconds: float) -> Evaluation:
        return Evaluation(
            count=self.counts.total(),
            right=self.right.total(),
            right_in_five=self.in_five.total(),
            loss=self.loss / self.counts.total(),
            classes=tuple(
                ClassScore(
                    label=label,
                    name=names[label] if names and label < len(names) else None,
                    count=count,
                    right=self.right[label],
                    right_in_five=self.in_five[label],
                )
                for label, count in sorted(self.counts.items())
            ),
            seconds=seconds,
        )


def _title(score: ClassScore) -> str:
    return f"{score.label} {score.name}" if score.name else str(score.label)
