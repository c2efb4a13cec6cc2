"""Labelled images to train on, and batches of them that depend on seed and step alone.

The order of an epoch is drawn from the seed and its number, and what is done to the images of a
step from the seed and the number of the step. So a training that goes on in the middle of an epoch
sees what it would have seen, without any state of generators.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from model_hub.errors import InvalidArgumentError, shown
from nas_search.recipe import Recipe
from nas_search.training.augmenting import blanked, cropped_at_random, mirrored_and_jittered

__all__ = ["ImageSet", "Images", "Normalised", "order_of_epoch", "seeded", "training_batches"]

_DIMENSIONS: Final = 4
_LARGEST_BYTE: Final = 255.0

Step = tuple[Tensor, torch.Generator | None]
"""The places of the images of a batch, and what random changes are drawn from; None: none are."""

Read = tuple[Tensor, Tensor, torch.Generator | None]
"""Pixels and labels of a batch on the device, and the generator, from which its crops are drawn."""


class ImageSet(Protocol):
    """Labelled images of one size, in memory or read when they are needed."""

    @property
    def labels(self) -> Tensor:
        """(images,), whole numbers from 0."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""

    @property
    def most(self) -> int:
        """The greatest label."""

    @property
    def digest(self) -> str:
        """SHA-256 of what makes the images."""

    def __len__(self) -> int:
        """Return how many images there are."""

    def part(self, places: Tensor) -> Self:
        """Return some of the images, by their places."""

    def on(self, device: torch.device) -> Self:
        """Return the images with batches on a device."""

    def batches(self, steps: Iterable[Step], recipe: Recipe | None) -> Iterator[Read]:
        """Yield the batches of steps, in order, cropped as a recipe says where it draws."""

    def normalised(self, pixels: Tensor, dtype: torch.dtype) -> Tensor:
        """Return inputs of a network for pixels of these images."""


class Normalised:
    """What makes inputs of pixels: bytes become 0 to 1, then `(value - mean) / std`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool

    def normalised(self, pixels: Tensor, dtype: torch.dtype) -> Tensor:
        """Return inputs of a network for pixels of these images."""
        values = (pixels.flip(1) if self.bgr else pixels).to(dtype)
        if pixels.dtype == torch.uint8:
            values = values / _LARGEST_BYTE
        if not any(self.mean) and set(self.std) == {1.0}:
            return values

        def a_channel_each(numbers: tuple[float, ...]) -> Tensor:
            return torch.tensor(numbers, dtype=dtype, device=values.device).view(-1, 1, 1)

        return (values - a_channel_each(self.mean)) / a_channel_each(self.std)


@dataclass(frozen=True, eq=False)
class Images(Normalised):
    """Images with labels, all of one size, in memory.

    Args:
        pixels: (images, channels, height, width); bytes, which become 0 to 1, or floats.
        labels: (images,), whole numbers from 0.
        mean: Subtracted from a batch, a number for each channel or one for all.
        std: Divided by.
        bgr: Whether networks see blue, green and red; pixels are red, green and blue all the same.

    Raises:
        InvalidArgumentError: Shapes or types do not fit, or there are no images.
    """

    pixels: Tensor
    labels: Tensor
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    bgr: bool = False

    def __post_init__(self) -> None:
        pixels, labels = self.pixels, self.labels
        if pixels.dim() != _DIMENSIONS or not len(pixels):
            raise InvalidArgumentError(
                "pixels", f"{shown(tuple(pixels.shape))} is not (images, channels, height, width)"
            )
        if pixels.dtype != torch.uint8 and not pixels.is_floating_point():
            raise InvalidArgumentError("pixels", f"they are bytes or floats, not {pixels.dtype}")
        if labels.shape != pixels.shape[:1] or labels.dtype != torch.int64:
            raise InvalidArgumentError("labels", f"wanted are {len(pixels)} of type int64")
        if int(labels.min()) < 0:
            raise InvalidArgumentError("labels", f"{int(labels.min())} is below 0")
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in {1, pixels.shape[1]}:
                raise InvalidArgumentError(name, f"it has one number, or {pixels.shape[1]}")

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return tuple(self.pixels.shape[1:])

    @cached_property
    def most(self) -> int:
        """The greatest label."""
        return int(self.labels.max())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that a network sees."""
        digest = hashlib.sha256()
        about = (tuple(self.pixels.shape), str(self.pixels.dtype), self.mean, self.std, self.bgr)
        digest.update(repr(about).encode())
        for tensor in (self.pixels, self.labels):
            digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
        return digest.hexdigest()

    def part(self, places: Tensor) -> Images:
        """Return some of the images, by their places."""
        return replace(self, pixels=self.pixels[places], labels=self.labels[places])

    def on(self, device: torch.device) -> Images:
        """Return the images on a device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def batches(self, steps: Iterable[Step], recipe: Recipe | None) -> Iterator[Read]:
        """Yield the batches of steps, in order, cropped as a recipe says where it draws."""
        for places, generator in steps:
            pixels = self.pixels[places]
            if generator is not None and recipe is not None:
                pixels = cropped_at_random(pixels, recipe, generator)
            yield pixels, self.labels[places], generator


def seeded(seed: int, *purpose: object) -> torch.Generator:
    """Return a generator for one purpose, such as an epoch, of a seed."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


def order_of_epoch(images: ImageSet, batch_size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Yield the places of the images of each full batch of an epoch."""
    order = torch.randperm(len(images), generator=seeded(seed, "epoch", epoch))
    order = order.to(images.labels.device)
    full = len(images) // batch_size * batch_size
    yield from torch.split(order[:full], batch_size)


def training_batches(
    images: ImageSet,
    steps: Iterable[tuple[int, Tensor]],
    recipe: Recipe,
    seed: int,
    dtype: torch.dtype,
    *,
    process: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and labels of steps, changed at random as a recipe says.

    Args:
        images: What is trained on.
        steps: The number of each step, counted through all epochs, and the places of its images.
        recipe: Says what is done.
        seed: With the number of a step, it settles what is drawn.
        dtype: Of the inputs.
        process: Which of the processes that train together; each draws for its own images.

    Raises:
        DamagedImageError: An image cannot be read; the message says which.
        InvalidArgumentError: These pixels cannot be changed as the recipe says.
    """
    own = ("process", process) if process else ()
    drawn = (
        (places, seeded(seed, "step", number, *own) if recipe.draws else None)
        for number, places in steps
    )
    for pixels, labels, generator in images.batches(drawn, recipe):
        if generator is None:
            yield images.normalised(pixels, dtype), labels
            continue
        changed = mirrored_and_jittered(pixels, recipe, generator)
        inputs = images.normalised(changed, dtype)
        yield blanked(inputs, recipe.cutout, generator) if recipe.cutout else inputs, labels
