"""A made-up NDS archive in the layout of the real one.

The networks are of the kinds in the design spaces; all numbers are made up but plausible: larger
networks train better and cost more. Each job is marked as synthetic, and so is every answer from a
database generated from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any, Final

from generators.raw.nds_archive import FILES
from generators.raw.nds_job import SYNTHETIC

__all__ = ["write_sample"]

_FOLDER: Final = "NDS-synthetic"
_NODES: Final = {"Amoeba": 5, "DARTS": 4, "ENAS": 5, "NASNet": 5, "PNAS": 5}
"""Nodes per cell of the design spaces with cells."""
_OPERATIONS: Final = (
    *("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3"),
)
_BLOCKS: Final = {"Vanilla": "double_plain_block", "ResNet": "res_basic_block"}
_BOTTLENECK: Final = "res_bottleneck_block"
_RERUN: Final = ("reruns", "rng1", "rng2", "rng3")
_EPOCHS: Final = {"cifar10": 100, "imagenet": 50}
_STAGES: Final = 3
_DIVERGES: Final = 0.03
"""Share of the jobs whose loss is NaN at the end."""


def write_sample(directory: Path, *, architectures: int = 50, seed: int = 0) -> Path:
    """Write the archive, a folder of 34 files, into a folder and return its path.

    Args:
        directory: The folder; made if missing.
        architectures: Number of networks, at least one per file.
        seed: Seed of the made-up numbers; the same seed gives the same numbers.

    Raises:
        OSError: The folder cannot be written.
    """
    folder = directory / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    count = -(-architectures // len(FILES))
    for name in FILES:
        jobs = _jobs(name, count, seed)
        family = name.partition("_")[0]
        half = (count + 1) // 2
        parted = name.endswith("_in") and family in _NODES
        document = {"top": jobs[:half], "mid": jobs[half:]} if parted else jobs
        (folder / f"{name}.json").write_text(json.dumps(document))
    (folder / "README.txt").write_text("Every number is made up by `nbs sample`.\n")
    return folder


def _jobs(name: str, count: int, seed: int) -> list[dict[str, Any]]:
    family, _, part = name.partition("_")
    # Reruns train the networks of the file without a suffix again.
    networks = Random(f"{seed}/{family if part in _RERUN else name}")  # noqa: S311 - repeatable numbers, not secrets
    numbers = Random(f"{seed}/{name}/numbers")  # noqa: S311 - repeatable numbers, not secrets
    nets = [_net(family, networks) for _ in range(count)]
    return [_job(net, name, numbers) for net in nets]


def _net(family: str, rng: Random) -> dict[str, Any]:
    if family in _NODES:
        return {
            "genotype": _genotype(_NODES[family], rng),
            "depth": rng.choice([4, 8, 12, 16, 20]),
            "width": rng.choice([16, 24, 32]),
            "aux": False,
            "drop_prob": 0.0,
        }
    net: dict[str, Any] = {
        "block_type": _BLOCKS.get(family, _BOTTLENECK),
        "ds": [1, *rng.choices([1, 2, 4, 8, 12, 16], k=_STAGES)],
        "ss": [1, 1, 2, 2],
        "ws": [16, *rng.choices([16, 24, 32, 40, 64, 128], k=_STAGES)],
        "bot_muls": [],
        "num_gs": [],
    }
    if net["block_type"] == _BOTTLENECK:
        groups = [1, 2, 4] if family.startswith("ResNeXt") else [1]
        net["bot_muls"] = [0.0, *rng.choices([0.25, 0.5, 1.0], k=_STAGES)]
        net["num_gs"] = [1, *rng.choices(groups, k=_STAGES)]
    return net


def _genotype(nodes: int, rng: Random) -> dict[str, Any]:
    genotype: dict[str, Any] = {}
    for cell, size in (("normal", nodes), ("reduce", nodes - rng.randint(0, 1))):
        genotype[cell] = [
            [rng.choice(_OPERATIONS), rng.randrange(rank // 2 + 2)] for rank in range(2 * size)
        ]
        used = {source for _, source in genotype[cell]}
        genotype[f"{cell}_concat"] = [node for node in range(2, size + 2) if node not in used]
    return genotype


def _job(net: dict[str, Any], name: str, rng: Random) -> dict[str, Any]:
    tuned = "lr-wd" in name
    epochs = _EPOCHS["imagenet" if name.endswith("_in") else "cifar10"]
    size = rng.uniform(0.05, 20)
    hardest = 45 if name.endswith("_in") else 15
    final = hardest / size**0.2 + rng.uniform(0, 3)
    left = [(1 - epoch / epochs) ** 3 for epoch in range(1, epochs + 1)]
    test = [round(min(90.0, final + 50 * part + rng.uniform(-0.2, 0.2)), 2) for part in left]
    train = [
        round(max(0.05, error - 4 * (1 - part)), 3) for error, part in zip(test, left, strict=True)
    ]
    loss = [round(error / 30, 3) for error in train]
    if rng.random() < _DIVERGES:
        loss[-3:] = [float("nan")] * 3
    return {
        "net": net,
        "optim": {
            "base_lr": round(10 ** rng.uniform(-2.5, 0), 5) if tuned else 0.1,
            "wd": round(10 ** rng.uniform(-5, -2.5), 7) if tuned else 5e-4,
            "max_ep": epochs,
        },
        "rng_seed": int(name[-1]) if name[-4:] in _RERUN else 1,
        "params": round(size * 1e6),
        "flops": round(size * 1.5e8),
        "iter_time": round(0.02 + size / 50, 3),
        "prec_time": round(0.005 + size / 250, 3),
        "train_ep_top1": train,
        "train_ep_loss": loss,
        "test_ep_top1": test,
        "min_test_top1": min(test),
        SYNTHETIC: "every number is made up by `nbs sample`",
    }
