"""Decodes NAS-Bench-101 records by the thousand, into columns that travel between processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from generators.raw.model_metrics import EVALUATION_FIELDS
from generators.raw.nasbench101_record import Nasbench101Record, decode_record
from generators.raw.tfrecord import RawRecord, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["RecordChunk", "decode_chunk"]


@dataclass(frozen=True, slots=True)
class RecordChunk:
    """N training runs in columns, small enough to travel between processes.

    Attributes:
        numbers: Record numbers, int64, shape (N,).
        offsets: Byte offsets of the records' headers, int64, shape (N,).
        digests: Recorded hashes, uint8, shape (N, 16); not compared with the cells.
        epochs: Budgets, int32, shape (N,).
        codes: Codes of the recorded cells, int64, shape (N,).
        trainable_parameters: int32, shape (N,).
        evaluations: float64, shape (N, 2, 5): half-way and final, each with the fields of
            `Evaluation` in order.
        synthetic: Whether any record says that its numbers are made up.
        faults: What could not be decoded, in the order of records.
    """

    numbers: NDArray[np.int64]
    offsets: NDArray[np.int64]
    digests: NDArray[np.uint8]
    epochs: NDArray[np.int32]
    codes: NDArray[np.int64]
    trainable_parameters: NDArray[np.int32]
    evaluations: NDArray[np.float64]
    synthetic: bool
    faults: list[RecordError]


def decode_chunk(raws: Iterable[RawRecord], *, skip_corrupt: bool = False) -> RecordChunk:
    """Decode many records into columns; a pure function, to be spread over processes.

    Args:
        raws: Some thousand records, as a reader yields them.
        skip_corrupt: Collect what cannot be decoded in `faults` and go on, rather than raise.

    Raises:
        RecordError: Without `skip_corrupt`: as `decode_record`.
    """
    places: list[tuple[int, int]] = []
    records: list[Nasbench101Record] = []
    faults: list[RecordError] = []
    for raw in raws:
        try:
            record = decode_record(raw)
        except RecordError as error:
            if not skip_corrupt:
                raise
            faults.append(error)
        else:
            places.append(raw[:2])
            records.append(record)
    hashes = bytes.fromhex("".join([record.module_hash for record in records]))
    numbers, offsets = np.array(places, dtype=np.int64).reshape(-1, 2).T
    evaluations: list[float] = []
    for record in records:
        evaluations += record.halfway
        evaluations += record.final
    return RecordChunk(
        numbers=numbers,
        offsets=offsets,
        digests=np.frombuffer(hashes, dtype=np.uint8).reshape(-1, 16),
        epochs=np.array([record.epochs for record in records], dtype=np.int32),
        codes=np.array([record.cell.code for record in records], dtype=np.int64),
        trainable_parameters=np.array(
            [record.trainable_parameters for record in records], dtype=np.int32
        ),
        evaluations=np.array(evaluations).reshape(-1, 2, len(EVALUATION_FIELDS)),
        synthetic=any(record.synthetic for record in records),
        faults=faults,
    )
