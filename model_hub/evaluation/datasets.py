"""Data sets of labelled images, recognised by their files.

These are CIFAR's files, or a table of labels or one folder per class, in a folder or a tar archive.
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
        """Names of the labels 0, 1, … if known."""

    @property
    def order_stated(self) -> bool:
        """Whether the data set states its labels; otherwise they follow from folder names."""

    def __len__(self) -> int:
        """Return the number of images."""

    def content(self, index: int) -> bytes:
        """Return the content of an image: the bytes of its file, or its pixels."""

    def image(self, index: int, content: bytes | None = None) -> Image.Image:
        """Return an image in RGB, decoded from `content` if that is given."""

    def label(self, index: int) -> int:
        """Return the label of an image."""

    def name(self, index: int) -> str:
        """Return the name of an image within the data set."""

    def place(self, index: int) -> str:
        """Return the location of an image, for messages."""


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """Images in separate files, decoded on access.

    Args:
        storage: The folder or archive of the files.
        names: Names of the files in the storage.
        labels: The label of each file.
        classes: Names of the labels, if known.
        order_stated: Whether labels are stated in the data set, not derived from folder names.
    """

    storage: Storage
    names: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...] | None = None
    order_stated: bool = True

    def __len__(self) -> int:
        return len(self.names)

    def content(self, index: int) -> bytes:
        """Return the bytes of the file of an image.

        Raises:
            OSError: The file cannot be read.
        """
        return self.storage.read(self.names[index])

    def size(self, index: int) -> int:
        """Return the size of the file of an image in bytes, without reading it.

        Raises:
            OSError: The file is missing.
        """
        return self.storage.size(self.names[index])

    def image(self, index: int, content: bytes | None = None) -> Image.Image:
        """Return an image in RGB.

        Args:
            index: Index of the image.
            content: The bytes of its file; read by default.

        Raises:
            DamagedImageError: The file is damaged or not an image.
            OSError: The file cannot be read.
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
        """Return the path of the file of an image, for messages."""
        return self.storage.place(self.names[index])


def read_images(path: Path, *, train: bool = False) -> LabelledImages:
    """Return the images for an evaluation: CIFAR's test images, or those of a folder or archive.

    Args:
        path: The folder or archive.
        train: Return CIFAR's training images instead; other data sets have no such split.

    Raises:
        DatasetError: The data set has none of these forms, or files are damaged.
        OSError: A file cannot be read.
    """
    if path.is_file():
        return read_tar(path)
    read = cifar_reader(path)
    return read(path, train=train) if read else read_folder(path)


def read_folder(folder: Path) -> ImageFiles:
    """Return the images of a folder.

    The folder has a `labels.csv` with columns `file` (relative to the folder) and `label` (0, 1,
    …), or one folder per class. Classes have the labels 0, 1, … in the order of `classes.txt`, with
    one folder name per line. Without this file, folders with numbers as names are in numeric order,
    complete from 0 on, and others in the order of their code points. Hidden files and folders are
    ignored; see `storage.is_hidden`.

    Raises:
        DatasetError: The folder has neither form, labels.csv or classes.txt is invalid, or the
            order of the classes is ambiguous; the message says what is expected.
        OSError: A file cannot be read.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder")
    return _read(Folder(folder), str(folder))


def read_tar(path: Path) -> ImageFiles:
    """Return the images of an uncompressed tar archive of such a folder; nothing is unpacked.

    Raises:
        DatasetError: The file is not such an archive, or as for `read_folder`.
        OSError: The archive cannot be read.
    """
    return _read(TarArchive(path), str(path))


def _read(storage: Storage, place: str) -> ImageFiles:
    images = _listed(storage) if LABELS in storage else _in_classes(storage, place)
    if not images.names:
        raise DatasetError(
            f"{place} has no images; expected is {LABELS} with columns `file` and `label`, or one "
            "folder per class"
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
