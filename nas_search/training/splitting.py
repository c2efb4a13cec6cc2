"""Stratified splits of labelled images."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import torch
from torch import Tensor

from model_hub.arguments import a_number
from model_hub.errors import InvalidArgumentError, shown
from nas_search.training.data import ImageSet, seeded

__all__ = ["Split", "split", "split_places"]

_NO_MORE: Final = 1 + 1e-9
"""Upper limit of the sum of fractions, which allows for rounding."""

_Set = TypeVar("_Set", bound=ImageSet)


@dataclass(frozen=True)
class Split:
    """The assignment of images to parts.

    Attributes:
        parts: The image indices of each part, ascending.
    """

    parts: tuple[Tensor, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the parts: for each its length, then its indices, in eight bytes each."""
        digest = hashlib.sha256()
        for places in self.parts:
            numbers = (len(places), *places.tolist())
            digest.update(b"".join(number.to_bytes(8, "little") for number in numbers))
        return digest.hexdigest()


def split(images: _Set, fractions: Sequence[float], seed: int) -> tuple[_Set, ...]:
    """Split images into disjoint parts, each with its fraction of every label.

    Args:
        images: The images.
        fractions: The fraction of each part; their sum is at most 1.
        seed: Seed of the split.

    Raises:
        InvalidArgumentError: Fractions are invalid, or leave a part without images.
    """
    return tuple(map(images.part, split_places(images.labels, fractions, seed).parts))


def split_places(labels: Tensor, fractions: Sequence[float], seed: int) -> Split:
    """Return the assignment of images to parts by `split`, given only their labels.

    Args:
        labels: (images,), integers.
        fractions: The fraction of each part; their sum is at most 1.
        seed: Seed of the split.

    Raises:
        InvalidArgumentError: Fractions are invalid, or leave a part without images.
    """
    for fraction in fractions:
        a_number("fractions", fraction, least=0, most=1)
    if not fractions or sum(fractions) > _NO_MORE:
        raise InvalidArgumentError("fractions", f"{shown(list(fractions))} add up to more than 1")
    parts: list[list[Tensor]] = [[] for _ in fractions]
    generator = seeded(seed, "split")
    for label in torch.unique(labels).tolist():
        places = (labels == label).nonzero().flatten().cpu()
        places = places[torch.randperm(len(places), generator=generator)]
        sums = itertools.accumulate(fractions, initial=0.0)
        ends = [min(round(len(places) * one), len(places)) for one in sums]
        for part, (start, end) in zip(parts, itertools.pairwise(ends), strict=True):
            part.append(places[start:end])
    found = tuple(torch.cat(part).sort().values for part in parts)
    for fraction, places in zip(fractions, found, strict=True):
        if not len(places):
            raise InvalidArgumentError(
                "fractions", f"{fraction:g} of {len(labels)} images leaves none"
            )
    return Split(found)
