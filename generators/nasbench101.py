"""NAS-Bench-101: from the TFRecord archive, full or only 108 epochs, to the database."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench101.enumeration import NUM_CELLS
from benchmark_db.nasbench101.tables import BUDGETS, HALFWAY, REPEATS, TABLES, VIEWS, CellRow, Run
from benchmark_db.provenance import Provenance
from generators.build import DatabaseBuild
from generators.nasbench101_order import OrderedRuns, ordered_runs
from generators.progress import Progress, silent
from generators.raw.nasbench101_archive import Nasbench101Archive, read_archive
from generators.raw.tfrecord import RecordError
from generators.source import identified
from safe_pickle import DamagedArchiveError

__all__ = ["generate"]

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
        progress: Told how many megabytes of the archive are read.
        skip_corrupt: Leave out damaged records, those that contradict others and surplus ones, and
            report them in the provenance, rather than raise.

    Raises:
        ArchiveError: The archive is damaged, of another benchmark or not an archive.
        BuildError: The database cannot be written.
    """
    target = out / f"{NasBench101.description.name}.db"
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
    """Yield the rows of cells, the matrix being that of the cell's first record of its runs."""
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
