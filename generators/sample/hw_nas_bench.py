"""A made-up HW-NAS-Bench pickle in the layout of the real one.

The architectures and their order are real; all costs are made up but plausible: more convolutions
cost more. The pickle is marked as synthetic, and so is every answer from a database generated from
it.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmark_db.hw_nas_bench.tables import METRICS
from benchmark_db.nasbench201.architecture import arch_strs, published_order
from generators.sample.nats_runs import SYNTHETIC

__all__ = ["write_sample"]

_FILE_NAME: Final = "HW-NAS-Bench-synthetic.pickle"
_DATASETS: Final[Mapping[str, tuple[int, float]]] = {
    # classes, size of an image relative to CIFAR's
    "cifar10": (10, 1.0),
    "cifar100": (100, 1.0),
    "ImageNet16-120": (120, 0.25),
}
_COST: Final = {"nor_conv_3x3": 9.0, "nor_conv_1x1": 1.0, "avg_pool_3x3": 0.5}
_NO_FIGURE: Final = -1.0


def write_sample(directory: Path, *, architectures: int = 50, seed: int = 0) -> Path:  # noqa: ARG001
    """Write the pickle into a folder and return its path.

    Args:
        directory: The folder; made if missing.
        architectures: Ignored: the published tables are complete, and so is this one.
        seed: Seed of the made-up numbers; the same seed gives the same numbers.

    Raises:
        OSError: The folder cannot be written.
    """
    names = arch_strs()
    archive = {
        "synthetic": SYNTHETIC,
        "nasbench201": {
            dataset: _table(names, classes, size, Random(f"{seed}/{dataset}"))  # noqa: S311 - repeatable, no secret
            for dataset, (classes, size) in _DATASETS.items()
        },
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _FILE_NAME
    path.write_bytes(pickle.dumps(archive, protocol=4))
    return path


def _table(names: Sequence[str], classes: int, size: float, rng: Random) -> dict[str, list[Any]]:
    work = [sum(_COST.get(name, 0.0) for name in operations) for operations in published_order()]
    table: dict[str, list[Any]] = {
        name: [(1 + cost * size) * rng.uniform(0.1, 0.2) for cost in work] for name in METRICS
    }
    pooled = ["avg_pool_3x3" in operations for operations in published_order()]
    # As in the real table, the Edge TPU has no figure for some.
    table["edgetpu_latency"] = [
        _NO_FIGURE if lacking else cost
        for lacking, cost in zip(pooled, table["edgetpu_latency"], strict=True)
    ]
    table["config"] = [
        {
            "name": "infer.tiny",
            "C": 16,
            "N": 5,
            "arch_str": name,
            "num_classes": classes,
        }
        for name in names
    ]
    return table
