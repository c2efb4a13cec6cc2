"""Small images that a network can learn, and a space whose supernet trains in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

import model_hub
from model_hub.model_space import ModelSpace
from nas_search.training import Images, split


def patterned(count: int = 240, side: int = 8, classes: int = 4) -> Images:
    """Return images, each a pattern of its class with noise."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand((classes, 3, side, side), generator=generator)
    labels = torch.arange(count) % classes
    noise = torch.rand((count, 3, side, side), generator=generator)
    pixels = (255 * (0.6 * patterns[labels] + 0.4 * noise)).to(torch.uint8)
    return Images(pixels, labels, mean=(0.5,), std=(0.25,))


def halves(count: int = 240, side: int = 8) -> tuple[Images, Images]:
    """Return images for weights and images for architectures."""
    train, valid = split(patterned(count, side), (0.5, 0.5), seed=0)
    return train, valid


def cell_space() -> ModelSpace:
    """Return NAS-Bench-201 with four channels and a cell a stack."""
    return model_hub.space(
        "NasBench201", stem_out_channels=4, num_modules_per_stack=1, num_labels=4, image_size=8
    )


def mobile_space() -> ModelSpace:
    """Return a narrow ProxylessNAS, which has depths."""
    return model_hub.space("ProxylessNAS", width_mult=0.1, num_labels=4)


def write_class_folders(folder: Path) -> None:
    """Write 80 images of 8 x 8, those of each of four classes in a folder and of its brightness."""
    generator = np.random.default_rng(0)
    for label in range(4):
        images = folder / str(label)
        images.mkdir(parents=True)
        for number in range(20):
            pixels = generator.integers(60 * label, 60 * label + 60, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(images / f"{number}.png")
