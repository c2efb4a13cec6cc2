"""Data sets by what is in them: CIFAR's files, a table of labels, or a folder a class."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Final

from model_hub.evaluation.cifar import cifar_reader
from model_hub.evaluation.datasets import ImageFiles, LabelledImages
from model_hub.evaluation.errors import DatasetError
from model_hub.evaluation.storage import Folder, Storage, TarArchive

__all__ = ["read_folder", "read_images", "read_tar"]

_LABELS: Final = "labels.csv"
_EXTENSIONS: Final = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
_LARGEST_LABEL: Final = (1 << 20) - 1


def read_images(path: Path) -> LabelledImages:
    """Return the images to evaluate on: CIFAR's test images, or those of a folder or tar archive.

    Raises:
        DatasetError: It is none of these, or files are damaged.
        OSError: A file cannot be read.
    """
    if path.is_file():
        return read_tar(path)
    read = cifar_reader(path)
    return read(path) if read else read_folder(path)


def read_folder(folder: Path) -> ImageFiles:
    """Return the images of a folder.

    Either it has a `labels.csv` with columns `file` (relative to the folder) and `label` (0, 1, …),
    or one folder a class, whose names in the order of their code points are the labels 0, 1, …

    Raises:
        DatasetError: It has neither, or labels.csv states something that cannot be.
        OSError: It cannot be read.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder")
    return _read(Folder(folder), str(folder))


def read_tar(path: Path) -> ImageFiles:
    """Return the images of an uncompressed tar archive of such a folder; nothing is unpacked.

    Raises:
        DatasetError: It is none, or its labels.csv states something that cannot be.
        OSError: It cannot be read.
    """
    return _read(TarArchive(path), str(path))


def _read(storage: Storage, place: str) -> ImageFiles:
    images = _listed(storage) if _LABELS in storage else _in_classes(storage)
    if not images.names:
        raise DatasetError(
            f"{place} has no images; wanted is {_LABELS} with columns `file` and `label`, or a "
            "folder a class"
        )
    return images


def _listed(storage: Storage) -> ImageFiles:
    table = storage.place(_LABELS)
    names, labels = [], []
    try:
        for line, row in _rows(storage, table):
            place = f"{table}, line {line}"
            names.append(_image_name(storage, row["file"], place))
            labels.append(_label(row["label"], place))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table} is no CSV file: {error}") from error
    return ImageFiles(storage=storage, names=tuple(names), labels=tuple(labels))


def _rows(storage: Storage, table: str) -> Iterator[tuple[int, dict[str, str]]]:
    rows = csv.DictReader(StringIO(storage.read(_LABELS).decode(), newline=""))
    if not {"file", "label"} <= set(rows.fieldnames or ()):
        raise DatasetError(f"{table} lacks a column `file` or `label`")
    for row in rows:
        yield rows.line_num, row


def _in_classes(storage: Storage) -> ImageFiles:
    classes = storage.folders()
    labels = {name: label for label, name in enumerate(classes)}
    images = [name for name in storage.names() if "/" in name and _is_image(name)]
    return ImageFiles(
        storage=storage,
        names=tuple(images),
        labels=tuple(labels[name.partition("/")[0]] for name in images),
        classes=tuple(classes),
    )


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _EXTENSIONS


def _image_name(storage: Storage, name: str, place: str) -> str:
    if name not in storage:
        raise DatasetError(f"{place}: there is no file {storage.place(name)}")
    return name


def _label(text: str | None, place: str) -> int:
    try:
        label = int(text or "")
    except ValueError:
        label = -1
    if not 0 <= label <= _LARGEST_LABEL:
        raise DatasetError(f"{place}: {text!r:.80} is no label; labels are 0, 1, …")
    return label
