"""Labelled images in memory: their digest, splits, and batches that depend on seed and step alone.

The order of an epoch is drawn from the seed and its number, and what is done to the images of a
step from the seed and the number of the step. So a training that goes on in the middle of an epoch
sees what it would have seen, without any state of generators.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import torch
from torch import Tensor

from model_hub.arguments import a_number
from model_hub.errors import InvalidArgumentError, shown
from model_hub.evaluation import LabelledImages
from model_hub.evaluation.transform import cropped
from model_hub.protocols import EvaluationProtocol

__all__ = ["Images", "images_of", "order_of_epoch", "seeded", "split"]

_DIMENSIONS: Final = 4
_LARGEST_BYTE: Final = 255.0
_NO_MORE: Final = 1 + 1e-9
"""What fractions may add up to, with rounding."""


@dataclass(frozen=True, eq=False)
class Images:
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

    def normalised(self, pixels: Tensor, dtype: torch.dtype) -> Tensor:
        """Return inputs of a network for pixels of these images."""
        values = (pixels.flip(1) if self.bgr else pixels).to(dtype)
        if pixels.dtype == torch.uint8:
            values = values / _LARGEST_BYTE
        if self.mean == (0.0,) and self.std == (1.0,):
            return values

        def a_channel_each(numbers: tuple[float, ...]) -> Tensor:
            return torch.tensor(numbers, dtype=dtype, device=values.device).view(-1, 1, 1)

        return (values - a_channel_each(self.mean)) / a_channel_each(self.std)


def images_of(dataset: LabelledImages, protocol: EvaluationProtocol | None = None) -> Images:
    """Read a data set into memory.

    Args:
        dataset: Images as `model_hub.evaluation` reads them.
        protocol: How they are resized, cropped and normalised; None: they are of one size already.

    Raises:
        InvalidArgumentError: There are none, or they are of several sizes.
        DamagedImageError: One cannot be read.
    """
    arrays = []
    for place in range(len(dataset)):
        image = dataset.image(place)
        array = np.array(image, dtype=np.uint8) if protocol is None else cropped(image, protocol)
        arrays.append(array)
    sizes = sorted({array.shape for array in arrays})
    if len(sizes) != 1:
        raise InvalidArgumentError(
            "dataset", f"images of one size are wanted, not {len(sizes)} sizes: give a protocol"
        )
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    labels = torch.tensor([dataset.label(place) for place in range(len(dataset))])
    if protocol is None:
        return Images(pixels, labels)
    largest = protocol.largest_value
    return Images(
        pixels,
        labels + protocol.label_offset,
        mean=tuple(value / largest for value in protocol.mean),
        std=tuple(value / largest for value in protocol.std),
        bgr=protocol.channels == "BGR",
    )


def split(images: Images, fractions: Sequence[float], seed: int) -> tuple[Images, ...]:
    """Divide images into parts that share none, each with its share of every label.

    Which image goes where depends on its place, its label and the seed alone. Within a part images
    keep their order.

    Args:
        images: What is divided.
        fractions: Of each part; together at most 1.
        seed: Of the draw.

    Raises:
        InvalidArgumentError: Fractions are none, or leave a part without images.
    """
    for fraction in fractions:
        a_number("fractions", fraction, least=0, most=1)
    if not fractions or sum(fractions) > _NO_MORE:
        raise InvalidArgumentError("fractions", f"{shown(list(fractions))} add up to more than 1")
    parts: list[list[Tensor]] = [[] for _ in fractions]
    generator = seeded(seed, "split")
    for label in torch.unique(images.labels).tolist():
        places = (images.labels == label).nonzero().flatten().cpu()
        places = places[torch.randperm(len(places), generator=generator)]
        sums = itertools.accumulate(fractions, initial=0.0)
        ends = [min(round(len(places) * one), len(places)) for one in sums]
        for part, (start, end) in zip(parts, itertools.pairwise(ends), strict=True):
            part.append(places[start:end])
    found = [torch.cat(part).sort().values for part in parts]
    for fraction, places in zip(fractions, found, strict=True):
        if not len(places):
            raise InvalidArgumentError(
                "fractions", f"{fraction:g} of {len(images)} images leaves none"
            )
    return tuple(map(images.part, found))


def seeded(seed: int, *purpose: object) -> torch.Generator:
    """Return a generator for one purpose, such as an epoch, of a seed."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


def order_of_epoch(images: Images, batch_size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Yield the places of the images of each full batch of an epoch."""
    order = torch.randperm(len(images), generator=seeded(seed, "epoch", epoch))
    order = order.to(images.labels.device)
    full = len(images) // batch_size * batch_size
    yield from torch.split(order[:full], batch_size)
