"""Labelled images: what a data set is, and those whose images are files or parts of one."""

from __future__ import annotations

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

    @property
    def order_stated(self) -> bool:
        """Whether somebody stated the labels; else the names of their folders did."""

    def __len__(self) -> int:
        """Return how many images there are."""

    def content(self, index: int) -> bytes:
        """Return an image as it is kept: the bytes of its file, or its pixels."""

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
        order_stated: Whether somebody stated the labels; else the names of their folders did.
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
