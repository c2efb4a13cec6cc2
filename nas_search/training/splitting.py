"""Divide labelled images into parts, each with its share of every label."""

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
"""What fractions may add up to, with rounding."""

_Set = TypeVar("_Set", bound=ImageSet)


@dataclass(frozen=True)
class Split:
    """Which image is in which part.

    Attributes:
        parts: The places of the images of each part, ascending.
    """

    parts: tuple[Tensor, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the parts: each its length, then its places, eight bytes a number."""
        digest = hashlib.sha256()
        for places in self.parts:
            numbers = (len(places), *places.tolist())
            digest.update(b"".join(number.to_bytes(8, "little") for number in numbers))
        return digest.hexdigest()


def split(images: _Set, fractions: Sequence[float], seed: int) -> tuple[_Set, ...]:
    """Divide images into parts that share none, each with its share of every label.

    Args:
        images: What is divided.
        fractions: Of each part; together at most 1.
        seed: Of the draw.

    Raises:
        InvalidArgumentError: Fractions are none, or leave a part without images.
    """
    return tuple(map(images.part, split_places(images.labels, fractions, seed).parts))


def split_places(labels: Tensor, fractions: Sequence[float], seed: int) -> Split:
    """Return which image `split` puts into which part; it follows from place, label and seed alone.

    Args:
        labels: (images,), whole numbers.
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
