"""Export of trials to NDJSON, CSV and Parquet files."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from missing_extra import needs
from nas_search.errors import ProblemError

__all__ = ["write_trials"]


def write_trials(rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write rows with the same keys to a file, which is replaced once the new one is complete.

    Args:
        rows: The trials.
        path: The file; `.ndjson`, `.csv` or `.parquet`. Its folder is created if missing.

    Raises:
        ProblemError: The suffix is unknown.
        OSError: The file cannot be written.
        ImportError: For Parquet, the `export` extra is not installed.
    """
    target = Path(path)
    writers = {".ndjson": _write_ndjson, ".csv": _write_csv, ".parquet": _write_parquet}
    if target.suffix not in writers:
        raise ProblemError(f"{target}: trials are exported as {', '.join(writers)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        writers[target.suffix](rows, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _write_ndjson(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


def _write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    with needs("export", "Parquet"):
        # Imported here: only Parquet needs this extra.
        from arro3.core import Array, DataType, Table  # noqa: PLC0415
        from arro3.io import write_parquet  # noqa: PLC0415
    kinds = {str: DataType.utf8(), int: DataType.int64(), float: DataType.float64()}
    columns: dict[str, Any] = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        kind = next((type(value) for value in values if value is not None), str)
        columns[name] = Array(values, kinds[kind])
    write_parquet(Table.from_pydict(columns), str(path))
