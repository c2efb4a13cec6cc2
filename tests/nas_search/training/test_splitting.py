"""Splits: stratified, disjoint, and settled by places, labels and the seed."""

from __future__ import annotations

import hashlib
import itertools
import struct
from typing import Any

import pytest
import torch

from model_hub.errors import InvalidArgumentError
from nas_search.training import Images, split, split_places


def numbered(labels: list[int]) -> Images:
    """Images whose pixels are their places."""
    pixels = torch.arange(len(labels), dtype=torch.float32)[:, None, None, None].expand(-1, 3, 4, 4)
    return Images(pixels, torch.tensor(labels))


def test_a_split_is_stratified_disjoint_and_of_the_seed_alone() -> None:
    images = numbered([0] * 50 + [1] * 30 + [2] * 21)
    parts = split(images, (0.5, 0.3, 0.2), seed=1)
    places = [part.pixels[:, 0, 0, 0].tolist() for part in parts]
    assert sorted(itertools.chain(*places)) == list(range(101))
    assert all(one == sorted(one) for one in places)
    for part, fraction in zip(parts, (0.5, 0.3, 0.2), strict=True):
        for label, count in enumerate((50, 30, 21)):
            assert abs(int((part.labels == label).sum()) - fraction * count) <= 1
    assert [one.digest for one in split(images, (0.5, 0.3, 0.2), seed=1)] == [
        one.digest for one in parts
    ]
    assert (
        split(images, (0.5, 0.5), seed=2)[0].digest != split(images, (0.5, 0.5), seed=3)[0].digest
    )


@pytest.mark.parametrize("fractions", [(), (0.6, 0.6), (-0.1,), (0.5, 0.0), ("half",), (1e-9,)])
def test_a_split_refuses_fractions_that_mean_nothing(fractions: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="fractions"):
        split(numbered([0, 1] * 10), fractions, seed=0)


@pytest.mark.parametrize("seed", range(10))
def test_every_seed_gives_parts_that_share_nothing_and_have_their_share(seed: int) -> None:
    labels = torch.arange(97) % 7
    found = split_places(labels, (0.6, 0.1, 0.2), seed)
    places = torch.cat(found.parts).tolist()
    assert len(set(places)) == len(places)
    for part, fraction in zip(found.parts, (0.6, 0.1, 0.2), strict=True):
        for label in range(7):
            wanted = fraction * int((labels == label).sum())
            assert abs(int((labels[part] == label).sum()) - wanted) <= 1


def test_the_digest_of_a_split_is_that_of_its_places() -> None:
    labels = torch.tensor([0, 1] * 10)
    found = split_places(labels, (0.5, 0.5), seed=3)
    content = b""
    for part in found.parts:
        content += struct.pack(f"<{len(part) + 1}Q", len(part), *part.tolist())
    assert found.digest == hashlib.sha256(content).hexdigest()
    assert split_places(labels, (0.5, 0.5), seed=3).digest == found.digest
    others = [
        split_places(labels, (0.5, 0.5), seed=4),
        split_places(labels, (0.5, 0.4), seed=3),
        split_places(labels.roll(1), (0.5, 0.5), seed=3),
    ]
    assert len({found.digest, *(other.digest for other in others)}) == 4


def test_a_split_stays_what_it_was_in_every_version() -> None:
    # Whoever compares two searches relies on it.
    found = split_places(torch.arange(30) % 3, (0.5, 0.2), seed=0)
    assert found.digest == "18826571de026026142658f6a5f0db1b65a7669ee3f94a9e7bcc31ca6c420106"
