"""The formats of exports, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.export import ExportTable, Sink
from benchmark_db.export_csv import write_csv
from benchmark_db.export_ndjson import write_ndjson
from benchmark_db.export_parquet import write_parquet

__all__ = ["FORMATS", "ExportFormat", "format_named"]


class ExportFormat(NamedTuple):
    """A format.

    Attributes:
        media_type: What HTTP calls it.
        write: Writes a table to a file from start to end, without seeking. What it has written
            when it raises is no complete file.
    """

    media_type: str
    write: Callable[[ExportTable, Sink], None]


FORMATS: Final[Mapping[str, ExportFormat]] = {
    "ndjson": ExportFormat("application/x-ndjson", write_ndjson),
    "csv": ExportFormat("text/csv; charset=utf-8", write_csv),
    "parquet": ExportFormat("application/vnd.apache.parquet", write_parquet),
}
"""The formats there are; the suffix of a file is the name of its format."""


def format_named(name: str) -> ExportFormat:
    """Return a format.

    Raises:
        InvalidQuestionError: There is none of this name.
    """
    if name not in FORMATS:
        raise InvalidQuestionError(
            "format", f"unknown format {shown(name)}; known are {', '.join(FORMATS)}"
        )
    return FORMATS[name]
