"""Records of the raw files of a declared table, with one reader per format.

A record is a row, or an entry of an object or a list. No code in a file is run: JSON, text and
arrays are data, and pickles are read by `safe_pickle`.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmark_spec.declaration import Reader, Rows
from benchmark_spec.errors import shown
from generators.raw.table_files import RawTable
from generators.raw.torch_archive import open_torch_pickle
from generators.raw.value_paths import value_at
from missing_extra import needs
from safe_pickle import ArchiveError, DamagedArchiveError, WrongFormatError
from safe_pickle import load_pickle as load_whole

__all__ = ["Record", "records_of"]

_MOST_RECORDS: Final = 5_000_000
_LONGEST_FIELD: Final = 2**16
"""Most characters of a CSV field; a line of JSON lines may have a hundred times as many."""
_MOST_COLUMNS: Final = 10_000
_ZIP_START: Final = b"PK\x03\x04"
_MOST_UNPACKED: Final = 2**30


@dataclass(frozen=True, slots=True)
class Record:
    """A record.

    Attributes:
        where: Its place, for messages: file, and line, key or number.
        file: The name of its file without the suffix; `$file` in paths.
        key: Its key in an object, or its position, from 0; `$key` in paths.
        value: Its value.
        by_column: Whether a path is always the name of a column, whatever its characters.
    """

    where: str
    file: str
    key: str | int
    value: Any
    by_column: bool


def records_of(table: RawTable, rows: Rows) -> Iterator[Record]:
    """Yield the records of a file.

    Raises:
        ArchiveError: The file is damaged, of another format, hostile, or too large.
        MissingExtraError: The library of its format is not installed.
    """
    try:
        stem, by_column = table.stem, rows.reader in ("csv", "parquet")
        for number, (where, key, value) in enumerate(_READERS[rows.reader](table, rows)):
            if number >= _MOST_RECORDS:
                raise WrongFormatError(f"{table.name} has more than {_MOST_RECORDS:,} records")
            yield Record(f"{table.name}, {where}", stem, key, value, by_column)
    except (RecursionError, UnicodeDecodeError) as error:
        raise WrongFormatError(f"{table.name} is not {rows.reader}: {error}") from error


_Entry = tuple[str, str | int, Any]


def _json(table: RawTable, rows: Rows) -> Iterator[_Entry]:
    yield from _entries(table, _decoded(table.data.decode(), table.name), rows)


def _decoded(text: str, name: str) -> Any:
    """Decode JSON; a duplicate member is an error, because either value may be meant."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [key for key, _ in pairs]
            key = next(key for key in found if names.count(key) > 1)
            places = [str(place + 1) for place, other in enumerate(names) if other == key]
            raise DamagedArchiveError(
                f"{name}: {shown(key)} occurs twice, as members {' and '.join(places)}"
            )
        return found

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=str)
    except json.JSONDecodeError as error:
        raise WrongFormatError(f"{name} is not JSON: {error}") from error
    except ValueError as error:  # a number of thousands of digits
        if isinstance(error, ArchiveError):
            raise
        raise WrongFormatError(f"{name} is not JSON: {error}") from error


def _entries(table: RawTable, whole: Any, rows: Rows) -> Iterator[_Entry]:
    found = whole
    if rows.each not in ("items", "list"):
        found = value_at(whole, rows.each, table.name)
    if isinstance(found, Mapping):
        for key, value in found.items():
            if type(key) not in (str, int):
                raise WrongFormatError(f"{table.name}: {shown(key)} is not the key of a record")
            yield f"entry {shown(key)}", key, value
    elif isinstance(found, list | tuple):
        for number, value in enumerate(found):
            yield f"entry {number}", number, value
    else:
        raise WrongFormatError(f"{table.name}: records are {shown(found)}, not an object or list")


def _json_lines(table: RawTable, rows: Rows) -> Iterator[_Entry]:
    del rows
    for number, line in enumerate(io.BytesIO(table.data), 1):
        if len(line) > 100 * _LONGEST_FIELD:
            raise WrongFormatError(f"{table.name}, line {number}: {len(line):,} bytes in one line")
        if line.strip():
            yield (
                f"line {number}",
                number - 1,
                _decoded(line.decode(), f"{table.name}, line {number}"),
            )


