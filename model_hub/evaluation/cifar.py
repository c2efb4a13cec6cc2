"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their published files.

Both the "python" and the "binary" version are supported, as the folder in their archives.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from reprlib import repr as short_repr
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from model_hub.errors import DatasetError
from safe_pickle import ArchiveError, ByteArray, load_pickle

__all__ = ["ImageArray", "cifar_reader", "read_cifar10", "read_cifar100"]

_SIDE: Final = 32
_IMAGE_BYTES: Final = 3 * _SIDE * _SIDE
_PLANES: Final = (-1, 3, _SIDE, _SIDE)
_LONGEST_ARRAY: Final = 1 << 28
"""Limit in bytes; the 50,000 training images of CIFAR-100 are one array of 154 million."""
_KEY_TYPES: Final = frozenset({str, bytes, int})

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class ImageArray:
    """Images in memory.

    Args:
        pixels: (count, height, width, 3), RGB, bytes.
        labels: The label of each image.
        classes: Names of the labels, if known.
        source: Where they come from, for messages.
        order_stated: Whether the data set states its labels, as published data sets do.
    """

    pixels: Pixels
    labels: tuple[int, ...]
    classes: tuple[str, ...] | None = None
    source: str = "images"
    order_stated: bool = True

    def __len__(self) -> int:
        return len(self.labels)

    def content(self, index: int) -> bytes:
        """Return the pixels of an image, row by row."""
        return bytes(self.pixels[index].tobytes())

    def image(self, index: int, content: bytes | None = None) -> Image.Image:
        """Return an image in RGB; `content` is ignored."""
        del content
        return Image.fromarray(self.pixels[index])

    def label(self, index: int) -> int:
        """Return the label of an image."""
        return self.labels[index]

    def name(self, index: int) -> str:
        """Return the name of an image, which contains its index."""
        return f"image {index}"

    def place(self, index: int) -> str:
        """Return where an image comes from."""
        return f"{self.source}, image {index}"


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """File names and label format of one version of a data set."""

    test: tuple[str, ...]
    train: tuple[str, ...]
    names: str
    labels: str
    names_key: str
    label_bytes: int = 1
    num_classes: int = 10

    def files(self, *, train: bool) -> tuple[str, ...]:
        return self.train if train else self.test

    def in_binary(self, names: str, *, label_bytes: int = 1) -> _Layout:
        """Return the layout of the binary version of the same images."""
        test, train = (tuple(f"{name}.bin" for name in part) for part in (self.test, self.train))
        return replace(self, test=test, train=train, names=names, label_bytes=label_bytes)


_PYTHON10: Final = _Layout(
    test=("test_batch",),
    train=tuple(f"data_batch_{n}" for n in range(1, 6)),
    names="batches.meta",
    labels="labels",
    names_key="label_names",
)
_CIFAR10: Final = {"python": _PYTHON10, "binary": _PYTHON10.in_binary("batches.meta.txt")}
_PYTHON100: Final = _Layout(
    test=("test",),
    train=("train",),
    names="meta",
    labels="fine_labels",
    names_key="fine_label_names",
    num_classes=100,
)
_CIFAR100: Final = {
    "python": _PYTHON100,
    # The coarse label comes first, then the fine one.
    "binary": _PYTHON100.in_binary("fine_label_names.txt", label_bytes=2),
}


def read_cifar10(folder: Path, *, train: bool = False) -> ImageArray:
    """Return the 10,000 test or 50,000 training images of CIFAR-10.

    Args:
        folder: `cifar-10-batches-py` or `cifar-10-batches-bin`.
        train: The training images instead of the test images.

    Raises:
        DatasetError: Files are missing or damaged; code in a pickle is never run.
    """
    return _read(folder, _CIFAR10, train=train)


def read_cifar100(folder: Path, *, train: bool = False) -> ImageArray:
    """Return the 10,000 test or 50,000 training images of CIFAR-100 with their fine labels.

    Args:
        folder: `cifar-100-python` or `cifar-100-binary`.
        train: The training images instead of the test images.

    Raises:
        DatasetError: Files are missing or damaged; code in a pickle is never run.
    """
    return _read(folder, _CIFAR100, train=train)


class _Reader(Protocol):
    def __call__(self, folder: Path, *, train: bool = False) -> ImageArray: ...


