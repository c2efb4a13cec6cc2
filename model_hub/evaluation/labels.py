"""Labels of images: from the table `labels.csv`, or from the names of their folders.

The mapping from folders to outputs must be unambiguous: if their orders differ, accuracy drops to
chance level without any other sign. An ambiguous order is therefore refused, and the message says
how to state it.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import PurePosixPath
from typing import Final

from model_hub.errors import DatasetError, listed, nearest
from model_hub.evaluation.storage import Storage, text_of

__all__ = ["CLASSES", "LABELS", "classes_in", "read_labels", "refuse_deep", "stated_classes"]


LABELS: Final = "labels.csv"
_COLUMNS: Final = ("file", "label")
_LARGEST_LABEL: Final = (1 << 20) - 1
_LARGEST_TABLE: Final = 1 << 28
"""Limit in bytes."""
_OTHER_SEPARATORS: Final = {";": "semicolons", "\t": "tabs"}

CLASSES: Final = "classes.txt"
_LARGEST_LIST: Final = 1 << 25
"""Limit in bytes."""
_MOST_CLASSES: Final = 1 << 20
_LONGEST_NUMBER: Final = 9
_SPLITS: Final = frozenset(
    {
        *("dev", "eval", "evaluation", "test", "testing", "train", "training", "val", "valid"),
        "validation",
    }
)
"""Usual names of the splits of a data set; a folder of such a name is not a class."""
_INNER: Final = "images"
"""Name of the folder within each class that contains the images of Tiny ImageNet."""

_WANTED: Final = (
    f"state the order in {CLASSES} beside the folders: one folder name per line, the class of "
    "output 0 first"
)


def read_labels(storage: Storage) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the files in the table, in its order, and the label of each.

    The table is CSV in UTF-8, with or without a byte-order mark. The first line names the columns,
    including `file` and `label`; a table of only these two columns may omit it.

    Raises:
        DatasetError: The table is invalid, or names a missing file or a file twice; the message
            has the line.
        OSError: The table cannot be read.
    """
    table = storage.place(LABELS)
    lines: dict[str, int] = {}
    labels = []
    try:
        for line, file, label in _rows(storage, table):
            place = f"{table}, line {line}"
            name = _image_name(storage, file, place)
            if name in lines:
                raise DatasetError(f"{place}: {name} is also in line {lines[name]}")
            lines[name] = line
            labels.append(_label(label, place))
    except csv.Error as error:
        raise DatasetError(f"{table} is not a CSV file: {error}") from error
    return tuple(lines), tuple(labels)


