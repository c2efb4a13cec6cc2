"""One run of NATS-Bench, and what a data set and its splits are called here and there.

The service has the last epoch of a run as recorded, and the epochs before it as the shortest
decimals of float32, within 1.2e-7 of what is recorded. The archives have one time an epoch for a
run, so that the time up to an epoch is that time as many times over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

__all__ = ["CLASSES", "TRAIN", "Metrics", "ResultsCount", "dataset_named", "served_as"]

Metrics: TypeAlias = dict[str, Any]
"""`iepoch`, `loss`, `accuracy` in percent, `cur_time` and `all_time` in seconds."""

TRAIN: Final = "train"

_PUBLISHED_NAMES: Final = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
_BY_LOWER_CASE: Final = {name.lower(): name for name in _PUBLISHED_NAMES}

CLASSES: Final = dict(zip(_PUBLISHED_NAMES, (10, 10, 100, 120), strict=True))
"""Classes of each data set, by its published name."""

_HELD_OUT: Final = {"x-valid": "valid", "x-test": "test", "ori-test": "ori_test"}
_SERVED_AS: Final[Mapping[str, Mapping[str, str]]] = {
    "cifar10-valid": {"x-valid": "valid", "ori-test": "test"},
    "cifar10": {"ori-test": "test"},
    "cifar100": _HELD_OUT,
    "ImageNet16-120": _HELD_OUT,
}
"""By data set, how the service names the archive's splits."""


def dataset_named(name: str) -> str:
    """Return the published name of a data set given in any case.

    Raises:
        ValueError: There is no such data set.
    """
    published = _BY_LOWER_CASE.get(name.lower())
    if published is None:
        raise ValueError(f"unknown data set {name!r:.80}; known are {', '.join(_PUBLISHED_NAMES)}")
    return published


def served_as(dataset: str, split: str) -> str | None:
    """Return how the service names a split of a data set; None if the data set has no such."""
    return TRAIN if split == TRAIN else _SERVED_AS[dataset].get(split)


class ResultsCount:
    """One training run.

    Args:
        stats: What the run recorded at its end.
        curves: Gives the learning curves of all runs on a data set, by seed; called for epochs
            before the last.

    Attributes:
        name: The data set.
        seed: The seed.
        epochs: The budget.
        params: Trainable parameters, in millions.
        flop: Multiply-adds, in millions.
        latency: Latencies in seconds, at most one.
        eval_names: The splits that were evaluated.
    """

    def __init__(self, stats: Any, curves: Callable[[str], Mapping[int, Any]]) -> None:
        self.name = dataset_named(stats.config.dataset)
        self.seed: int = stats.seed
        self.epochs: int = stats.config.num_epochs
        self.params: float = stats.parameters
        self.flop: float = stats.flops
        self.latency = [] if stats.latency is None else [stats.latency]
        self.eval_names = [
            split
            for split, served in _SERVED_AS[self.name].items()
            if getattr(stats, f"{served}_acc") is not None
        ]
        self._stats = stats
        self._curves = curves

    def __repr__(self) -> str:
        arch = self._stats.config.arch_str
        return f"{type(self).__name__}({self.name}, arch={arch}, seed={self.seed})"

    def get_total_epoch(self) -> int:
        """Return the budget, in epochs."""
        return self.epochs

    def get_latency(self) -> float:
        """Return the latency in seconds; -1 when it was not recorded."""
        return self.latency[0] if self.latency else -1.0

    def get_eval_set(self) -> list[str]:
        """Return the splits that were evaluated."""
        return self.eval_names

    def get_train(self, iepoch: int | None = None) -> Metrics:
        """Return the metrics on the training split after an epoch.

        Args:
            iepoch: The epoch, counting from 0; None: the last.

        Raises:
            ValueError: There is no such epoch, or nothing is recorded.
        """
        return self.get_eval(TRAIN, iepoch)

    def get_eval(self, name: str, iepoch: int | None = None) -> Metrics:
        """Return the metrics on a split after an epoch.

        Args:
            name: `train`, `x-valid` (also `valid`), `x-test` or `ori-test`.
            iepoch: The epoch, counting from 0; None: the last.

        Raises:
            ValueError: There is no such epoch, or the split was not evaluated after it.
        """
        metrics = self.evaluated(name, iepoch)
        if metrics is None:
            after = "its last epoch" if iepoch is None else f"epoch {iepoch}"
            raise ValueError(f"{self!r} was not evaluated on {name!r:.80} after {after}")
        return metrics

    def evaluated(self, name: str, iepoch: int | None = None) -> Metrics | None:
        """Return what `get_eval` returns, or None if the split was not evaluated then.

        Raises:
            ValueError: There is no such epoch.
        """
        epoch = self.epochs - 1 if iepoch is None else iepoch
        if not 0 <= epoch < self.epochs:
            raise ValueError(f"iepoch {iepoch} is not in 0 to {self.epochs - 1}")
        split = "x-valid" if name == "valid" else name
        served = served_as(self.name, split)
        accuracy, loss = self._recorded(served, epoch) if served else (None, None)
        if accuracy is None:
            return None
        seconds = self._seconds(split)
        return {
            "iepoch": epoch,
            # An evaluated split has a loss; the service writes one that is no number as null.
            "loss": math.nan if loss is None else loss,
            "accuracy": accuracy,
            "cur_time": seconds,
            "all_time": None if seconds is None else seconds * (epoch + 1),
        }

    def get_times(self) -> dict[str, float | None]:
        """Return the seconds of one epoch and of the run: of training, and of each evaluation."""
        times: dict[str, float | None] = {}
        for split in (TRAIN, *self.eval_names):
            seconds = self._seconds(split)
            times[f"T-{split}@epoch"] = seconds
            times[f"T-{split}@total"] = None if seconds is None else seconds * self.epochs
        return times

    def _seconds(self, split: str) -> float | None:
        seconds: float | None
        if split == TRAIN:
            whole: float | None = self._stats.training_time
            return None if whole is None else whole / self.epochs
        seconds = getattr(self._stats, f"{_SERVED_AS[self.name][split]}_evaluation_time")
        return seconds

    def _recorded(self, served: str, epoch: int) -> tuple[float | None, float | None]:
        """Return accuracy and loss on a split as the service names it."""
        names = (f"{served}_acc", f"{served}_loss")
        if epoch == self.epochs - 1:
            accuracy, loss = (getattr(self._stats, name) for name in names)
            return accuracy, loss
        curves = self._curves(self.name)[self.seed]
        if epoch >= len(curves.current_epoch):
            return None, None
        accuracy, loss = (getattr(curves, name)[epoch] for name in names)
        return accuracy, loss