def cifar_reader(folder: Path) -> _Reader | None:
    """Return the function that reads a CIFAR folder; None for other folders."""
    for layouts, read in ((_CIFAR10, read_cifar10), (_CIFAR100, read_cifar100)):
        if any((folder / layout.test[0]).is_file() for layout in layouts.values()):
            return read
    return None


def _read(folder: Path, layouts: dict[str, _Layout], *, train: bool) -> ImageArray:
    for version, layout in layouts.items():
        files = [folder / name for name in layout.files(train=train)]
        if files[0].is_file():
            parts = _pickled(files, layout) if version == "python" else _binary(files, layout)
            return _joined(folder, list(parts), _class_names(folder / layout.names, layout))
    wanted = " or ".join(layout.files(train=train)[0] for layout in layouts.values())
    raise DatasetError(f"{folder} has no file {wanted}: it is not a folder of this CIFAR data set")


Part = tuple[Pixels, tuple[int, ...]]


def _pickled(files: Iterable[Path], layout: _Layout) -> Iterable[Part]:
    for file in files:
        batch = _fields(file)
        array, labels = batch.get("data"), batch.get(layout.labels)
        if not isinstance(array, ByteArray) or len(array.content) % _IMAGE_BYTES:
            raise DatasetError(f"{file} has no array `data` of rows of {_IMAGE_BYTES} bytes")
        if not isinstance(labels, list):
            raise DatasetError(f"{file} has no list `{layout.labels}`")
        pixels = np.frombuffer(array.content, np.uint8).reshape(_PLANES)
        yield pixels, _checked(labels, len(pixels), layout, file)


def _binary(files: Iterable[Path], layout: _Layout) -> Iterable[Part]:
    for file in files:
        raw = np.frombuffer(_bytes(file), np.uint8)
        row = layout.label_bytes + _IMAGE_BYTES
        if not raw.size or raw.size % row:
            raise DatasetError(f"{file} is damaged: {raw.size} bytes are not a multiple of {row}")
        rows = raw.reshape(-1, row)
        labels = rows[:, layout.label_bytes - 1].tolist()
        pixels = rows[:, layout.label_bytes :].reshape(_PLANES)
        yield pixels, _checked(labels, len(rows), layout, file)


def _checked(labels: list[Any], count: int, layout: _Layout, file: Path) -> tuple[int, ...]:
    if len(labels) != count:
        raise DatasetError(f"{file} has {count} images and {len(labels)} labels")
    for label in labels:
        if type(label) is not int or not 0 <= label < layout.num_classes:
            shown = short_repr(label)  # a container may be huge
            raise DatasetError(f"{file}: {shown} is not a label below {layout.num_classes}")
    return tuple(labels)


def _class_names(file: Path, layout: _Layout) -> tuple[str, ...] | None:
    """Return the names of the classes, or None without their file."""
    if not file.is_file():
        return None
    if file.suffix == ".txt":
        names: Any = _bytes(file).decode("ascii", "replace").split()
    else:
        names = _fields(file).get(layout.names_key)
    if not isinstance(names, list) or len(names) != layout.num_classes:
        raise DatasetError(f"{file} does not name {layout.num_classes} classes")
    if not {str, bytes}.issuperset(map(type, names)):
        raise DatasetError(f"{file} has a class name that is not text")
    return tuple(map(_text, names))


def _fields(file: Path) -> dict[str, Any]:
    """Return the dict of a pickle with text keys, which are bytes in pickles of Python 2."""
    try:
        with file.open("rb") as pickled:
            stated = load_pickle(pickled, arrays=True, longest_value=_LONGEST_ARRAY)
    except FileNotFoundError:
        raise DatasetError(f"{file} is missing") from None
    except ArchiveError as error:
        raise DatasetError(f"{file} is damaged or not a pickle of arrays: {error}") from error
    if not isinstance(stated, dict):
        raise DatasetError(f"{file} holds a {type(stated).__name__}, not a dict")
    if not _KEY_TYPES.issuperset(map(type, stated)):
        raise DatasetError(f"{file} has a key that is neither text nor a number")
    return {_text(key): value for key, value in stated.items()}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _joined(folder: Path, parts: list[Part], classes: tuple[str, ...] | None) -> ImageArray:
    planes = np.concatenate([pixels for pixels, _ in parts])
    return ImageArray(
        pixels=np.ascontiguousarray(planes.transpose(0, 2, 3, 1)),
        labels=tuple(label for _, labels in parts for label in labels),
        classes=classes,
        source=str(folder),
    )


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"{file} is missing") from None
