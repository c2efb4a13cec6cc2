"""Reads a whole NAS-Bench-101 archive into columns, decoding in several processes.

Both released files, `nasbench_full.tfrecord` with all budgets and `nasbench_only108.tfrecord`, have
the same format. Records of one cell are scattered over the file, so that all must be read before
any cell is complete; five million of them take half a gigabyte as columns.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from generators.raw.nasbench101_record import (
    Evaluation,
    Nasbench101Record,
    decode_record,
)
from generators.raw.tfrecord import RawRecord, RecordError, TFRecordReader
from safe_pickle import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from generators.source import Progress

__all__ = ["Nasbench101Archive", "decode_records", "read_archive"]


_BATCH_RECORDS: Final = 8192
_MOST_PROCESSES: Final = 4
"""Most decoding processes; more would outpace the process that reads and checks CRCs."""
_BATCHES_AHEAD: Final = 3
"""Batches per process that are read or decoded ahead, which limits the memory of raw records."""
_MEGABYTE: Final = 1_000_000

_SERVED: Final = [
    Evaluation._fields.index(name)
    for name in ("train_accuracy", "validation_accuracy", "test_accuracy", "training_time")
]


@dataclass(frozen=True, slots=True)
class Nasbench101Archive:
    """N decoded records in file order, as columns, and the skipped records.

    Attributes:
        numbers: Record numbers, shape (N,).
        offsets: Byte offsets of the records, shape (N,).
        digests: Recorded hashes, shape (N, 16); not compared with the cells.
        epochs: Budgets, shape (N,).
        codes: Codes of the recorded cells, shape (N,).
        trainable_parameters: Shape (N,).
        halfway: float32, shape (N, 4): training, validation and test accuracy from 0 to 1, and
            seconds, after half of the epochs.
        final: The same at the end, as float64.
        synthetic: Whether the archive declares its numbers as made up.
        skipped: Records that could not be read or decoded, in file order.
    """

    numbers: NDArray[np.int64]
    offsets: NDArray[np.int64]
    digests: NDArray[np.uint8]
    epochs: NDArray[np.int32]
    codes: NDArray[np.int64]
    trainable_parameters: NDArray[np.int32]
    halfway: NDArray[np.float32]
    final: NDArray[np.float64]
    synthetic: bool
    skipped: list[RecordError]


_COLUMNS: Final[Mapping[str, tuple[str, tuple[int, ...]]]] = {
    "numbers": ("i8", ()),
    "offsets": ("i8", ()),
    "digests": ("u1", (16,)),
    "epochs": ("i4", ()),
    "codes": ("i8", ()),
    "trainable_parameters": ("i4", ()),
    "halfway": ("<f4", (len(_SERVED),)),
    "final": ("f8", (len(_SERVED),)),
}
"""Type and shape, after the first dimension, of each column."""


def read_archive(path: Path, *, skip_corrupt: bool, progress: Progress) -> Nasbench101Archive:
    """Read and decode every record of an archive.

    Args:
        path: The TFRecord file.
        skip_corrupt: Collect unreadable records in `skipped` and continue, instead of raising.
        progress: Receives the number of megabytes read.

    Raises:
        WrongFormatError: The file is empty or not a TFRecord file.
        RecordError: Without `skip_corrupt`: a record is damaged.
        ArchiveError: The file cannot be read, or has no valid record.
    """
    reader = TFRecordReader(path, skip_corrupt=skip_corrupt)
    # Buffers grow in place; joining pieces would hold every column twice.
    columns = {name: bytearray() for name in _COLUMNS}
    skipped: list[RecordError] = []
    synthetic = False
    for part in _decoded(_batches(reader), skip_corrupt=skip_corrupt):
        for name in columns:
            columns[name] += getattr(part, name).data
        skipped += part.skipped
        synthetic |= part.synthetic
        progress(reader.bytes_read // _MEGABYTE, path.stat().st_size // _MEGABYTE)
    skipped += reader.skipped
    if not columns["numbers"]:
        raise ArchiveError(f"it has no valid record; the first: {skipped[0]}")
    skipped.sort(key=lambda error: error.number)
    joined: dict[str, Any] = {
        name: np.frombuffer(column, dtype).reshape(-1, *shape)
        for (name, (dtype, shape)), column in zip(_COLUMNS.items(), columns.values(), strict=True)
    }
    return Nasbench101Archive(**joined, synthetic=synthetic, skipped=skipped)


def _batches(reader: TFRecordReader) -> Iterator[list[RawRecord]]:
    records = iter(reader)
    # The first batch may be empty: all records of a file may be damaged.
    yield list(islice(records, _BATCH_RECORDS))
    while batch := list(islice(records, _BATCH_RECORDS)):
        yield batch


def _decoded(
    batches: Iterator[list[RawRecord]], *, skip_corrupt: bool
) -> Iterator[Nasbench101Archive]:
    """Decode batches, preserving their order."""
    first, second = next(batches), next(batches, None)
    if second is None:
        # Starting a process would take longer than this.
        yield decode_records(first, skip_corrupt=skip_corrupt)
        return
    processes = min(os.cpu_count() or 1, _MOST_PROCESSES)
    pool = ProcessPoolExecutor(
        processes,
        # A forked process would inherit the lock of the database under construction.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare_process,
    )
    under_way: deque[Future[Nasbench101Archive]] = deque()
    try:
        for batch in chain((first, second), batches):
            under_way.append(pool.submit(decode_records, batch, skip_corrupt=skip_corrupt))
            if len(under_way) == processes * _BATCHES_AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool as error:
        raise ArchiveError(
            "a process that decodes records was killed (is there enough memory?)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def decode_records(raws: Iterable[RawRecord], *, skip_corrupt: bool = False) -> Nasbench101Archive:
    """Decode some thousand records into columns; a pure function, for use in several processes.

    Raises:
        RecordError: Without `skip_corrupt`: see `decode_record`.
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
    numbers, offsets = np.array(places, dtype=np.int64).reshape(-1, 2).T.copy()
    recorded: list[float] = []
    for record in records:
        recorded += record.halfway
        recorded += record.final
    evaluations = np.array(recorded).reshape(-1, 2, len(Evaluation._fields))
    return Nasbench101Archive(
        numbers=numbers,
        offsets=offsets,
        digests=np.frombuffer(hashes, dtype=np.uint8).reshape(-1, 16),
        epochs=np.array([record.epochs for record in records], dtype=np.int32),
        codes=np.array([record.cell.code for record in records], dtype=np.int64),
        trainable_parameters=np.array(
            [record.trainable_parameters for record in records], dtype=np.int32
        ),
        halfway=evaluations[:, 0, _SERVED].astype("<f4", order="C"),
        final=np.ascontiguousarray(evaluations[:, 1, _SERVED]),
        synthetic=any(record.synthetic for record in records),
        skipped=faults,
    )


def _prepare_process() -> None:
    """Ignore interrupts, which the parent handles, and exit whenever the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
