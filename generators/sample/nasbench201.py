"""A made-up NAS-Bench-201 archive in the layout of the real one.

The architectures and their order are real; every number is made up, though of a plausible size:
more convolutions train better and cost more. The archive says of itself that it is synthetic, and
so does every answer from a database made of it.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmark_db.nasbench201.architecture import Operations, arch_str, published_order

__all__ = ["write_sample"]

_FILE_NAME: Final = "NAS-Bench-201-synthetic.pth"
_BUDGETS: Final = {"less": 12, "full": 200}
_SEEDS: Final = {12: (111, 777), 200: (777, 888, 999)}
_GAIN: Final = {"nor_conv_3x3": 6.0, "nor_conv_1x1": 4.0, "skip_connect": 2.5, "avg_pool_3x3": 1.0}
_COST: Final = {"nor_conv_3x3": 9.0, "nor_conv_1x1": 1.0}
_DATASETS: Final[Mapping[str, tuple[int, float, float, tuple[str, ...]]]] = {
    # classes, accuracy of the best, seconds an epoch, evaluated splits
    "cifar10-valid": (10, 91.0, 8.0, ("x-valid", "ori-test")),
    "cifar10": (10, 94.0, 16.0, ("ori-test",)),
    "cifar100": (100, 73.0, 16.0, ("ori-test", "x-valid", "x-test")),
    "ImageNet16-120": (120, 46.0, 48.0, ("ori-test", "x-valid", "x-test")),
}


def write_sample(directory: Path, *, architectures: int = 50, seed: int = 0) -> Path:
    """Write the archive into a folder and return its path.

    Args:
        directory: The folder; made when missing.
        architectures: How many of the 15,625, from the first.
        seed: Of the made-up numbers; the same seed gives the same numbers.

    Raises:
        OSError: The folder cannot be written.
    """
    names = [arch_str(operations) for operations in published_order()]
    archive = {
        "synthetic": "every number is made up by `nbs sample`",
        "meta_archs": names,
        "total_archs": len(names),
        "arch2infos": {
            index: _records(index, operations, seed)
            for index, operations in islice(enumerate(published_order()), architectures)
        },
        "evaluated_indexes": set(range(architectures)),
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _FILE_NAME
    with zipfile.ZipFile(path, "w") as container:
        container.writestr("archive/data.pkl", pickle.dumps(archive, protocol=2))
        container.writestr("archive/version", "3\n")
    return path


def _records(index: int, operations: Operations, seed: int) -> dict[str, Any]:
    rng = Random(f"{seed}/{index}")  # noqa: S311 - repeatable numbers, not secrets
    return {
        name: {
            "arch_index": index,
            "arch_str": arch_str(operations),
            "all_results": {
                (dataset, run_seed): _run(operations, dataset, run_seed, num_epochs, rng)
                for dataset in _DATASETS
                for run_seed in _seeds(num_epochs, rng)
            },
        }
        for name, num_epochs in _BUDGETS.items()
    }


def _seeds(num_epochs: int, rng: Random) -> tuple[int, ...]:
    """Return some of the seeds: not every architecture was trained with all of them."""
    seeds = _SEEDS[num_epochs]
    return seeds[: rng.randint(1, len(seeds))]


def _run(
    operations: Operations, dataset: str, seed: int, num_epochs: int, rng: Random
) -> dict[str, Any]:
    classes, best, epoch_seconds, splits = _DATASETS[dataset]
    gain = sum(_GAIN.get(name, 0.0) for name in operations)
    cost = sum(_COST.get(name, 0.0) for name in operations)
    final = best * (1 - 0.7 * 0.93**gain) * (1 - 2 / num_epochs) + rng.uniform(-0.5, 0.5)
    last = num_epochs - 1
    accuracies: dict[str, float] = {}
    losses: dict[str, float] = {}
    for rank, split in enumerate(splits):
        # As in the real archive: after 200 epochs, all splits but the first at the last only.
        epochs = range(num_epochs) if rank == 0 or num_epochs == 12 else range(last, num_epochs)  # noqa: PLR2004
        for epoch in epochs:
            accuracy = _accuracy(final, epoch, num_epochs, rng)
            accuracies[f"{split}@{epoch}"] = accuracy
            losses[f"{split}@{epoch}"] = _loss(accuracy)
    training = {epoch: _accuracy(final + 4, epoch, num_epochs, rng) for epoch in range(num_epochs)}
    seconds = epoch_seconds * (1 + cost / 30)
    return {
        "name": dataset,
        "seed": f"{seed:04d}",
        "epochs": num_epochs,
        "arch_config": {
            "channel": 16,
            "num_cells": 5,
            "arch_str": arch_str(operations),
            "class_num": classes,
        },
        "params": round(0.0733 + 0.0234 * cost, 6),
        "flop": round(7.78 + 3.4 * cost, 5),
        "latency": [round(0.01 + 0.0003 * cost + rng.uniform(0, 1e-4), 8)],
        "train_acc1es": training,
        "train_acc5es": None,
        "train_losses": {epoch: _loss(accuracy) for epoch, accuracy in training.items()},
        "train_times": dict.fromkeys(range(num_epochs), seconds),
        "eval_names": list(splits),
        "eval_acc1es": accuracies,
        "eval_losses": losses,
        "eval_times": {f"{split}@{last}": seconds / 5 for split in splits},
        "net_state_dict": None,
    }


def _accuracy(final: float, epoch: int, num_epochs: int, rng: Random) -> float:
    progress: float = ((epoch + 1) / num_epochs) ** 0.25
    return round(min(99.99, final * progress + rng.uniform(-0.3, 0.3)), 3)


def _loss(accuracy: float) -> float:
    missed: float = (1 - accuracy / 100) ** 1.5
    return round(4.6 * missed + 0.01, 5)