def _csv(table: RawTable, rows: Rows) -> Iterator[_Entry]:
    del rows
    text = io.StringIO(table.data.decode("utf-8-sig"), newline="")
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        lines = csv.reader(text, strict=True)
        names = next(lines, [])
        if len(set(names)) != len(names) or not 1 <= len(names) <= _MOST_COLUMNS:
            raise WrongFormatError(f"{table.name}: its header does not name each column once")
        for number, fields in enumerate(lines):
            where = f"line {lines.line_num}"
            if len(fields) != len(names):
                raise DamagedArchiveError(
                    f"{table.name}, {where}: {len(fields)} fields for {len(names)} columns"
                )
            yield where, number, dict(zip(names, fields, strict=True))
    except csv.Error as error:
        raise WrongFormatError(f"{table.name} is not CSV: {error}") from error
    finally:
        csv.field_size_limit(before)


def _npy(table: RawTable, rows: Rows) -> Iterator[_Entry]:
    del rows
    file = io.BytesIO(table.data)
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, kind = read(file)
        if kind.hasobject or kind.kind not in "iufb" or not 1 <= len(shape) <= 2:  # noqa: PLR2004 - rows and columns
            raise WrongFormatError(f"{table.name}: an array {shape} of {kind}, no table of numbers")
        if prod(shape) * kind.itemsize != len(table.data) - file.tell():
            raise DamagedArchiveError(f"{table.name}: its size is not that of an array {shape}")
        file.seek(0)
        array = np.load(file, allow_pickle=False)
    except ArchiveError:
        raise
    except (ValueError, EOFError, OverflowError) as error:
        raise WrongFormatError(f"{table.name} is not a NumPy array: {error}") from error
    for number, row in enumerate(array):
        yield f"row {number}", number, row.tolist()


def _parquet(table: RawTable, rows: Rows) -> Iterator[_Entry]:
    del rows
    with needs("export", "reading Parquet"):
        from arro3.io import read_parquet  # noqa: PLC0415 - an extra
    number = unpacked = 0
    try:
        for batch in read_parquet(io.BytesIO(table.data)):
            unpacked = _bounded(unpacked + int(batch.nbytes), table.name)
            names = batch.schema.names
            columns = [column.to_pylist() for column in batch.columns]
            for fields in zip(*columns, strict=True):
                yield f"row {number}", number, dict(zip(names, fields, strict=True))
                number += 1
    except ArchiveError:
        raise
    except BaseException as error:
        # The library has no error class of its own, and Rust panics are not Python exceptions.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise WrongFormatError(f"{table.name} is not Parquet: {error}") from error


def _bounded(unpacked: int, name: str) -> int:
    if unpacked > _MOST_UNPACKED:
        raise WrongFormatError(f"{name} unpacks to more than {_MOST_UNPACKED:,} bytes")
    return unpacked


def _pickle(table: RawTable, rows: Rows) -> Iterator[_Entry]:
    try:
        whole = _of_torch(table) if table.data.startswith(_ZIP_START) else _unpickled(table.data)
    except ArchiveError as error:
        raise type(error)(f"{table.name}: {error}") from error
    yield from _entries(table, whole, rows)


def _unpickled(data: bytes) -> Any:
    return load_whole(io.BytesIO(data))


def _of_torch(table: RawTable) -> Any:
    with tempfile.NamedTemporaryFile() as file:
        file.write(table.data)
        file.flush()
        with open_torch_pickle(Path(file.name)) as opened:
            whole = load_whole(opened)
            while opened.read(2**20):
                pass
            return whole


_READERS: Final[Mapping[Reader, Callable[[RawTable, Rows], Iterator[_Entry]]]] = {
    "json": _json,
    "json-lines": _json_lines,
    "csv": _csv,
    "npy": _npy,
    "parquet": _parquet,
    "pickle": _pickle,
}
