"""Data sets by what their folder looks like."""

from __future__ import annotations

from pathlib import Path

from model_hub.evaluation.cifar import cifar_reader
from model_hub.evaluation.datasets import LabelledImages, read_folder

__all__ = ["read_images"]


def read_images(folder: Path) -> LabelledImages:
    """Return the images to evaluate on: the test images of CIFAR, or those of a folder.

    Raises:
        DatasetError: It is neither, or files are damaged.
        OSError: A file cannot be read.
    """
    read = cifar_reader(folder)
    return read(folder) if read else read_folder(folder)
