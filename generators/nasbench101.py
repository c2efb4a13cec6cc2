"""Converts a TFRecord archive of NAS-Bench-101, complete or 108 epochs only, into a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmark_db.nasbench101.batch_hash import hash_codes
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench101.space import NUM_CELLS
from benchmark_db.nasbench101.tables import BUDGETS, HALFWAY, REPEATS, TABLES, VIEWS, CellRow, Run
from benchmark_db.provenance import Provenance
from generators.build import DatabaseBuild
from generators.raw.nasbench101_archive import Nasbench101Archive, read_archive
from generators.raw.tfrecord import RecordError
from generators.source import Progress, identified, silent
from safe_pickle import DamagedArchiveError

__all__ = [
    "OrderedRuns",
    "generate",
    "ordered_runs",
]


@dataclass(frozen=True, slots=True)
class OrderedRuns:
    """The runs of an archive in the order of the database: by hash, budget and repeat.

    Attributes:
        record: Row of each run in the columns of the archive, shape (N,).
        cell: Rank by hash of each run's cell, shape (N,).
        repeat: Number of each run among those of its cell and budget, shape (N,).
        first_run: Position of each cell's first run in the three columns above, shape (C,).
        num_configurations: Number of pairs of cell and budget with at least one run.
        skipped: Records that had to be left out.
    """

    record: NDArray[np.int64]
    cell: NDArray[np.int64]
    repeat: NDArray[np.int64]
    first_run: NDArray[np.int64]
    num_configurations: int
    skipped: list[RecordError]


def ordered_runs(archive: Nasbench101Archive, *, skip_corrupt: bool) -> OrderedRuns:
    """Sort records into runs. The n-th record of a cell and budget in the file is its repeat n.

    Args:
        archive: The records.
        skip_corrupt: Leave out invalid records and continue, instead of raising.

    Raises:
        RecordError: Without `skip_corrupt`: a record's hash is not that of its cell, its budget is
            not one of the benchmark, its parameters differ from those of other records of its
            cell, or it is a surplus record of its cell and budget.
        DamagedArchiveError: Without `skip_corrupt`: a cell has too few runs at a budget.
    """
    faults = _Faults(archive, skip=skip_corrupt)
    cell, unlike_hash = _cells(archive)
    every = np.arange(len(cell))
    record = faults.without(every, unlike_hash, faults.hash_reason)
    odd_budget = ~np.isin(archive.epochs[record], BUDGETS)
    record = faults.without(record, odd_budget, faults.budget_reason)
    configuration = cell * len(BUDGETS) + np.searchsorted(BUDGETS, archive.epochs).astype(np.int32)
    # Stable: keeps the file's order among the records of a cell and budget.
    record = record[np.argsort(configuration[record], kind="stable")]
    parameters = archive.trainable_parameters[record]
    unlike_others = parameters != parameters[_group_starts(cell[record])]
    record = faults.without(record, unlike_others, faults.parameters_reason)
    surplus = _repeats(configuration[record]) >= REPEATS
    record = faults.without(record, surplus, faults.surplus_reason)
    if not len(record):
        raise DamagedArchiveError(f"no record is valid for the benchmark; {faults.found[0]}")
    first_of_configuration = np.flatnonzero(_changes(configuration[record]))
    if not skip_corrupt:
        _check_no_repeat_missing(archive, record, first_of_configuration)
    new_cell = _changes(cell[record])
    return OrderedRuns(
        record=record,
        cell=np.cumsum(new_cell) - 1,
        repeat=_repeats(configuration[record]),
        first_run=np.flatnonzero(new_cell),
        num_configurations=len(first_of_configuration),
        skipped=faults.found,
    )


class _Faults:
    """Raises the first invalid record of the archive, or collects all, with the reasons."""

    def __init__(self, archive: Nasbench101Archive, *, skip: bool) -> None:
        self._archive = archive
        self._skip = skip
        self.found: list[RecordError] = []

    def without(
        self, record: NDArray[np.int64], bad: NDArray[np.bool_], reason: Callable[[int], str]
    ) -> NDArray[np.int64]:
        """Return the records that are not bad."""
        if not bad.any():
            return record
        for row in np.sort(record[bad]).tolist():
            error = RecordError(
                int(self._archive.numbers[row]), int(self._archive.offsets[row]), reason(row)
            )
            if not self._skip:
                raise error
            self.found.append(error)
        return record[~bad]

    def hash_reason(self, row: int) -> str:
        code = self._archive.codes[row : row + 1]
        expected = hash_codes(code).tobytes().hex()
        return f"its hash is {self._hash(row)}, but that of its cell is {expected}"

    def budget_reason(self, row: int) -> str:
        budgets = ", ".join(map(str, BUDGETS))
        return f"{self._archive.epochs[row]} epochs is not one of the budgets {budgets}"

    def parameters_reason(self, row: int) -> str:
        return (
            f"it counts {self._archive.trainable_parameters[row]} trainable parameters, unlike "
            f"other records of the cell {self._hash(row)}"
        )

    def surplus_reason(self, row: int) -> str:
        return (
            f"it is one more than {REPEATS} runs of {self._archive.epochs[row]} epochs of the cell "
            f"{self._hash(row)}; is the archive in the file twice?"
        )

    def _hash(self, row: int) -> str:
        return str(self._archive.digests[row].tobytes().hex())


def _cells(archive: Nasbench101Archive) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return each record's cell as rank by hash, and whether its recorded hash differs."""
    codes, of_record = np.unique(archive.codes, return_inverse=True)
    digests = hash_codes(codes)
    unlike = np.zeros(len(of_record), dtype=bool)
    halves = zip(digests.view(np.uint64).T, archive.digests.view(np.uint64).T, strict=True)
    for computed, recorded in halves:
        unlike |= computed[of_record] != recorded
    return _ranks(digests)[of_record], unlike


