"""A run of NATS-Bench, and the names of data sets and splits in package and service.

The service has the last epoch of a run exactly, and earlier epochs as the shortest decimals of
float32, within 1.2e-7 of the recorded values. The archives have one time per epoch for a run, so
the time up to an epoch is a multiple of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final, NoReturn, TypeAlias

from bench_client.errors import UnsupportedQuestionError

__all__ = [
    "CLASSES",
    "NO_WEIGHTS",
    "READ_ONLY",
    "TRAIN",
    "Metrics",
    "ResultsCount",
    "dataset_named",
    "network_of",
    "refusing",
    "served_as",
]

Metrics: TypeAlias = dict[str, Any]
"""`iepoch`, `loss`, `accuracy` in percent, `cur_time` and `all_time` in seconds."""

TRAIN: Final = "train"

_PUBLISHED_NAMES: Final = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
_BY_LOWER_CASE: Final = {name.lower(): name for name in _PUBLISHED_NAMES}

CLASSES: Final = dict(zip(_PUBLISHED_NAMES, (10, 10, 100, 120), strict=True))
"""Classes of each data set, by its published name."""

_RECORDED: Final = (
    *("name", "seed", "epochs", "params", "flop", "latency", "arch_config", "net_state_dict"),
    *("train_acc1es", "train_acc5es", "train_losses", "train_times"),
    *("eval_names", "eval_acc1es", "eval_losses", "eval_times"),
)
"""Attributes of a run in the archive."""

_HELD_OUT: Final = {"x-valid": "valid", "x-test": "test", "ori-test": "ori_test"}
_SERVED_AS: Final[Mapping[str, Mapping[str, str]]] = {
    "cifar10-valid": {"x-valid": "valid", "ori-test": "test"},
    "cifar10": {"ori-test": "test"},
    "cifar100": _HELD_OUT,
    "ImageNet16-120": _HELD_OUT,
}
"""By data set, the service's names of the archive's splits."""


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
    """Return the service's name of a split of a data set; None if there is no such split."""
    return TRAIN if split == TRAIN else _SERVED_AS[dataset].get(split)


def refusing(reason: str) -> Callable[..., NoReturn]:
    """Return a method that raises UnsupportedQuestionError, for methods without a meaning here.

    Args:
        reason: Message of the error.
    """

    def refuse(*_: object, **__: object) -> NoReturn:
        raise UnsupportedQuestionError(reason)

    refuse.__doc__ = f"""Raise UnsupportedQuestionError: {reason}.

        Raises:
            UnsupportedQuestionError: Always.
        """
    return refuse


NO_WEIGHTS: Final = "trained weights are not served, only the statistics of their training"
READ_ONLY: Final = "recorded runs are read-only"


def network_of(
    arch_config: Mapping[str, Any], str2structure: Callable[[str], Any] | None = None
) -> dict[str, Any]:
    """Return the configuration for building a network with AutoDL-Projects.

    Args:
        arch_config: Configuration of a run.
        str2structure: Converts the string of a cell to a structure, `genotype`; None: the string
            of a topology stays as `arch_str`.
    """
    classes = {"num_classes": arch_config["class_num"]}
    if "channels" in arch_config:
        cell = arch_config["genotype"]
        network = {name: arch_config[name] for name in ("name", "channels")}
        return network | {"genotype": str2structure(cell) if str2structure else cell} | classes
    network = {"name": "infer.tiny", "C": arch_config["channel"], "N": arch_config["num_cells"]}
    cell = arch_config["arch_str"]
    spelled = {"genotype": str2structure(cell)} if str2structure else {"arch_str": cell}
    return network | spelled | classes


