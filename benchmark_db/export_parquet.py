"""Tables as Apache Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import orjson

from benchmark_db.export import ExportTable, Sink
from missing_extra import needs

__all__ = ["write_parquet"]

_ROW_GROUP: Final = 131_072
"""Rows that are compressed together: some megabytes, all that is held of a table."""

_COMPRESSION: Final = "zstd(3)"


def write_parquet(table: ExportTable, file: Sink) -> None:
    """Write a table as Parquet: row groups of 131,072 rows, compressed by zstd.

    The file's metadata tell its `provenance`, `citation` and `licence`, and the `units` of its
    columns, as JSON and text; the fields of the Arrow schema carry theirs, too.

    Args:
        table: The table.
        file: Written to from start to end; need not be seekable.

    Raises:
        BenchmarkDataError: As `ExportTable.slices`. The file then has no footer, so that nobody
            takes it for a table.
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

    # Into memory, and from there into the file: the encoder takes a failing file for a bug of its
    # own, and it gives the message of what its source raises, but not the error.
    try:
        write(
            core.RecordBatchReader.from_batches(schema, batches()),
            encoded,
            compression=_COMPRESSION,
            max_row_group_size=_ROW_GROUP,
            column_dictionary_enabled=_dictionaries(table),
            # Once more outside the Arrow schema, for readers that know nothing of Arrow.
            key_value_metadata=_metadata(table),
        )
    except Exception:
        if failures:
            raise failures[0] from None
        raise
    _move(encoded, file)


def _move(encoded: io.BytesIO, file: Sink) -> None:
    """Write what has been encoded to the file, and forget it."""
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
    """Return which columns get a dictionary: measured, the others grow and take twice as long."""
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
        "citation": installed.description.citation,
        "licence": installed.description.licence,
        "units": orjson.dumps(units).decode(),
    }


def _arrow() -> Any:
    with needs("export", "writing Parquet"):
        # Not at the top: 30 MB that only Parquet needs.
        from arro3 import core  # noqa: PLC0415
        from arro3.io import write_parquet as write  # noqa: PLC0415
    return core, write
