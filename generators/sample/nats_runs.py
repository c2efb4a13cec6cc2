"""Made-up runs in the raw format of both spaces of NATS-Bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["DATASETS", "SYNTHETIC", "MadeUpNetwork"]
__all__ += ["archive_meta", "chosen_seeds", "epoch_seconds", "expected_accuracy", "loss_at", "size"]

_Figures = TypeVar("_Figures", float, NDArray[np.float64])

SYNTHETIC: Final = "every number is made up by `nbs sample`"

DATASETS: Final[Mapping[str, tuple[int, float, float, tuple[str, ...]]]] = {
    # classes, best accuracy, seconds per epoch, evaluated splits
    "cifar10-valid": (10, 91.0, 8.0, ("x-valid", "ori-test")),
    "cifar10": (10, 94.0, 16.0, ("ori-test",)),
    "cifar100": (100, 73.0, 16.0, ("ori-test", "x-valid", "x-test")),
    "ImageNet16-120": (120, 46.0, 48.0, ("ori-test", "x-valid", "x-test")),
}


@dataclass(frozen=True, kw_only=True)
class MadeUpNetwork:
    """A made-up architecture, with parameters of how well it trains.

    Attributes:
        config: The `arch_config` that its runs record, without the number of classes.
        gain: How well it trains on each data set, as for `expected_accuracy`.
        cost: Relative amount of computation, from 0 to 60.
        slowness: How far it lags behind after few epochs, from 0.
    """

    config: Mapping[str, Any]
    gain: Mapping[str, float]
    cost: float
    slowness: float = 0.0

    def run(
        self, dataset: str, seed: int, num_epochs: int, rng: Random, *, every_epoch: bool = True
    ) -> dict[str, Any]:
        """Return a run in the format of the archives.

        Args:
            dataset: One of `DATASETS`.
            seed: Its recorded seed.
            num_epochs: Its budget.
            rng: Source of random numbers.
            every_epoch: Whether all splits are recorded at every epoch; otherwise all but the first
                are recorded at the last one only.
        """
        classes, _, _, splits = DATASETS[dataset]
        gain = np.array([self.gain[dataset]])
        final = float(expected_accuracy(dataset, num_epochs, gain, np.array([self.slowness]))[0])
        final += rng.uniform(-0.5, 0.5)
        last = num_epochs - 1
        accuracies: dict[str, float] = {}
        losses: dict[str, float] = {}
        for rank, split in enumerate(splits):
            epochs = range(num_epochs) if rank == 0 or every_epoch else range(last, num_epochs)
            for epoch in epochs:
                accuracy = _accuracy(final, epoch, num_epochs, rng)
                accuracies[f"{split}@{epoch}"] = accuracy
                losses[f"{split}@{epoch}"] = round(loss_at(accuracy), 5)
        epochs = range(num_epochs)
        training = {epoch: _accuracy(final + 4, epoch, num_epochs, rng) for epoch in epochs}
        seconds = epoch_seconds(dataset, self.cost)
        parameters, flops = size(self.cost)
        return {
            "name": dataset,
            "seed": f"{seed:04d}",
            "epochs": num_epochs,
            "arch_config": {**self.config, "class_num": classes},
            "params": round(parameters, 6),
            "flop": round(flops, 5),
            "latency": [round(0.01 + 0.0003 * self.cost + rng.uniform(0, 1e-4), 8)],
            "train_acc1es": training,
            "train_acc5es": None,
            "train_losses": {
                epoch: round(loss_at(accuracy), 5) for epoch, accuracy in training.items()
            },
            "train_times": dict.fromkeys(epochs, seconds),
            "eval_names": list(splits),
            "eval_acc1es": accuracies,
            "eval_losses": losses,
            "eval_times": {f"{split}@{last}": seconds / 5 for split in splits},
            "net_state_dict": None,
        }


def expected_accuracy(
    dataset: str, num_epochs: int, gain: NDArray[np.float64], slowness: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the expected final accuracies in percent of some architectures.

    Args:
        dataset: One of `DATASETS`.
        num_epochs: The budget.
        gain: How well each trains, from 0, with diminishing returns. Below 0: not at all, so that
            the accuracy is that of guessing.
        slowness: How far each lags behind after few epochs, from 0.
    """
    classes, best, _, _ = DATASETS[dataset]
    trained = best * (1 - 0.7 * 0.93**gain) * (1 - (2 + slowness) / max(num_epochs, 4))
    return np.where(gain < 0, 100 / classes, trained)


def loss_at(accuracy: _Figures) -> _Figures:
    """Return losses that fit accuracies in percent."""
    missed: _Figures = (1 - accuracy / 100) ** 1.5
    return 4.6 * missed + 0.01


def size(cost: _Figures) -> tuple[_Figures, _Figures]:
    """Return parameters and multiply-adds, in millions, for relative costs."""
    return 0.0733 + 0.0234 * cost, 7.78 + 3.4 * cost


def epoch_seconds(dataset: str, cost: _Figures) -> _Figures:
    """Return the time per epoch on a data set, in seconds."""
    return DATASETS[dataset][2] * (1 + cost / 30)


def archive_meta(names: Sequence[str], evaluated: int) -> dict[str, Any]:
    """Return the metadata of an archive: all architectures, of which the first have runs."""
    return {
        "synthetic": SYNTHETIC,
        "meta_archs": list(names),
        "total_archs": len(names),
        "arch2infos": None,
        "evaluated_indexes": set(range(evaluated)),
    }


def chosen_seeds(seeds: Sequence[int], rng: Random) -> Sequence[int]:
    """Return some of the seeds: not every architecture was trained with all of them."""
    return seeds[: rng.randint(1, len(seeds))]


def _accuracy(final: float, epoch: int, num_epochs: int, rng: Random) -> float:
    progress: float = ((epoch + 1) / num_epochs) ** 0.25
    return round(min(max(0.0, final * progress + rng.uniform(-0.3, 0.3)), 99.99), 3)
