"""Labelled images for training, in batches that depend only on the seed and the step.

The order of an epoch is drawn from the seed and the number of the epoch; the augmentation of a step
from the seed and the number of the step. A training resumed in the middle of an epoch therefore
gets the same batches, without a stored generator state.
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
"""The indices of the images of a batch, and the generator of its augmentation, or None."""

Read = tuple[Tensor, Tensor, torch.Generator | None]
"""Pixels and labels of a batch on the device, and the generator after its crops were drawn."""


class ImageSet(Protocol):
    """Labelled images of one size, in memory or read on demand."""

    @property
    def labels(self) -> Tensor:
        """The labels (images,), integers from 0."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""

    @property
    def most(self) -> int:
        """The largest label."""

    @property
    def digest(self) -> str:
        """SHA-256 of the images and labels."""

    def __len__(self) -> int:
        """Return the number of images."""

    def part(self, places: Tensor) -> Self:
        """Return a subset of the images, by indices."""

    def on(self, device: torch.device) -> Self:
        """Return the images with batches on a device."""

    def batches(self, steps: Iterable[Step], recipe: Recipe | None) -> Iterator[Read]:
        """Yield the batches of steps in order, with the random crops of a recipe."""

    def normalised(self, pixels: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the inputs of a network for pixels."""


class Normalised:
    """Conversion of pixels to inputs: bytes become 0 to 1, then `(value - mean) / std`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool

    def normalised(self, pixels: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the inputs of a network for pixels."""
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
    """Labelled images of one size in memory.

    Args:
        pixels: (images, channels, height, width); bytes, which are scaled to 0 to 1, or floats.
        labels: (images,), integers from 0.
        mean: Subtracted from inputs, one number for each channel or one for all.
        std: Divisor of inputs, likewise.
        bgr: Whether networks expect channels in the order blue, green, red; `pixels` are always in
            the order red, green, blue.

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
            raise InvalidArgumentError("pixels", f"must be bytes or floats, not {pixels.dtype}")
        if labels.shape != pixels.shape[:1] or labels.dtype != torch.int64:
            raise InvalidArgumentError("labels", f"must be {len(pixels)} of type int64")
        if int(labels.min()) < 0:
            raise InvalidArgumentError("labels", f"{int(labels.min())} is below 0")
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in {1, pixels.shape[1]}:
                raise InvalidArgumentError(name, f"it has one number, or {pixels.shape[1]}")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return tuple(self.pixels.shape[1:])

    @cached_property
    def most(self) -> int:
        """The largest label."""
        return int(self.labels.max())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of pixels, labels and normalisation."""
        digest = hashlib.sha256()
        about = (tuple(self.pixels.shape), str(self.pixels.dtype), self.mean, self.std, self.bgr)
        digest.update(repr(about).encode())
        for tensor in (self.pixels, self.labels):
            digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
        return digest.hexdigest()

    def part(self, places: Tensor) -> Images:
        """Return a subset of the images, by indices."""
        return replace(self, pixels=self.pixels[places], labels=self.labels[places])

    def on(self, device: torch.device) -> Images:
        """Return the images on a device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def batches(self, steps: Iterable[Step], recipe: Recipe | None) -> Iterator[Read]:
        """Yield the batches of steps in order, with the random crops of a recipe."""
        for places, generator in steps:
            pixels = self.pixels[places]
            if generator is not None and recipe is not None:
                pixels = cropped_at_random(pixels, recipe, generator)
            yield pixels, self.labels[places], generator


def seeded(seed: int, *purpose: object) -> torch.Generator:
    """Return a generator seeded by a seed and a purpose, such as an epoch number."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


def order_of_epoch(images: ImageSet, batch_size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Yield the image indices of each full batch of an epoch, in random order."""
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
    """Yield inputs and labels of steps, with the augmentation of a recipe.

    Args:
        images: The training images.
        steps: For each step its number, counted through all epochs, and the indices of its images.
        recipe: The recipe.
        seed: The seed; with the number of a step it determines all draws.
        dtype: The type of inputs.
        process: The rank among parallel processes, each of which draws for its own images.

    Raises:
        DamagedImageError: An image cannot be read; the message names it.
        InvalidArgumentError: The recipe's augmentation does not support these pixels.
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
