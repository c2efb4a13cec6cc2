"""Images in memory: digests, and the order of an epoch."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from model_hub.errors import InvalidArgumentError
from nas_search.training import Images
from nas_search.training.data import order_of_epoch


def numbered(labels: list[int]) -> Images:
    """Images whose pixels are their places."""
    pixels = torch.arange(len(labels), dtype=torch.float32)[:, None, None, None].expand(-1, 3, 4, 4)
    return Images(pixels, torch.tensor(labels))


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"pixels": torch.zeros(2, 3, 4)}, "pixels"),
        ({"pixels": torch.zeros(0, 3, 4, 4), "labels": torch.zeros(0).long()}, "pixels"),
        ({"pixels": torch.zeros(2, 3, 4, 4, dtype=torch.int32)}, "pixels"),
        ({"labels": torch.tensor([0])}, "labels"),
        ({"labels": torch.tensor([0.0, 1.0])}, "labels"),
        ({"labels": torch.tensor([0, -1])}, "labels"),
        ({"mean": (0.5, 0.5)}, "mean"),
    ],
)
def test_images_refuse_what_does_not_fit(changes: dict[str, Any], argument: str) -> None:
    given = {"pixels": torch.zeros(2, 3, 4, 4), "labels": torch.tensor([0, 1]), **changes}
    with pytest.raises(InvalidArgumentError) as caught:
        Images(**given)
    assert caught.value.argument == argument


def test_a_digest_tells_pixels_labels_and_normalisation_apart(images: Images) -> None:
    others = [
        images.part(torch.arange(239)),
        Images(images.pixels, images.labels.flip(0), images.mean, images.std),
        Images(images.pixels, images.labels, (0.4,), images.std),
    ]
    assert len({images.digest, *(one.digest for one in others)}) == 4
    assert images.part(torch.arange(240)).digest == images.digest


def test_each_epoch_has_an_order_of_its_own_without_repeats() -> None:
    images = numbered([0] * 25)
    first = [batch.tolist() for batch in order_of_epoch(images, 10, 0, 0)]
    assert list(map(len, first)) == [10, 10]
    assert len(set(itertools.chain(*first))) == 20
    assert first == [batch.tolist() for batch in order_of_epoch(images, 10, 0, 0)]
    assert first != [batch.tolist() for batch in order_of_epoch(images, 10, 0, 1)]
    assert first != [batch.tolist() for batch in order_of_epoch(images, 10, 1, 0)]
