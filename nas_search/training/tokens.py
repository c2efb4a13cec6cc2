"""Labelled texts for training: rows of token ids, for spaces whose networks classify texts.

They can replace images in trainings, supernets, and searches by inherited weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from model_hub.errors import InvalidArgumentError, shown
from model_hub.model_space import ModelSpace
from nas_search.recipe import Recipe
from nas_search.training.data import ImageSet, Read, Step

__all__ = ["Tokens", "refuse_ids"]

_DIMENSIONS = 2


@dataclass(frozen=True, eq=False)
class Tokens:
    """Labelled texts of one length in memory.

    Args:
        ids: (texts, length), integers from 0; short texts end with the padding id of the space.
        labels: (texts,), integers from 0.

    Raises:
        InvalidArgumentError: Shapes or types do not fit, or there are no texts.
    """

    ids: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        ids, labels = self.ids, self.labels
        if ids.dim() != _DIMENSIONS or not ids.numel():
            raise InvalidArgumentError("ids", f"{shown(tuple(ids.shape))} is not (texts, length)")
        if labels.shape != ids.shape[:1]:
            raise InvalidArgumentError("labels", f"must be {len(ids)}, one for each text")
        for name, tensor in (("ids", ids), ("labels", labels)):
            if tensor.dtype != torch.int64:
                raise InvalidArgumentError(name, f"must have type int64, not {tensor.dtype}")
            if int(tensor.min()) < 0:
                raise InvalidArgumentError(name, f"{int(tensor.min())} is below 0")

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of a text."""
        return tuple(self.ids.shape[1:])

    @cached_property
    def most(self) -> int:
        """The largest label."""
        return int(self.labels.max())

    @cached_property
    def most_id(self) -> int:
        """The largest token id."""
        return int(self.ids.max())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ids and labels."""
        digest = hashlib.sha256(repr(tuple(self.ids.shape)).encode())
        for tensor in (self.ids, self.labels):
            digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
        return digest.hexdigest()

    def part(self, places: Tensor) -> Tokens:
        """Return a subset of the texts, by indices."""
        return replace(self, ids=self.ids[places], labels=self.labels[places])

    def on(self, device: torch.device) -> Tokens:
        """Return the texts on a device."""
        return replace(self, ids=self.ids.to(device), labels=self.labels.to(device))

    def batches(self, steps: Iterable[Step], recipe: Recipe | None) -> Iterator[Read]:
        """Yield the batches of steps in order.

        Raises:
            InvalidArgumentError: The recipe has augmentation, which only images support.
        """
        if recipe is not None and recipe.draws:
            raise InvalidArgumentError(
                "recipe", "texts cannot be cropped, mirrored or recoloured: leave that out"
            )
        for places, generator in steps:
            yield self.ids[places], self.labels[places], generator

    def normalised(self, pixels: Tensor, dtype: torch.dtype) -> Tensor:  # noqa: ARG002 - as images
        """Return the ids unchanged."""
        return pixels


def refuse_ids(space: ModelSpace, *parts: ImageSet) -> None:
    """Raise if texts contain ids beyond the vocabulary of a space.

    Raises:
        InvalidArgumentError: An id is beyond the vocabulary.
    """
    vocabulary = getattr(space, "vocabulary", None)
    for part in parts:
        if vocabulary is not None and isinstance(part, Tokens) and part.most_id >= vocabulary:
            raise InvalidArgumentError(
                "data", f"id {part.most_id} is beyond the vocabulary of {vocabulary}"
            )