class ResultsCount:
    """One training run.

    Args:
        stats: Final statistics of the run.
        curves: Returns the learning curves of all runs on a data set, by seed; called for epochs
            before the last.
        arch_config: Configuration of the network without the number of classes.

    Attributes:
        name: The data set.
        seed: The seed.
        epochs: Training budget, in epochs.
        params: Trainable parameters, in millions.
        flop: Multiply-adds, in millions.
        latency: Latencies in seconds, at most one.
        eval_names: The evaluated splits.
        arch_config: Configuration of the network, with the archive's names.
        train_acc5es: None: top-5 accuracies are not served.
        net_state_dict: None: trained weights are not served.
    """

    def __init__(
        self,
        stats: Any,
        curves: Callable[[str], Mapping[int, Any]],
        arch_config: Mapping[str, Any],
    ) -> None:
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
        self.arch_config = {**arch_config, "class_num": CLASSES[self.name]}
        self.train_acc5es = None
        self.net_state_dict = None
        self._stats = stats
        self._curves = curves

    def __repr__(self) -> str:
        arch = self._stats.config.arch_str
        return f"{type(self).__name__}({self.name}, arch={arch}, seed={self.seed})"

    @cached_property
    def train_acc1es(self) -> dict[int, float]:
        """Accuracy on the training images in percent, by epoch, from 0."""
        return {epoch: accuracy for epoch, accuracy, _ in self._history(TRAIN)}

    @cached_property
    def train_losses(self) -> dict[int, float]:
        """Loss on the training images, by epoch, from 0."""
        return {epoch: loss for epoch, _, loss in self._history(TRAIN)}

    @cached_property
    def train_times(self) -> dict[int, float] | None:
        """Training time of each epoch, in seconds; None if no times are recorded."""
        seconds = self._seconds(TRAIN)
        return None if seconds is None else dict.fromkeys(range(self.epochs), seconds)

    @cached_property
    def eval_acc1es(self) -> dict[str, float]:
        """Accuracy in percent, by `split@epoch`, for epochs at which a split was evaluated."""
        return {
            f"{split}@{epoch}": accuracy
            for split in self.eval_names
            for epoch, accuracy, _ in self._history(_SERVED_AS[self.name][split])
        }

    @cached_property
    def eval_losses(self) -> dict[str, float]:
        """Loss, by `split@epoch`, for epochs at which a split was evaluated."""
        return {
            f"{split}@{epoch}": loss
            for split in self.eval_names
            for epoch, _, loss in self._history(_SERVED_AS[self.name][split])
        }

    @cached_property
    def eval_times(self) -> dict[str, float]:
        """Evaluation time in seconds, by `split@epoch`, for every epoch."""
        return {
            f"{split}@{epoch}": seconds
            for split in self.eval_names
            if (seconds := self._seconds(split)) is not None
            for epoch in range(self.epochs)
        }

    def get_total_epoch(self) -> int:
        """Return the training budget, in epochs."""
        return self.epochs

    def get_latency(self) -> float:
        """Return the latency in seconds; -1 if it was not recorded."""
        return self.latency[0] if self.latency else -1.0

    def get_eval_set(self) -> list[str]:
        """Return the evaluated splits."""
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
        """Return the result of `get_eval`, or None if the split was not evaluated at the epoch.

        Raises:
            ValueError: There is no such epoch.
        """
        epoch = self.epochs - 1 if iepoch is None else iepoch
        self.judge_valid(epoch)
        split = "x-valid" if name == "valid" else name
        served = served_as(self.name, split)
        accuracy, loss = self._recorded(served, epoch) if served else (None, math.nan)
        if accuracy is None:
            return None
        seconds = self._seconds(split)
        return {
            "iepoch": epoch,
            "loss": loss,
            "accuracy": accuracy,
            "cur_time": seconds,
            "all_time": None if seconds is None else seconds * (epoch + 1),
        }

    def get_times(self) -> dict[str, float | None]:
        """Return the times of training and evaluations in seconds, per epoch and for the run."""
        times: dict[str, float | None] = {}
        for split in (TRAIN, *self.eval_names):
            seconds = self._seconds(split)
            times[f"T-{split}@epoch"] = seconds
            times[f"T-{split}@total"] = None if seconds is None else seconds * self.epochs
        return times

    def judge_valid(self, iepoch: int) -> None:
        """Check an epoch.

        Raises:
            ValueError: There is no such epoch.
        """
        if not 0 <= iepoch < self.epochs:
            raise ValueError(f"iepoch {iepoch} is not in 0 to {self.epochs - 1}")

    def get_config(self, str2structure: Callable[[str], Any] | None) -> dict[str, Any]:
        """Return the configuration for building the network.

        Args:
            str2structure: Converts the string of a cell to a structure, `genotype`; or None.
        """
        return network_of(self.arch_config, str2structure)

    def state_dict(self) -> dict[str, Any]:
        """Return the recorded attributes of the run, by name."""
        return {name: getattr(self, name) for name in _RECORDED}

    get_net_param = refusing(NO_WEIGHTS)
    load_state_dict = refusing(READ_ONLY)
    create_from_state_dict = staticmethod(refusing(READ_ONLY))
    reset_eval = refusing(READ_ONLY)
    reset_pseudo_eval_times = refusing(READ_ONLY)
    reset_pseudo_train_times = refusing(READ_ONLY)
    update_OLD_eval = refusing(READ_ONLY)  # noqa: N815 - the name that users know
    update_eval = refusing(READ_ONLY)
    update_latency = refusing(READ_ONLY)
    update_train_info = refusing(READ_ONLY)

    def _history(self, served: str) -> Iterator[tuple[int, float, float]]:
        """Yield epoch, accuracy and loss of a split (service's name) where recorded."""
        for epoch in range(self.epochs):
            accuracy, loss = self._recorded(served, epoch)
            if accuracy is not None:
                yield epoch, accuracy, loss

    def _seconds(self, split: str) -> float | None:
        seconds: float | None
        if split == TRAIN:
            whole: float | None = self._stats.training_time
            return None if whole is None else whole / self.epochs
        seconds = getattr(self._stats, f"{_SERVED_AS[self.name][split]}_evaluation_time")
        return seconds

    def _recorded(self, served: str, epoch: int) -> tuple[float | None, float]:
        """Return accuracy and loss on a split (service's name); the accuracy may be None."""
        names = (f"{served}_acc", f"{served}_loss")
        if epoch == self.epochs - 1:
            accuracy, loss = (getattr(self._stats, name) for name in names)
        elif epoch < len((curves := self._curves(self.name)[self.seed]).current_epoch):
            accuracy, loss = (getattr(curves, name)[epoch] for name in names)
        else:
            accuracy = loss = None
        # An evaluated split always has a loss; the service returns NaN as null.
        return accuracy, math.nan if loss is None else loss
