"""A made-up archive of the size space in the layout of the real one.

The architectures and their order are real; all numbers are made up but plausible: wider networks
train better and cost more. The archive is marked as synthetic, and so is every answer from a
database generated from it.
"""

from __future__ import annotations

import bz2
import pickle
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmark_db.natssss.architecture import (
    CELL,
    CHANNELS,
    Channels,
    arch_str,
    arch_strs,
    channels_at,
)
from generators.sample.nats_runs import DATASETS, MadeUpNetwork, archive_meta, chosen_seeds

__all__ = ["write_sample"]

_FOLDER: Final = "NATS-sss-synthetic"
_BUDGETS: Final = {"01": (1, (777,)), "12": (12, (777, 888, 999)), "90": (90, (777,))}
"""Budgets in epochs and their seeds, by the archive's names of the budgets."""

_GAIN: Final = 6.0
_COST: Final = 9.0
"""Cost of a layer with the most channels."""


def write_sample(directory: Path, *, architectures: int = 50, seed: int = 0) -> Path:
    """Write the archive into a folder of its own and return its path.

    Args:
        directory: Parent folder; made if missing.
        architectures: How many of the 32,768, from the first.
        seed: Seed of the made-up numbers; the same seed gives the same numbers.

    Raises:
        OSError: The folder cannot be written.
    """
    folder = directory / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob("*.pickle.pbz2"):  # files of a larger sample
        left_over.unlink()
    _write(folder / "meta.pickle.pbz2", archive_meta(arch_strs(), architectures))
    for index in range(architectures):
        _write(folder / f"{index:06d}.pickle.pbz2", _records(index, channels_at(index), seed))
    return folder


def _write(path: Path, value: Any) -> None:
    path.write_bytes(bz2.compress(pickle.dumps(value, protocol=4)))


def _records(index: int, channels: Channels, seed: int) -> dict[str, Any]:
    rng = Random(f"{seed}/{index}")  # noqa: S311 - repeatable numbers, not secrets
    widths = [number / CHANNELS[-1] for number in channels]
    name = arch_str(channels)
    network = MadeUpNetwork(
        config={"name": "infer.shape.tiny", "channels": name, "arch_str": name, "genotype": CELL},
        gain=dict.fromkeys(DATASETS, _GAIN * sum(widths)),
        cost=_COST * sum(width * width for width in widths),
    )
    return {
        budget: {
            "arch_index": index,
            "arch_str": name,
            "all_results": {
                (dataset, run_seed): network.run(dataset, run_seed, num_epochs, rng)
                for dataset in DATASETS
                for run_seed in chosen_seeds(seeds, rng)
            },
        }
        for budget, (num_epochs, seeds) in _BUDGETS.items()
    }
