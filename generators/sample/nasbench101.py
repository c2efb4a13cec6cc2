"""A made-up NAS-Bench-101 archive in the layout of the real one.

The cells, their hashes and their parameters are real; all accuracies and times are made up but
plausible: more convolutions train better and take longer. Each record is marked as synthetic, and
so is every answer from a database generated from it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import Final

import orjson

from benchmark_db.nasbench101.cell import (
    CONV1X1,
    CONV3X3,
    MAXPOOL3X3,
    PUBLISHED_OPERATION_NAMES,
    Cell,
)
from benchmark_db.nasbench101.graph_hash import hash_cell
from benchmark_db.nasbench101.parameters import trainable_parameters
from benchmark_db.nasbench101.space import enumerate_cells
from benchmark_db.nasbench101.tables import BUDGETS, MILLION, REPEATS
from generators.raw.nasbench101_record import SYNTHETIC, new_model_metrics
from generators.raw.tfrecord import framed

__all__ = ["write_sample"]

_FILE_NAME: Final = "NAS-Bench-101-synthetic.tfrecord"
_INCEPTION_LIKE: Final = Cell.from_predecessors(
    [0b1, 0b1, 0b1, 0b1000, 0b1, 0b110110], [CONV1X1, CONV3X3, CONV3X3, CONV3X3, MAXPOOL3X3]
)
"""The example cell of the benchmark's own documentation."""
_UNTRAINED: Final = 0.1
_SECONDS_AN_EPOCH: Final = 4.0
_SECONDS_A_MILLION: Final = 1.4


def write_sample(directory: Path, *, architectures: int = 50, seed: int = 0) -> Path:
    """Write the archive into a folder and return its path.

    Args:
        directory: The folder; made if missing.
        architectures: Number of cells: the Inception-like one, then from the smallest.
        seed: Seed of the made-up numbers and of the order of records; the same seed gives the same
            archive.

    Raises:
        OSError: The folder cannot be written.
    """
    rng = Random(seed)  # noqa: S311 - repeatable numbers, not secrets
    payloads = [
        _payload(name, cell, num_epochs, rng)
        for name, cell in islice(_cells(), architectures)
        for num_epochs in BUDGETS
        for _ in range(REPEATS)
    ]
    # As in the real archive, the records of a cell are not consecutive.
    rng.shuffle(payloads)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _FILE_NAME
    with path.open("wb") as file:
        file.writelines(map(framed, payloads))
    return path


def _cells() -> Iterator[tuple[str, Cell]]:
    known = hash_cell(_INCEPTION_LIKE)
    smallest = ((name, cell) for name, cell in enumerate_cells() if name != known)
    return chain([(known, _INCEPTION_LIKE)], smallest)


def _payload(name: str, cell: Cell, num_epochs: int, rng: Random) -> bytes:
    operations = [PUBLISHED_OPERATION_NAMES[label] for label in cell.operations]
    record = [
        name,
        num_epochs,
        "".join(str(entry) for row in cell.to_adjacency() for entry in row),
        ",".join(["input", *operations, "output"]),
        b64encode(_metrics(cell, num_epochs, rng)).decode(),
    ]
    return orjson.dumps(record)


def _metrics(cell: Cell, num_epochs: int, rng: Random) -> bytes:
    parameters = trainable_parameters(cell)
    convolutions = sum(label != MAXPOOL3X3 for label in cell.operations)
    best = 0.95 - 0.3 * 0.6**convolutions
    epoch_seconds = _SECONDS_AN_EPOCH + _SECONDS_A_MILLION * parameters / MILLION
    metrics = new_model_metrics()
    metrics.evaluation_data.add(
        current_epoch=0.0,
        training_time=0.0,
        train_accuracy=_UNTRAINED,
        validation_accuracy=_UNTRAINED,
        test_accuracy=_UNTRAINED,
    )
    for epoch in (num_epochs / 2, num_epochs):
        # The learning rate decays to zero at the end, which lifts the last accuracy.
        trained = best * (1 - 0.8 / num_epochs) * (1.0 if epoch == num_epochs else 0.85)
        accuracy = trained + rng.uniform(-0.01, 0.01)
        last = metrics.evaluation_data.add(
            current_epoch=epoch,
            training_time=epoch_seconds * epoch,
            train_accuracy=min(1.0, accuracy * 1.06),
            validation_accuracy=accuracy,
            test_accuracy=accuracy - 0.005,
        )
    last.checkpoint_path = SYNTHETIC
    metrics.trainable_parameters = parameters
    metrics.total_time = epoch_seconds * num_epochs * 1.2
    message: bytes = metrics.SerializeToString()
    return message
