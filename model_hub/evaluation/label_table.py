"""The table `labels.csv`: which label each image has."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import PurePosixPath
from typing import Final

from model_hub.evaluation.errors import DatasetError
from model_hub.evaluation.storage import Storage, text_of

__all__ = ["LABELS", "read_labels"]

LABELS: Final = "labels.csv"
_COLUMNS: Final = ("file", "label")
_LARGEST_LABEL: Final = (1 << 20) - 1
_MOST_BYTES: Final = 1 << 28
_OTHER_SEPARATORS: Final = {";": "semicolons", "\t": "tabs"}


def read_labels(storage: Storage) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the files that the table names, in its order, and the label of each.

    It is CSV in UTF-8, with or without a byte-order mark. The first line names its columns, `file`
    and `label` among them; a table of two columns, a file and its label, may lack that line.

    Raises:
        DatasetError: It is no such table, names a file that is not there, or names one twice; the
            message says in which line.
        OSError: It cannot be read.
    """
    table = storage.place(LABELS)
    lines: dict[str, int] = {}
    labels = []
    try:
        for line, file, label in _rows(storage, table):
            place = f"{table}, line {line}"
            name = _image_name(storage, file, place)
            if name in lines:
                raise DatasetError(f"{place}: {name} stands in line {lines[name]}, too")
            lines[name] = line
            labels.append(_label(label, place))
    except csv.Error as error:
        raise DatasetError(f"{table} is no CSV file: {error}") from error
    return tuple(lines), tuple(labels)


def _rows(storage: Storage, table: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield line, file and label."""
    rows = csv.reader(StringIO(text_of(storage, LABELS, most=_MOST_BYTES), newline=""))
    filled = (row for row in rows if any(field.strip() for field in row))
    first = next(filled, [])
    columns = [field.strip().lower() for field in first]
    if _is_row(storage, first):
        columns = list(_COLUMNS)
        yield rows.line_num, first[0], first[1]
    file, label = (_column(columns, name, first, table) for name in _COLUMNS)
    for row in filled:
        if len(row) > len(columns):
            raise DatasetError(
                f"{table}, line {rows.line_num}: {len(row)} fields for {len(columns)} columns; a "
                "name with a comma stands in quotation marks"
            )
        kept = [*row, *[None] * (len(columns) - len(row))]
        yield rows.line_num, kept[file] or "", kept[label]


def _is_row(storage: Storage, first: Sequence[str]) -> bool:
    """Whether the first line is already one of a file and its label."""
    return (
        len(first) == len(_COLUMNS)
        and first[1].strip().isascii()
        and first[1].strip().isdecimal()
        and _within(first[0]) in storage
    )


def _column(columns: Sequence[str], name: str, first: Sequence[str], table: str) -> int:
    if columns.count(name) > 1:
        raise DatasetError(f"{table} has two columns `{name}`")
    if name in columns:
        return columns.index(name)
    found = next((kind for sign, kind in _OTHER_SEPARATORS.items() if sign in "".join(first)), None)
    hint = f"; it is separated by {found}, and commas are wanted" if found else ""
    raise DatasetError(
        f"{table} lacks a column `file` or `label`: wanted is a first line `file,label`{hint}"
    )


def _within(name: str) -> str:
    return str(PurePosixPath(name.strip()))


def _image_name(storage: Storage, written: str, place: str) -> str:
    for name in (str(PurePosixPath(written)), _within(written)):
        if name in storage:
            return name
    hint = "; names have slashes" if "\\" in written else ""
    raise DatasetError(f"{place}: there is no file {storage.place(written)}{hint}")


def _label(text: str | None, place: str) -> int:
    plain = (text or "").strip()
    label = int(plain) if plain.isascii() and plain.isdecimal() and len(plain) < 10 else -1  # noqa: PLR2004
    if not 0 <= label <= _LARGEST_LABEL:
        raise DatasetError(f"{place}: {text!r:.80} is no label; labels are 0, 1, …")
    return label
