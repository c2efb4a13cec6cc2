"""A made-up database of all 15,625 architectures of NAS-Bench-201, written without an archive.

A raw archive of all would take a minute and 150 MB to write and convert; this takes seconds and 4
kB per architecture. Figures follow the landscape of those of the archive, with other random
numbers. To keep it small, learning curves over 200 epochs are recorded for the first 50
architectures only, those over 12 epochs for all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark_db.curves import Curve, encode_alike
from benchmark_db.nasbench201.architecture import arch_strs, isomorphism_classes
from benchmark_db.nasbench201.benchmark import TABLES, VIEWS, Architecture, NasBench201, Run
from benchmark_db.nats_bench.tables import DATASETS as CODES
from benchmark_db.nats_bench.tables import Dataset
from benchmark_db.provenance import Provenance
from generators.build import DatabaseBuild
from generators.sample.landscape import Landscape, landscape
from generators.sample.nasbench201 import NUM_CELLS, NUM_CHANNELS
from generators.sample.nats_runs import (
    DATASETS,
    epoch_seconds,
    expected_accuracy,
    loss_at,
    size,
)
from generators.source import Source

__all__ = ["write_database"]

_Figures: TypeAlias = NDArray[np.float64]
_LENGTH_OF_KEY: Final = 4  # architecture, epochs, data set, seed
_ONE_TEST: Final = (0, 1)
"""Codes of CIFAR-10's data sets, which have a single test split."""
_SEEDS: Final = {12: (777,), 200: (777, 888, 999)}
_SHARE: Final = (1.0, 0.5, 0.25)
"""Share of the architectures with a run of the first, second and third seed."""
_WITH_LONG_CURVES: Final = 50
_SHORT: Final = 12
_NOISE: Final = 0.25
"""Standard deviation over the runs of an architecture, in percentage points of accuracy."""
_DIFFERENCE: Final = 0.15
"""Standard deviation over the splits of one run, in percentage points of accuracy."""
_JITTER: Final = 0.3
_OVERFIT: Final = 4.0
_MOST: Final = 99.99


def write_database(out: Path, *, seed: int = 0) -> Provenance:
    """Write the database into a folder and return its provenance.

    Args:
        out: The folder; made if missing.
        seed: Seed of the made-up numbers; the same seed gives the same numbers.

    Raises:
        BuildError: The database cannot be written.
    """
    rng = np.random.default_rng([abs(seed), seed < 0])
    traits = landscape(seed)
    rows = [
        row
        for num_epochs, seeds in _SEEDS.items()
        for code in range(len(DATASETS))
        for row in _runs(traits, num_epochs, code, seeds, rng)
    ]
    rows.sort(key=itemgetter(*range(_LENGTH_OF_KEY)))
    names = arch_strs()
    with DatabaseBuild(out / f"{NasBench201.spec.name}.db", NasBench201, TABLES, VIEWS) as build:
        build.insert(Dataset, enumerate(CODES))
        build.insert(
            Architecture, zip(range(len(names)), names, isomorphism_classes(), strict=True)
        )
        curves = [curve for *_, curve in rows if curve is not None]
        build.insert(Curve, enumerate(curves, 1))
        numbers = count(1)
        build.insert(
            Run, ((None if curve is None else next(numbers), *row) for *row, curve in rows)
        )
        name = f"all architectures, seed {seed}"
        source = Source(name, 0, hashlib.sha256(name.encode()).hexdigest())
        return build.complete(source, _contents(names, rows), synthetic=True)


def _runs(
    traits: Landscape,
    num_epochs: int,
    code: int,
    seeds: Sequence[int],
    rng: np.random.Generator,
) -> Iterator[tuple[Any, ...]]:
    """Yield the runs of a budget on a data set: their columns, then their packed curves or None."""
    dataset = list(DATASETS)[code]
    expected = expected_accuracy(dataset, num_epochs, traits.gain[:, code], traits.slowness)
    seconds = epoch_seconds(dataset, traits.cost)
    luck = rng.random(len(expected))
    for seed, share in zip(seeds, _SHARE, strict=False):
        (indices,) = np.nonzero(luck < share)
        accuracies = _accuracies(expected[indices], code, rng)
        with_long = int(np.searchsorted(indices, _WITH_LONG_CURVES))
        shown = len(indices) if num_epochs == _SHORT else with_long
        curves = _curves([a if a is None else a[:shown] for a in accuracies], num_epochs, rng)
        evaluated = [a if a is None else seconds[indices] / 5 for a in accuracies[1:]]
        cost = traits.cost[indices]
        parameters, flops = size(cost)
        columns = [
            *accuracies,
            *(a if a is None else loss_at(a) for a in accuracies),
            *(parameters, flops),
            0.01 + 0.0003 * cost + rng.uniform(0, 1e-4, len(cost)),
            seconds[indices] * num_epochs,
            *evaluated,
        ]
        lists = [
            [None] * len(indices) if column is None else np.round(column, 6).tolist()
            for column in columns
        ]
        yield from (
            (index, num_epochs, code, seed, *figures, NUM_CHANNELS, NUM_CELLS, next(curves, None))
            for index, *figures in zip(indices.tolist(), *lists, strict=True)
        )


def _accuracies(expected: _Figures, code: int, rng: np.random.Generator) -> list[_Figures | None]:
    """Return the accuracies of runs on the four splits; the same array for equal splits."""
    final = expected + rng.normal(0, _NOISE, len(expected))
    splits = [final + rng.normal(0, _DIFFERENCE, len(final)) for _ in range(3)]
    drawn = [final + _OVERFIT, *splits]
    train, valid, test, ori_test = (np.clip(accuracy, 0, _MOST).round(3) for accuracy in drawn)
    valid_or_none = None if CODES[code] == "cifar10" else valid
    return [train, valid_or_none, test, test if code in _ONE_TEST else ori_test]


def _curves(
    last: Sequence[_Figures | None], num_epochs: int, rng: np.random.Generator
) -> Iterator[bytes]:
    """Yield the packed curves of runs with these final accuracies."""
    progress = (np.arange(1, num_epochs + 1) / num_epochs) ** 0.25
    drawn: dict[int, _Figures] = {}
    for accuracy in last:
        if accuracy is not None and id(accuracy) not in drawn:
            noise = rng.uniform(-_JITTER, _JITTER, (len(accuracy), num_epochs))
            noise[:, -1] = 0  # a curve ends at the recorded accuracy
            curve = accuracy[:, np.newaxis] * progress + noise
            drawn[id(accuracy)] = np.clip(curve, 0, _MOST).round(3)
    accuracies = [None if accuracy is None else drawn[id(accuracy)] for accuracy in last]
    losses = {key: loss_at(curve).round(6) for key, curve in drawn.items()}
    return encode_alike(
        [*accuracies, *(None if one is None else losses[id(one)] for one in last)], num_epochs
    )


def _contents(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """Return the contents that a conversion would count."""
    runs = Counter((CODES[code], num_epochs) for _, num_epochs, code, *_ in rows)
    return {
        "architectures": len(names),
        "runs": len(rows),
        "runs_by_dataset": {
            f"{dataset}, {num_epochs} epochs": runs[dataset, num_epochs]
            for dataset, num_epochs in sorted(runs)
        },
        "seeds": sorted({seed for seeds in _SEEDS.values() for seed in seeds}),
        "architectures_missing": 0,
        "runs_without_latency": 0,
        "runs_without_training_time": 0,
        "sizes_counted": 0,
    }