def _ranks(digests: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the rank of each digest among the distinct ones."""
    high, low = digests.view(">u8").T.astype(np.uint64)
    order = np.lexsort((low, high))
    ranks = np.empty(len(order), dtype=np.int32)
    ranks[order] = np.cumsum(_changes(high[order]) | _changes(low[order])) - 1
    return ranks


def _repeats(groups: NDArray[Any]) -> NDArray[np.int64]:
    """Return the position of each element within its group, from 0."""
    return np.arange(len(groups)) - _group_starts(groups)


def _group_starts(groups: NDArray[Any]) -> NDArray[np.int64]:
    """Return for each element the start of its group of equal consecutive values."""
    starts = _changes(groups)
    positions: NDArray[np.int64] = np.flatnonzero(starts)[np.cumsum(starts) - 1]
    return positions


def _changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a value differs from the previous one; true for the first."""
    changes = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes


def _check_no_repeat_missing(
    archive: Nasbench101Archive, record: NDArray[np.int64], starts: NDArray[np.int64]
) -> None:
    counts = np.diff(starts, append=len(record))
    too_few = np.flatnonzero(counts < REPEATS)
    if len(too_few):
        row = record[starts[too_few[0]]]
        raise DamagedArchiveError(
            f"cells with fewer than {REPEATS} runs at a budget: {len(too_few)}; the first is "
            f"{archive.digests[row].tobytes().hex()} with {counts[too_few[0]]} of "
            f"{archive.epochs[row]} epochs (record {archive.numbers[row]} at byte "
            f"{archive.offsets[row]})"
        )


_PERCENT: Final = 100
_ROWS_AT_A_TIME: Final = 50_000
_SKIPPED_SHOWN: Final = 20


def generate(
    raw: Path, out: Path, *, progress: Progress = silent, skip_corrupt: bool = False
) -> Provenance:
    """Convert a raw archive into `out`/nasbench101.db and return its provenance.

    Args:
        raw: ``nasbench_full.tfrecord`` or ``nasbench_only108.tfrecord``.
        out: Folder of the database.
        progress: Receives the number of megabytes read.
        skip_corrupt: Leave out damaged, contradictory and surplus records and report them in the
            provenance, instead of raising.

    Raises:
        ArchiveError: The archive is damaged, of another benchmark or of another format.
        BuildError: The database cannot be written.
    """
    target = out / f"{NasBench101.spec.name}.db"
    with (
        identified(raw) as source,
        DatabaseBuild(target, NasBench101, TABLES, VIEWS) as build,
    ):
        try:
            archive = read_archive(raw, skip_corrupt=skip_corrupt, progress=progress)
            runs = ordered_runs(archive, skip_corrupt=skip_corrupt)
        except DamagedArchiveError as error:
            raise DamagedArchiveError(
                f"{raw.name}: {error}; fetch it again, or convert the rest of it with "
                "--skip-corrupt"
            ) from error
        build.insert(CellRow, _cell_rows(archive, runs))
        build.insert(Run, _run_rows(archive, runs))
        contents = _contents(archive, runs)
        return build.complete(source.result(), contents, synthetic=archive.synthetic)


def _cell_rows(archive: Nasbench101Archive, runs: OrderedRuns) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of cells; the matrix is that of the first record among the cell's runs."""
    record = runs.record[runs.first_run]
    digits = archive.digests[record].tobytes().hex()
    hashes = (digits[start : start + 32] for start in range(0, len(digits), 32))
    codes = archive.codes[record].tolist()
    return zip(count(), hashes, codes, archive.trainable_parameters[record].tolist(), strict=False)


def _run_rows(archive: Nasbench101Archive, runs: OrderedRuns) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of runs in key order."""
    for start in range(0, len(runs.record), _ROWS_AT_A_TIME):
        part = slice(start, start + _ROWS_AT_A_TIME)
        record = runs.record[part]
        final = archive.final[record]
        final[:, :-1] *= _PERCENT
        packed = archive.halfway[record].view(f"V{HALFWAY.size}")
        yield from zip(
            runs.cell[part].tolist(),
            archive.epochs[record].tolist(),
            runs.repeat[part].tolist(),
            *final.T.tolist(),
            packed.ravel().tolist(),
            strict=True,
        )


def _contents(archive: Nasbench101Archive, runs: OrderedRuns) -> dict[str, Any]:
    epochs = archive.epochs[runs.record]
    by_budget = {budget: int(np.count_nonzero(epochs == budget)) for budget in BUDGETS}
    present = [budget for budget in BUDGETS if by_budget[budget]]
    cells = len(runs.first_run)
    skipped = sorted([*archive.skipped, *runs.skipped], key=_place)
    return {
        "cells": cells,
        "runs": len(runs.record),
        "runs_by_budget": {f"{budget} epochs": by_budget[budget] for budget in present},
        "budgets_missing": [budget for budget in BUDGETS if not by_budget[budget]],
        "cells_missing": NUM_CELLS - cells,
        "configurations_missing": cells * len(present) - runs.num_configurations,
        "repeats_missing": runs.num_configurations * REPEATS - len(runs.record),
        "records_skipped": len(skipped),
        "skipped": [str(error) for error in skipped[:_SKIPPED_SHOWN]],
    }


def _place(error: RecordError) -> int:
    return error.number
