"""Labelled images: a folder of classes, a folder with labels.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from PIL import Image

from model_hub.evaluation.errors import DatasetError
from model_hub.evaluation.transform import read_image

__all__ = ["ImageFiles", "LabelledImages", "read_folder"]

_LABELS: Final = "labels.csv"
_EXTENSIONS: Final = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
_LARGEST_LABEL: Final = (1 << 20) - 1


class LabelledImages(Protocol):
    """Images with labels, in a fixed order."""

    @property
    def classes(self) -> Sequence[str] | None:
        """Names of the labels 0, 1, … where they are known."""

    def __len__(self) -> int:
        """Return how many images there are."""

    def image(self, index: int) -> Image.Image:
        """Return an image in RGB."""

    def label(self, index: int) -> int:
        """Return the label of an image."""

    def place(self, index: int) -> str:
        """Return where an image lies, for messages."""


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """Images in files of their own, decoded when asked for.

    Args:
        paths: Their files.
        labels: Their labels, one each.
        classes: Names of the labels, where they are known.
    """

    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> Image.Image:
        """Return an image in RGB.

        Raises:
            DatasetError: The file is no image, or damaged.
            OSError: It cannot be read.
        """
        return read_image(self.paths[index])

    def label(self, index: int) -> int:
        """Return the label of an image."""
        return self.labels[index]

    def place(self, index: int) -> str:
        """Return the file of an image."""
        return str(self.paths[index])


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
    table = folder / _LABELS
    return _listed(table) if table.is_file() else _in_classes(folder)


def _listed(table: Path) -> ImageFiles:
    paths, labels = [], []
    with table.open(newline="", encoding="utf-8") as file:
        try:
            rows = csv.DictReader(file)
            if not {"file", "label"} <= set(rows.fieldnames or ()):
                raise DatasetError(f"{table} lacks a column `file` or `label`")
            for row in rows:
                place = f"{table}, line {rows.line_num}"
                paths.append(_image_path(table.parent, row["file"], place))
                labels.append(_label(row["label"], place))
        except (UnicodeDecodeError, csv.Error) as error:
            raise DatasetError(f"{table} is no CSV file: {error}") from error
    return _not_empty(table, ImageFiles(paths=tuple(paths), labels=tuple(labels)))


def _in_classes(folder: Path) -> ImageFiles:
    classes = sorted(child.name for child in folder.iterdir() if child.is_dir())
    images = [
        (path, label)
        for label, name in enumerate(classes)
        for path in _images(folder.joinpath(name).rglob("*"))
    ]
    return _not_empty(
        folder,
        ImageFiles(
            paths=tuple(path for path, _ in images),
            labels=tuple(label for _, label in images),
            classes=tuple(classes),
        ),
    )


def _images(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in _EXTENSIONS and path.is_file())


def _image_path(folder: Path, name: str, place: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise DatasetError(f"{place}: there is no file {path}")
    return path


def _label(text: str | None, place: str) -> int:
    try:
        label = int(text or "")
    except ValueError:
        label = -1
    if not 0 <= label <= _LARGEST_LABEL:
        raise DatasetError(f"{place}: {text!r:.80} is no label; labels are 0, 1, …")
    return label


def _not_empty(place: Path, images: ImageFiles) -> ImageFiles:
    if not images.paths:
        raise DatasetError(
            f"{place} has no images; wanted is {_LABELS} with columns `file` and `label`, or a "
            "folder a class"
        )
    return images
