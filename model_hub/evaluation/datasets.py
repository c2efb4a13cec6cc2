"""Labelled images: what a data set is, and data sets by what is in them.

CIFAR's files, a table of labels, or one folder for each class; in a folder or a tar archive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from PIL import Image

from model_hub.errors import DatasetError
from model_hub.evaluation.cifar import cifar_reader
from model_hub.evaluation.labels import (
    CLASSES,
    LABELS,
    classes_in,
    read_labels,
    refuse_deep,
    stated_classes,
)
from model_hub.evaluation.storage import Folder, Storage, TarArchive
from model_hub.evaluation.transform import decoded

__all__ = ["ImageFiles", "LabelledImages", "read_folder", "read_images", "read_tar"]


_EXTENSIONS: Final = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


class LabelledImages(Protocol):
    """Images with labels, in a fixed order."""

    @property
    def classes(self) -> Sequence[str] | None:
        """Names of the labels 0, 1, … where they are known."""

    @property
    def order_stated(self) -> bool:
        """Whether the labels were stated; otherwise they follow from names of folders."""

    def __len__(self) -> int:
        """Return how many images there are."""

    def content(self, index: int) -> bytes:
        """Return the content of an image: the bytes of its file, or its pixels."""

    def image(self, index: int, content: bytes | None = None) -> Image.Image:
        """Return an image in RGB; of its content, where that has been read already."""

    def label(self, index: int) -> int:
        """Return the label of an image."""

    def name(self, index: int) -> str:
        """Return what an image is called within the data set."""

    def place(self, index: int) -> str:
        """Return where an image lies, for messages."""


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """Images in files of their own, decoded when asked for.

    Args:
        storage: What holds the files.
        names: Their names there.
        labels: Their labels, one each.
        classes: Names of the labels, where they are known.
        order_stated: Whether the labels were stated; otherwise they follow from names of folders.
    """

    storage: Storage
    names: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...] | None = None
    order_stated: bool = True

    def __len__(self) -> int:
        return len(self.names)

    def content(self, index: int) -> bytes:
        """Return the file of an image.

        Raises:
            OSError: It cannot be read.
        """
        return self.storage.read(self.names[index])

    def size(self, index: int) -> int:
        """Return the bytes of the file of an image, which is not read.

        Raises:
            OSError: It is not there.
        """
        return self.storage.size(self.names[index])

    def image(self, index: int, content: bytes | None = None) -> Image.Image:
        """Return an image in RGB.

        Args:
            index: Its place in the data set.
            content: Its file; read if it is left out.

        Raises:
            DamagedImageError: The file is no image, or damaged.
            OSError: It cannot be read.
        """
        kept = self.content(index) if content is None else content
        return decoded(BytesIO(kept), self.place(index))

    def label(self, index: int) -> int:
        """Return the label of an image."""
        return self.labels[index]

    def name(self, index: int) -> str:
        """Return the name of an image within the data set."""
        return self.names[index]

    def place(self, index: int) -> str:
        """Return where the file of an image lies."""
        return self.storage.place(self.names[index])


def read_images(path: Path, *, train: bool = False) -> LabelledImages:
    """Return the images to evaluate on: CIFAR's test images, or those of a folder or tar archive.

    Args:
        path: The folder or archive.
        train: The training images of CIFAR instead; other data sets have no such division.

    Raises:
        DatasetError: It is none of these, or files are damaged.
        OSError: A file cannot be read.
    """
    if path.is_file():
        return read_tar(path)
    read = cifar_reader(path)
    return read(path, train=train) if read else read_folder(path)


def read_folder(folder: Path) -> ImageFiles:
    """Return the images of a folder.

    Either it has a `labels.csv` with columns `file` (relative to the folder) and `label` (0, 1, …),
    or one folder a class. Classes are the labels 0, 1, … in the order of `classes.txt`, a folder's
    name a line, if it has one; else, where all names are numbers, in their order, which begins with
    0 and leaves none out; else in the order of the code points of their names. Hidden files and
    folders are ignored; see `storage.is_hidden`.

    Raises:
        DatasetError: It has neither, labels.csv or classes.txt states something that cannot be, or
            the order of the classes is not beyond doubt; the message says what is wanted.
        OSError: It cannot be read.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder")
    return _read(Folder(folder), str(folder))


def read_tar(path: Path) -> ImageFiles:
    """Return the images of an uncompressed tar archive of such a folder; nothing is unpacked.

    Raises:
        DatasetError: It is none, or as for `read_folder`.
        OSError: It cannot be read.
    """
    return _read(TarArchive(path), str(path))


def _read(storage: Storage, place: str) -> ImageFiles:
    images = _listed(storage) if LABELS in storage else _in_classes(storage, place)
    if not images.names:
        raise DatasetError(
            f"{place} has no images; wanted is {LABELS} with columns `file` and `label`, or a "
            "folder a class"
        )
    return images


def _listed(storage: Storage) -> ImageFiles:
    names, labels = read_labels(storage)
    classes = stated_classes(storage) if CLASSES in storage else None
    if classes is not None and labels and max(labels) >= len(classes):
        place = storage.place(CLASSES)
        raise DatasetError(f"{place} has {len(classes)} classes, and {LABELS} label {max(labels)}")
    return ImageFiles(storage=storage, names=names, labels=labels, classes=classes)


def _in_classes(storage: Storage, place: str) -> ImageFiles:
    names = storage.names()
    images = [name for name in names if "/" in name and _is_image(name)]
    refuse_deep(names, images, place)
    classes = classes_in(storage, place)
    labels = {name: label for label, name in enumerate(classes)}
    return ImageFiles(
        storage=storage,
        names=tuple(images),
        labels=tuple(labels[name.partition("/")[0]] for name in images),
        classes=classes,
        order_stated=CLASSES in storage,
    )


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _EXTENSIONS
