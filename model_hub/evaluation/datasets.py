"""Labelled images: what a data set is, and those whose images are files or parts of one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol

from PIL import Image

from model_hub.evaluation.storage import Storage
from model_hub.evaluation.transform import decoded

__all__ = ["ImageFiles", "LabelledImages"]


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

    def name(self, index: int) -> str:
        """Return what an image is called within the data set."""

    def digest(self, index: int) -> bytes:
        """Return the SHA-256 of an image as it is kept."""

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
    """

    storage: Storage
    names: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def image(self, index: int) -> Image.Image:
        """Return an image in RGB.

        Raises:
            DamagedImageError: The file is no image, or damaged.
            OSError: It cannot be read.
        """
        return decoded(BytesIO(self._content(index)), self.place(index))

    def label(self, index: int) -> int:
        """Return the label of an image."""
        return self.labels[index]

    def name(self, index: int) -> str:
        """Return the name of an image within the data set."""
        return self.names[index]

    def digest(self, index: int) -> bytes:
        """Return the SHA-256 of the file of an image.

        Raises:
            OSError: It cannot be read.
        """
        return hashlib.sha256(self._content(index)).digest()

    def place(self, index: int) -> str:
        """Return where the file of an image lies."""
        return self.storage.place(self.names[index])

    def _content(self, index: int) -> bytes:
        return self.storage.read(self.names[index])
