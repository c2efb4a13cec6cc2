"""The formats of exports: comma-separated values (RFC 4180), JSON lines and Apache Parquet."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import repeat
from typing import Any, Final, NamedTuple

import orjson

from benchmark_db.config_columns import Column
from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.export import ExportTable, Sink
from missing_extra import needs

__all__ = [
    "FORMATS",
    "ExportFormat",
    "format_named",
    "write_parquet",
]

_LINE_END: Final = b"\r\n"
_QUOTED: Final = re.compile('[",\r\n]')
"""Characters because of which a field is quoted."""


def write_csv(table: ExportTable, file: Sink) -> None:
    """Write a table as UTF-8 with a header line and CRLF line ends.

    Null is an empty field. Numbers are written as in JSON, with the fewest digits that restore the
    same double; truth values are `true` and `false`.

    Raises:
        BenchmarkDataError: As `ExportTable.slices`.
    """
    header = b",".join(column.name.encode() for column in table.columns) + _LINE_END
    for columns in table.slices():
        file.write(header + _lines(map(_fields, table.columns, columns)))
        header = b""
    file.write(header)


def _lines(columns: Iterable[Sequence[bytes]]) -> bytes:
    lines = map(b",".join, zip(*columns, strict=True))
    return _LINE_END.join([*lines, b""])


def _fields(column: Column, values: Sequence[Any]) -> Sequence[bytes]:
    if column.kind == "text":
        return [b"" if value is None else _quoted(value).encode() for value in values]
    # A whole column at a time takes a fifth of the time of the module `csv`.
    return orjson.dumps(values)[1:-1].replace(b"null", b"").split(b",")


def _quoted(text: str) -> str:
    if _QUOTED.search(text) is None:
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


_LINE: Final = orjson.OPT_APPEND_NEWLINE


def write_ndjson(table: ExportTable, file: Sink) -> None:
    """Write a table as one JSON object per row, keyed by column name.

    Raises:
        BenchmarkDataError: As `ExportTable.slices`.
    """
    names = [column.name for column in table.columns]
    for columns in table.slices():
        rows = map(dict, map(zip, repeat(names), zip(*columns, strict=True)))
        file.write(b"".join([orjson.dumps(row, option=_LINE) for row in rows]))


_ROW_GROUP: Final = 131_072
"""Rows that are compressed together; they take some megabytes of memory."""

_COMPRESSION: Final = "zstd(3)"


def write_parquet(table: ExportTable, file: Sink) -> None:
    """Write a table as Parquet: row groups of 131,072 rows, compressed by zstd.

    The file's metadata hold its `provenance`, `citation`, `licence` and the `units` of its columns,
    as JSON and text; the fields of the Arrow schema carry their own units, too.

    Args:
        table: The table.
        file: Written to from start to end; it need not be seekable.

    Raises:
        BenchmarkDataError: As `ExportTable.slices`. The file then has no footer, so that no reader
            accepts it.
        ImportError: The `export` extra is not installed.
    """
    core, write = _arrow()
    schema = _schema(core, table)
    encoded = io.BytesIO()
    failures: list[BaseException] = []

    def batches() -> Iterator[Any]:
        try:
            for columns in table.slices():
                arrays = map(core.Array, columns, schema.types)
                yield core.RecordBatch.from_arrays(list(arrays), schema=schema)
                _move(encoded, file)
        except BaseException as error:
            failures.append(error)
            raise

    # Into memory, and from there into the file: the encoder reports an error of the file as a bug
    # of its own, and passes on only the message of an error of its source.
    try:
        write(
            core.RecordBatchReader.from_batches(schema, batches()),
            encoded,
            compression=_COMPRESSION,
            max_row_group_size=_ROW_GROUP,
            column_dictionary_enabled=_dictionaries(table),
            # Repeated outside the Arrow schema, for readers without Arrow.
            key_value_metadata=_metadata(table),
        )
    except Exception:
        if failures:
            raise failures[0] from None
        raise
    _move(encoded, file)


def _move(encoded: io.BytesIO, file: Sink) -> None:
    """Write the encoded bytes to the file and clear the buffer."""
    if encoded.tell():
        file.write(encoded.getvalue())
        encoded.seek(0)
        encoded.truncate()


def _schema(core: Any, table: ExportTable) -> Any:
    types = {
        "boolean": core.DataType.bool(),
        "integer": core.DataType.int64(),
        "number": core.DataType.float64(),
        "text": core.DataType.utf8(),
    }
    return core.Schema(
        [
            core.Field(
                column.name, types[column.kind], metadata=dict(table.fields.get(column.name, {}))
            )
            for column in table.columns
        ],
        metadata=_metadata(table),
    )


def _dictionaries(table: ExportTable) -> dict[Any, bool]:
    """Return which columns get a dictionary; others would grow and take twice as long."""
    return {column.name: column.kind != "number" for column in table.columns}


def _metadata(table: ExportTable) -> dict[str, str]:
    installed = table.installed
    units = {
        column.name: table.fields[column.name]["unit"]
        for column in table.columns
        if "unit" in table.fields.get(column.name, {})
    }
    return {
        "provenance": orjson.dumps(asdict(installed.provenance)).decode(),
        "citation": installed.spec.citation,
        "licence": installed.spec.licence,
        "units": orjson.dumps(units).decode(),
    }


def _arrow() -> Any:
    with needs("export", "writing Parquet"):
        # Imported late: 30 MB that only Parquet needs.
        from arro3 import core  # noqa: PLC0415
        from arro3.io import write_parquet as write  # noqa: PLC0415
    return core, write


class ExportFormat(NamedTuple):
    """An export format.

    Attributes:
        media_type: Media type of the HTTP response.
        write: Writes a table to a file from start to end, without seeking. If it raises, the
            bytes written so far are not a complete file.
    """

    media_type: str
    write: Callable[[ExportTable, Sink], None]


FORMATS: Final[Mapping[str, ExportFormat]] = {
    "ndjson": ExportFormat("application/x-ndjson", write_ndjson),
    "csv": ExportFormat("text/csv; charset=utf-8", write_csv),
    "parquet": ExportFormat("application/vnd.apache.parquet", write_parquet),
}
"""The export formats by name, which is also the file suffix."""


def format_named(name: str) -> ExportFormat:
    """Return the export format with a name.

    Raises:
        InvalidQuestionError: The name is unknown.
    """
    if name not in FORMATS:
        raise InvalidQuestionError(
            "format", f"unknown format {shown(name)}; known are {', '.join(FORMATS)}"
        )
    return FORMATS[name]