def _rows(storage: Storage, table: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield line number, file and label of each row."""
    rows = csv.reader(StringIO(text_of(storage, LABELS, most=_LARGEST_TABLE), newline=""))
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
                "name with a comma needs quotation marks"
            )
        kept = [*row, *[None] * (len(columns) - len(row))]
        yield rows.line_num, kept[file] or "", kept[label]


def _is_row(storage: Storage, first: Sequence[str]) -> bool:
    """Return whether the first line already has a file and its label."""
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
    hint = f"; it is separated by {found} instead of commas" if found else ""
    raise DatasetError(
        f"{table} lacks a column `file` or `label`: expected is a first line `file,label`{hint}"
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
        raise DatasetError(f"{place}: {text!r:.80} is not a label; labels are 0, 1, …")
    return label


def classes_in(storage: Storage, place: str) -> tuple[str, ...]:
    """Return the classes in the order of their labels.

    Raises:
        DatasetError: The order is ambiguous, or `classes.txt` does not list all folders.
        OSError: A file cannot be read.
    """
    folders = storage.folders()
    if CLASSES in storage:
        known = stated_classes(storage)
        _refuse_unlisted(storage.place(CLASSES), folders, known)
        return known
    _refuse_alike(folders, place)
    numbers = [name for name in folders if _is_number(name)]
    if not numbers:
        return _by_name(folders, place)
    if len(numbers) < len(folders):
        others = [name for name in folders if name not in set(numbers)]
        raise DatasetError(
            f"{place}: some folders are numbers, and {listed(others)} not; {_WANTED}"
        )
    by_number = {int(name): name for name in folders}
    if len(by_number) < len(folders) or set(by_number) != set(range(len(folders))):
        raise DatasetError(
            f"{place}: the folders {listed(sorted(folders, key=_naturally))} are numbers, but not "
            f"0 to {len(folders) - 1}, each once; {_WANTED}"
        )
    return tuple(by_number[label] for label in range(len(folders)))


def refuse_deep(names: Sequence[str], images: Sequence[str], place: str) -> None:
    """Refuse a data set whose classes are not its outermost folders.

    Args:
        names: All files.
        images: The images in folders among them.
        place: Path of the data set, for messages.

    Raises:
        DatasetError: The classes seem to be deeper.
    """
    for name in names:
        path = PurePosixPath(name)
        if path.name in (LABELS, CLASSES) and len(path.parts) > 1:
            raise DatasetError(_one_too_deep(place, str(path.parent), f"it contains {path.name}"))
    within: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for name in images:
        outer, inner, *deeper = PurePosixPath(name).parts
        within[outer][inner if deeper else None] += 1
    if within and all(outer.lower() in _SPLITS for outer in within):
        reason = "its folders are splits of a data set, not classes"
        raise DatasetError(_one_too_deep(place, next(iter(within)), reason))
    for outer, folders in within.items():
        if outer.lower() in _SPLITS and set(folders) != {None}:
            reason = "it is a split of a data set, not a class"
            raise DatasetError(_one_too_deep(place, outer, reason))
    if within and not any(None in inner for inner in within.values()):
        inside = {name for inner in within.values() for name in inner}
        if inside != {_INNER} or len(within) == 1:
            reason = "no outermost folder directly contains an image"
            raise DatasetError(_one_too_deep(place, next(iter(within)), reason))


def _one_too_deep(place: str, inside: str, reason: str) -> str:
    return (
        f"{place}: the classes are not the outermost folders ({reason}); expected is "
        f"CLASS/IMAGE, so use {inside!r} in it, or pack that: tar -cf images.tar -C {inside} ."
    )


def _by_name(folders: Sequence[str], place: str) -> tuple[str, ...]:
    """Return names in the order of code points, if that orders their numbers as well."""
    if _count_differently(folders):
        raise DatasetError(
            f"{place}: in alphabetical order the folders are {listed(folders)}, which is not the "
            f"order of the numbers in their names; {_WANTED}"
        )
    return tuple(folders)


def _count_differently(folders: Sequence[str]) -> bool:
    """Return whether names that differ only in a number have another order than the numbers."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in folders:
        alike[re.sub("[0-9]+", "#", name)].append(name)
    return any(sorted(names, key=_naturally) != names for names in alike.values())


def _naturally(name: object) -> list[tuple[int, int, str]]:
    """Return a sort key that puts a2 before a10."""
    parts = re.split("([0-9]+)", str(name))
    return [(1, int(part), "") if place % 2 else (0, 0, part) for place, part in enumerate(parts)]


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) <= _LONGEST_NUMBER


def _refuse_alike(folders: Iterable[str], place: str) -> None:
    """Refuse names that some file systems treat as equal, such as those in other case."""
    seen: dict[str, str] = {}
    for name in folders:
        plain = unicodedata.normalize("NFC", name).casefold()
        if plain in seen:
            raise DatasetError(
                f"{place}: {seen[plain]!r} and {name!r} differ only in case or in the encoding of "
                f"accents. Merge them if they are one class; otherwise {_WANTED}"
            )
        seen[plain] = name


def stated_classes(storage: Storage) -> tuple[str, ...]:
    """Return the classes that `classes.txt` lists; a class may have no folder.

    Raises:
        DatasetError: A line is empty or repeated, or the file is too large or not text.
        OSError: The file cannot be read.
    """
    place = storage.place(CLASSES)
    text = text_of(storage, CLASSES, most=_LARGEST_LIST)
    lines = re.split("\r\n|\r|\n", text.rstrip())
    if len(lines) > _MOST_CLASSES:
        raise DatasetError(f"{place} has {len(lines)} lines; {_MOST_CLASSES} are allowed")
    known: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if not name:
            raise DatasetError(f"{place}, line {number} is empty; each line must name a class")
        if name in known:
            raise DatasetError(
                f"{place}, line {number}: {name!r:.80} is also in line {known[name]}"
            )
        known[name] = number
    return tuple(known)


def _refuse_unlisted(place: str, folders: Sequence[str], known: Sequence[str]) -> None:
    listed_ones = set(known)
    missing = [name for name in folders if name not in listed_ones]
    if missing:
        hint = nearest(missing[0], known, or_all=False)
        raise DatasetError(f"{place} lacks the folders {listed(missing)}{hint}")
