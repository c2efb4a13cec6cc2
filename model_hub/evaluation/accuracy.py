"""Counts correct and wrong predictions of a network, in total and for each label."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor

from model_hub.errors import ClassesError, LabelError, OutputError
from model_hub.evaluation.datasets import LabelledImages
from model_hub.table import Column, text_table

__all__ = ["AccuracyCounter", "ClassScore", "Confusion", "Evaluation"]

_FIVE: Final = 5
_WORST: Final = 10
"""Number of labels, those of lowest accuracy, whose confusions are reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassScore:
    """Accuracy on the images of one label.

    Attributes:
        label: The label.
        name: Its name, if known.
        count: Number of images with this label.
        right: Number of images with a correct top-1 prediction.
        right_in_five: Number of images with a correct top-5 prediction.
    """

    label: int
    name: str | None
    count: int
    right: int
    right_in_five: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Confusion:
    """Number of images of one label that were classified as another.

    Attributes:
        label: The label of the images.
        taken_for: The predicted label.
        count: Number of images.
    """

    label: int
    taken_for: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Result of the evaluation of a network on a data set.

    Attributes:
        count: Number of images.
        num_classes: Number of classes of the data set; for a table, the number of distinct labels.
        num_outputs: Number of outputs of the network.
        right: Number of images with a correct top-1 prediction.
        right_in_five: Number of images with a correct top-5 prediction.
        loss: Mean cross-entropy, in nats.
        classes: The scores of each label that occurs, in the order of labels.
        confusions: Confusions of the ten labels of lowest accuracy, worst label first, and for
            each the most frequent confusion first.
        answers: The predicted label of each image.
        skipped: Names of damaged images, which no count includes.
        sha256: Digest of the evaluated images: name, label and content of each, in order.
        batch_size: Batch size at the end.
        halved: Whether the batch size was reduced because a GPU's memory was too small.
        seconds: Wall time of the whole evaluation, including reading.
    """

    count: int
    num_classes: int
    num_outputs: int
    right: int
    right_in_five: int
    loss: float
    classes: tuple[ClassScore, ...]
    confusions: tuple[Confusion, ...]
    answers: tuple[int, ...]
    skipped: tuple[str, ...]
    sha256: str
    batch_size: int
    halved: bool
    seconds: float

    @property
    def top1(self) -> float:
        """Top-1 accuracy in percent."""
        return 100 * self.right / self.count

    @property
    def top5(self) -> float:
        """Top-5 accuracy in percent."""
        return 100 * self.right_in_five / self.count

    def table(self) -> str:
        """Return a plain-text table with one line per label."""
        return text_table(
            (
                Column("label", [_title(score) for score in self.classes], "total"),
                Column.of_numbers("images", [score.count for score in self.classes]),
                Column.of_numbers("top 1", [score.right for score in self.classes]),
                Column.of_numbers("top 5", [score.right_in_five for score in self.classes]),
            )
        )

    def __str__(self) -> str:
        left_out = f", {len(self.skipped)} damaged left out" if self.skipped else ""
        return (
            f"top 1 {self.top1:.3f} % ({self.right} of {self.count}), "
            f"top 5 {self.top5:.3f} % ({self.right_in_five}), loss {self.loss:.4f}, "
            f"{self.num_classes:,} classes, {self.num_outputs:,} outputs, "
            f"{self.seconds:.1f} s{left_out}"
        )


class AccuracyCounter:
    """Counts the predictions of a network on a data set.

    Args:
        dataset: The images and labels.
        label_offset: Output of label 0.
    """

    def __init__(self, dataset: LabelledImages, label_offset: int) -> None:
        self._dataset = dataset
        self._offset = label_offset
        self._counts: Counter[int] = Counter()
        self._right: Counter[int] = Counter()
        self._in_five: Counter[int] = Counter()
        self._taken_for: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self._answers: list[int] = []
        self._loss = 0.0
        self._digest = hashlib.sha256()
        self._outputs = 0

    def add(self, indices: Sequence[int], digests: Sequence[bytes], logits: Tensor) -> None:
        """Add a batch.

        The rank of a label is the number of larger outputs and of equal outputs before its own, so
        that ties are broken consistently.

        Args:
            indices: Indices of the images.
            digests: SHA-256 of their contents.
            logits: (batch, outputs), float64, on the CPU.

        Raises:
            LabelError: The network has no output for a label.
            OutputError: An output is not finite.
        """
        if not self._outputs:
            self._check_labels(logits.shape[1])
        labels = [self._dataset.label(index) for index in indices]
        self._check_finite(indices, logits)
        outputs = torch.tensor(labels)[:, None] + self._offset
        own = logits.gather(1, outputs)
        before = torch.arange(logits.shape[1]) < outputs
        ranks = ((logits > own) | ((logits == own) & before)).sum(1).tolist()
        # The first of equal outputs is the prediction, as for ranks.
        answers = (logits.argmax(1) - self._offset).tolist()
        self._loss += F.cross_entropy(logits, outputs[:, 0], reduction="sum").item()
        self._answers += answers
        for index, digest, label, rank, answer in zip(
            indices, digests, labels, ranks, answers, strict=True
        ):
            stated = f"{self._dataset.name(index)}\n{label}\n"
            # File names may be invalid UTF-8.
            self._digest.update(stated.encode("utf-8", "surrogateescape") + digest)
            self._counts[label] += 1
            self._right[label] += rank == 0
            self._in_five[label] += rank < _FIVE
            if rank:
                self._taken_for[label][answer] += 1

    @property
    def count(self) -> int:
        """Number of images so far."""
        return len(self._answers)

    def evaluation(
        self, *, skipped: Sequence[str], batch_size: int, halved: bool, seconds: float
    ) -> Evaluation:
        """Return the result of all batches."""
        return Evaluation(
            count=self.count,
            num_classes=len(self._dataset.classes or self._counts),
            num_outputs=self._outputs,
            right=self._right.total(),
            right_in_five=self._in_five.total(),
            loss=self._loss / self.count,
            classes=tuple(self._score(label) for label in sorted(self._counts)),
            confusions=self._confusions(),
            answers=tuple(self._answers),
            skipped=tuple(skipped),
            sha256=self._digest.hexdigest(),
            batch_size=batch_size,
            halved=halved,
            seconds=seconds,
        )

    def _check_labels(self, outputs: int) -> None:
        """Check that the network has an output for each label, after its first batch.

        Raises:
            LabelError: A label has no output.
            ClassesError: The numbers of classes and outputs differ, and `classes.txt` does not
                state which output is which class.
        """
        self._outputs = outputs
        wanted = f"the network has {outputs} outputs"
        if self._offset:
            wanted += f", and label 0 is output {self._offset}"
        classes = len(self._dataset.classes or ())
        least, most = max(0, -self._offset), outputs - self._offset
        for index in range(len(self._dataset)):
            if not least <= (label := self._dataset.label(index)) < most:
                raise LabelError(
                    f"{self._dataset.place(index)}: label {label} with offset {self._offset}, but "
                    f"{wanted}"
                )
        if classes > most or (0 < classes < most and not self._dataset.order_stated):
            raise ClassesError(
                f"the data set has {classes} classes, but {wanted}. List the class of each output "
                "in classes.txt beside the folders, one folder name per line, including classes "
                "without images"
            )

    def _check_finite(self, indices: Sequence[int], logits: Tensor) -> None:
        for index, is_finite in zip(indices, logits.isfinite().all(1).tolist(), strict=True):
            if not is_finite:
                raise OutputError(
                    f"{self._dataset.place(index)}: the network's outputs are no numbers"
                )

    def _score(self, label: int) -> ClassScore:
        names = self._dataset.classes
        return ClassScore(
            label=label,
            name=names[label] if names and label < len(names) else None,
            count=self._counts[label],
            right=self._right[label],
            right_in_five=self._in_five[label],
        )

    def _confusions(self) -> tuple[Confusion, ...]:
        def accuracy(label: int) -> tuple[float, int]:
            return self._right[label] / self._counts[label], label

        worst = sorted(self._taken_for, key=accuracy)[:_WORST]
        return tuple(
            Confusion(label=label, taken_for=answer, count=count)
            for label in worst
            for answer, count in self._taken_for[label].most_common(_FIVE)
        )


def _title(score: ClassScore) -> str:
    return f"{score.label} {score.name}" if score.name else str(score.label)
