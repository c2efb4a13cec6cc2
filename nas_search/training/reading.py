"""Training images from data sets of image files, held in memory or read batch by batch."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model_hub.errors import InvalidArgumentError
from model_hub.evaluation import ImageFiles, LabelledImages
from model_hub.evaluation.transform import cropped
from model_hub.protocols import EvaluationProtocol
from nas_search.recipe import Recipe
from nas_search.training.augmenting import cropped_at_random, resized_crop, window_draws
from nas_search.training.data import Images, ImageSet, Normalised, Read, Step

__all__ = ["LARGEST_IN_MEMORY", "StreamedImages", "images_of"]

LARGEST_IN_MEMORY: Final = 1 << 30
"""The most bytes of pixels that `images_of` holds in memory; larger sets are streamed."""

_AHEAD: Final = 2
"""Batches that are read ahead."""

_PARTS_A_THREAD: Final = 4
_MOST_THREADS: Final = 16
_COLOURS: Final = 3

Pixels = npt.NDArray[np.uint8]


def images_of(
    dataset: LabelledImages,
    protocol: EvaluationProtocol | None = None,
    *,
    memory: int = LARGEST_IN_MEMORY,
) -> ImageSet:
    """Return a data set as images for training and evaluation.

    Images in memory have been resized and cropped by the protocol, and random crops are taken from
    the result. For streamed images, `resized_crop` is taken from the original image, as in the
    published recipes.

    Args:
        dataset: Images as `model_hub.evaluation` reads them.
        protocol: How images are resized, cropped and normalised; None: they all have one size.
        memory: The most bytes of pixels to hold in memory. Larger sets are streamed; 0 streams all.

    Raises:
        InvalidArgumentError: There are no images, or their sizes differ.
        DamagedImageError: An image cannot be read.
    """
    streamed = StreamedImages(dataset, protocol)
    height, width = streamed.shape[1:]
    if len(dataset) * _COLOURS * height * width > memory:
        return streamed
    every = torch.arange(len(dataset))
    ((pixels, labels, _),) = streamed.batches([(every, None)], None)
    return Images(pixels, labels, mean=streamed.mean, std=streamed.std, bgr=streamed.bgr)


@dataclass(frozen=True, eq=False)
class StreamedImages(Normalised):
    """Labelled images that threads read and decode on demand.

    At most three batches of decoded images and one original image per thread are in memory.

    Args:
        dataset: Images as `model_hub.evaluation` reads them.
        protocol: How images are resized, cropped and normalised; None: they all have one size.
        threads: Number of threads that read; batches do not depend on it.
        places: Indices of the images in the data set; None: all.
        device: The device of batches.

    Raises:
        InvalidArgumentError: There are no images.
        DamagedImageError: Without a protocol, the first image cannot be read.
    """

    dataset: LabelledImages
    protocol: EvaluationProtocol | None = None
    threads: int = field(default=min(_MOST_THREADS, os.cpu_count() or 1), kw_only=True)
    places: Tensor | None = field(default=None, kw_only=True)
    device: torch.device = field(default=torch.device("cpu"), kw_only=True)

    def __post_init__(self) -> None:
        if not len(self):
            raise InvalidArgumentError("dataset", "it has no images")
        if self.threads < 1:
            raise InvalidArgumentError("threads", f"{self.threads} is less than 1")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.dataset) if self.places is None else len(self.places)

    @property
    def mean(self) -> tuple[float, ...]:  # type: ignore[override]  # an attribute of images in memory
        """Subtracted from inputs, one number for each channel or one for all."""
        used = self.protocol
        return (0.0,) if used is None else tuple(one / used.largest_value for one in used.mean)

    @property
    def std(self) -> tuple[float, ...]:  # type: ignore[override]
        """Divisor of inputs, one number for each channel or one for all."""
        used = self.protocol
        return (1.0,) if used is None else tuple(one / used.largest_value for one in used.std)

    @property
    def bgr(self) -> bool:  # type: ignore[override]
        """Whether networks expect channels in the order blue, green, red."""
        return self.protocol is not None and self.protocol.channels == "BGR"

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width; without a protocol, of the first image."""
        if self.protocol is not None:
            return self.protocol.input_shape
        first = self.dataset.image(self._indexes[0])
        return (_COLOURS, first.height, first.width)

    @cached_property
    def labels(self) -> Tensor:
        """The labels (images,), integers from 0, on the device."""
        offset = 0 if self.protocol is None else self.protocol.label_offset
        labels = [self.dataset.label(place) + offset for place in self._indexes]
        return torch.tensor(labels).to(self.device)

    @cached_property
    def most(self) -> int:
        """The largest label."""
        return int(self.labels.max())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the protocol and of every image's label, name and content.

        For images in separate files their sizes stand for the content, which takes hours to read.
        """
        digest = hashlib.sha256(repr((self.protocol, self.shape)).encode())
        for place, label in zip(self._indexes, self.labels.tolist(), strict=True):
            if isinstance(self.dataset, ImageFiles):
                content = str(self.dataset.size(place)).encode()
            else:
                content = hashlib.sha256(self.dataset.content(place)).digest()
            digest.update(repr((label, self.dataset.name(place), content)).encode())
        return digest.hexdigest()

    def part(self, places: Tensor) -> StreamedImages:
        """Return a subset of the images, by indices."""
        return replace(self, places=torch.tensor(self._indexes)[places.cpu()])

    def on(self, device: torch.device) -> StreamedImages:
        """Return the images with batches on a device."""
        return replace(self, device=device)

    def batches(self, steps: Iterable[Step], recipe: Recipe | None) -> Iterator[Read]:
        """Yield the batches of steps in order, with the random crops of a recipe.

        Raises:
            DamagedImageError: An image is damaged; the message names it.
            InvalidArgumentError: Image sizes differ, and there is no protocol.
        """
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="images")
        waiting: deque[tuple[Step, list[Future[list[Pixels]]]]] = deque()
        try:
            for step in steps:
                waiting.append((step, self._submitted(pool, step, recipe)))
                if len(waiting) > _AHEAD:
                    yield self._collected(*waiting.popleft(), recipe)
            while waiting:
                yield self._collected(*waiting.popleft(), recipe)
        finally:
            pool.shutdown(cancel_futures=True)

    @cached_property
    def _indexes(self) -> list[int]:
        """The indices of the images in the data set."""
        return list(range(len(self.dataset))) if self.places is None else self.places.tolist()

    def _submitted(
        self, pool: ThreadPoolExecutor, step: Step, recipe: Recipe | None
    ) -> list[Future[list[Pixels]]]:
        places, generator = step
        indexes = [self._indexes[place] for place in places.tolist()]
        read: list[Callable[[], Pixels]]
        if generator is None or recipe is None or not recipe.resized_crop:
            read = [partial(self._whole, index) for index in indexes]
        else:
            draws = window_draws(len(indexes), generator)
            least = recipe.resized_crop
            read = [
                partial(self._window, index, least, one)
                for index, one in zip(indexes, draws, strict=True)
            ]
        # Images are submitted in groups: submitting a small one takes longer than reading it.
        size = max(1, len(indexes) // (self.threads * _PARTS_A_THREAD))
        parts = (read[at : at + size] for at in range(0, len(read), size))
        return [pool.submit(_all_of, part) for part in parts]

    def _collected(
        self, step: Step, futures: list[Future[list[Pixels]]], recipe: Recipe | None
    ) -> Read:
        places, generator = step
        pixels = np.stack([one for future in futures for one in future.result()])
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().to(self.device)
        if generator is not None and recipe is not None and not recipe.resized_crop:
            batch = cropped_at_random(batch, recipe, generator)
        return batch, self.labels[places], generator

    def _whole(self, index: int) -> Pixels:
        image = self.dataset.image(index)
        if self.protocol is not None:
            return cropped(image, self.protocol)
        if (image.height, image.width) != self.shape[1:]:
            raise InvalidArgumentError(
                "dataset",
                f"all images must have one size, and {self.dataset.place(index)} has "
                f"{image.height} x {image.width} pixels instead of {self.shape[1]} x "
                f"{self.shape[2]}: give a protocol",
            )
        return np.array(image, dtype=np.uint8)

    def _window(self, index: int, least: float, draws: list[list[float]]) -> Pixels:
        height, width = self.shape[1:]
        return resized_crop(self.dataset.image(index), (height, width), least, draws)


def _all_of(reads: list[Callable[[], Pixels]]) -> list[Pixels]:
    return [read() for read in reads]
