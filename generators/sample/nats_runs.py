"""Made-up runs in the raw format of both spaces of NATS-Bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

__all__ = ["DATASETS", "SYNTHETIC", "MadeUpNetwork", "archive_meta", "chosen_seeds"]

SYNTHETIC: Final = "every number is made up by `nbs sample`"

DATASETS: Final[Mapping[str, tuple[int, float, float, tuple[str, ...]]]] = {
    # classes, accuracy of the best, seconds an epoch, evaluated splits
    "cifar10-valid": (10, 91.0, 8.0, ("x-valid", "ori-test")),
    "cifar10": (10, 94.0, 16.0, ("ori-test",)),
    "cifar100": (100, 73.0, 16.0, ("ori-test", "x-valid", "x-test")),
    "ImageNet16-120": (120, 46.0, 48.0, ("ori-test", "x-valid", "x-test")),
}


@dataclass(frozen=True, kw_only=True)
class MadeUpNetwork:
    """An architecture and how well it trains.

    Attributes:
        config: What its runs record as `arch_config`, beside the number of classes.
        gain: How well it trains, from 0; more is better, ever less so.
        cost: How much it computes, from 0 to 60.
    """

    config: Mapping[str, Any]
    gain: float
    cost: float

    def run(
        self, dataset: str, seed: int, num_epochs: int, rng: Random, *, every_epoch: bool = True
    ) -> dict[str, Any]:
        """Return a run as the archives record it.

        Args:
            dataset: One of `DATASETS`.
            seed: Its recorded seed.
            num_epochs: Its budget.
            rng: Source of its numbers.
            every_epoch: Whether all splits are recorded at every epoch, or all but the first at
                the last one only.
        """
        classes, best, epoch_seconds, splits = DATASETS[dataset]
        final = best * (1 - 0.7 * 0.93**self.gain) * (1 - 2 / max(num_epochs, 4))
        final += rng.uniform(-0.5, 0.5)
        last = num_epochs - 1
        accuracies: dict[str, float] = {}
        losses: dict[str, float] = {}
        for rank, split in enumerate(splits):
            epochs = range(num_epochs) if rank == 0 or every_epoch else range(last, num_epochs)
            for epoch in epochs:
                accuracy = _accuracy(final, epoch, num_epochs, rng)
                accuracies[f"{split}@{epoch}"] = accuracy
                losses[f"{split}@{epoch}"] = _loss(accuracy)
        epochs = range(num_epochs)
        training = {epoch: _accuracy(final + 4, epoch, num_epochs, rng) for epoch in epochs}
        seconds = epoch_seconds * (1 + self.cost / 30)
        return {
            "name": dataset,
            "seed": f"{seed:04d}",
            "epochs": num_epochs,
            "arch_config": {**self.config, "class_num": classes},
            "params": round(0.0733 + 0.0234 * self.cost, 6),
            "flop": round(7.78 + 3.4 * self.cost, 5),
            "latency": [round(0.01 + 0.0003 * self.cost + rng.uniform(0, 1e-4), 8)],
            "train_acc1es": training,
            "train_acc5es": None,
            "train_losses": {epoch: _loss(accuracy) for epoch, accuracy in training.items()},
            "train_times": dict.fromkeys(epochs, seconds),
            "eval_names": list(splits),
            "eval_acc1es": accuracies,
            "eval_losses": losses,
            "eval_times": {f"{split}@{last}": seconds / 5 for split in splits},
            "net_state_dict": None,
        }


def archive_meta(names: Sequence[str], evaluated: int) -> dict[str, Any]:
    """Return what an archive says of itself: all its architectures, of which some have runs."""
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
    return round(min(99.99, final * progress + rng.uniform(-0.3, 0.3)), 3)


def _loss(accuracy: float) -> float:
    missed: float = (1 - accuracy / 100) ** 1.5
    return round(4.6 * missed + 0.01, 5)
