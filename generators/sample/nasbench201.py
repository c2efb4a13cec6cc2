"""A made-up NAS-Bench-201 archive in the layout of the real one.

The architectures and their order are real; all numbers are made up but plausible: see
`generators.sample.landscape`. The archive is marked as synthetic, and so is every answer from a
database generated from it.
"""

from __future__ import annotations

import pickle
import zipfile
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmark_db.nasbench201.architecture import Operations, arch_str, arch_strs, published_order
from generators.sample.landscape import landscape
from generators.sample.nats_runs import DATASETS, MadeUpNetwork, archive_meta, chosen_seeds

__all__ = ["NUM_CELLS", "NUM_CHANNELS", "write_sample"]

NUM_CHANNELS: Final = 16
NUM_CELLS: Final = 5
_FILE_NAME: Final = "NAS-Bench-201-synthetic.pth"
_BUDGETS: Final = {"less": 12, "full": 200}
_SEEDS: Final = {12: (111, 777), 200: (777, 888, 999)}
_EVERY_EPOCH: Final = 12
"""The budget with all splits recorded at every epoch; at the other budget, all splits but the first
are recorded at the last epoch only."""


def write_sample(directory: Path, *, architectures: int = 50, seed: int = 0) -> Path:
    """Write the archive into a folder and return its path.

    Args:
        directory: The folder; made if missing.
        architectures: How many of the 15,625, from the first.
        seed: Seed of the made-up numbers; the same seed gives the same numbers.

    Raises:
        OSError: The folder cannot be written.
    """
    archive = {
        **archive_meta(arch_strs(), architectures),
        "arch2infos": {
            index: _records(index, operations, seed)
            for index, operations in islice(enumerate(published_order()), architectures)
        },
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _FILE_NAME
    with zipfile.ZipFile(path, "w") as container:
        container.writestr("archive/data.pkl", pickle.dumps(archive, protocol=2))
        container.writestr("archive/version", "3\n")
    return path


def _records(index: int, operations: Operations, seed: int) -> dict[str, Any]:
    rng = Random(f"{seed}/{index}")  # noqa: S311 - repeatable numbers, not secrets
    traits = landscape(seed)
    network = MadeUpNetwork(
        config={
            "channel": NUM_CHANNELS,
            "num_cells": NUM_CELLS,
            "arch_str": arch_str(operations),
        },
        gain=dict(zip(DATASETS, traits.gain[index].tolist(), strict=True)),
        cost=float(traits.cost[index]),
        slowness=float(traits.slowness[index]),
    )
    return {
        name: {
            "arch_index": index,
            "arch_str": arch_str(operations),
            "all_results": {
                (dataset, run_seed): network.run(
                    dataset, run_seed, num_epochs, rng, every_epoch=num_epochs == _EVERY_EPOCH
                )
                for dataset in DATASETS
                for run_seed in chosen_seeds(_SEEDS[num_epochs], rng)
            },
        }
        for name, num_epochs in _BUDGETS.items()
    }
