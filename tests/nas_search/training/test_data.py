"""Images in memory: splits, digests, order, and what is done at random."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model_hub.errors import InvalidArgumentError
from model_hub.evaluation import read_folder
from model_hub.protocols import EvaluationProtocol
from nas_search.training import Images, images_of, split
from nas_search.training.data import order_of_epoch


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


def test_bytes_are_normalised_as_the_protocol_says(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(2):
            array = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(array).save(tmp_path / label / f"{number}.png")
    dataset = read_folder(tmp_path)
    plain = images_of(dataset)
    assert plain.labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(plain.normalised(plain.pixels, torch.float32), plain.pixels / 255)
    protocol = EvaluationProtocol(
        dataset="made up", input_size=4, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1), channels="BGR"
    )
    cut = images_of(dataset, protocol)
    expected = plain.pixels[:, [2, 1, 0], 2:6, 2:6] / 255
    expected = (expected - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor(
        [0.2, 0.2, 0.1]
    ).view(3, 1, 1)
    torch.testing.assert_close(cut.normalised(cut.pixels, torch.float32), expected)


def test_images_of_several_sizes_need_a_protocol(tmp_path: Path) -> None:
    for label, side in (("cat", 4), ("dog", 8)):
        (tmp_path / label).mkdir()
        Image.new("RGB", (side, side)).save(tmp_path / label / "0.png")
    with pytest.raises(InvalidArgumentError, match="protocol"):
        images_of(read_folder(tmp_path))
