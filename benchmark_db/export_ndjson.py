"""Tables as JSON, one object a line."""

from __future__ import annotations

from itertools import repeat
from typing import Final

import orjson

from benchmark_db.export import ExportTable, Sink

__all__ = ["write_ndjson"]

_LINE: Final = orjson.OPT_APPEND_NEWLINE


def write_ndjson(table: ExportTable, file: Sink) -> None:
    """Write a table as one JSON object a row, its columns by name.

    Raises:
        BenchmarkDataError: As `ExportTable.slices`.
    """
    names = [column.name for column in table.columns]
    for columns in table.slices():
        rows = map(dict, map(zip, repeat(names), zip(*columns, strict=True)))
        file.write(b"".join([orjson.dumps(row, option=_LINE) for row in rows]))
