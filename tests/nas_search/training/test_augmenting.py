"""What is done at random to images, against the same done with numpy and Pillow."""

from __future__ import annotations

import colorsys
import math
from itertools import permutations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageEnhance

from model_hub.errors import InvalidArgumentError
from nas_search.training import Recipe
from nas_search.training.augmenting import (
    augmented,
    blanked,
    resized_crop,
    window_draws,
    window_of,
)
from nas_search.training.data import seeded

SPOS: Final = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}
EVERYTHING: Final = Recipe(resized_crop=0.08, flip=True, **SPOS)


def bytes_of(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=generator).to(torch.uint8)


def test_crops_and_flips_are_windows_of_the_padded_image() -> None:
    pixels = torch.arange(1, 3 * 16 + 1, dtype=torch.uint8).reshape(1, 3, 4, 4).repeat(50, 1, 1, 1)
    found = augmented(pixels, Recipe(crop=2, flip=True), seeded(0))
    padded = torch.nn.functional.pad(pixels[:1], (2,) * 4)
    windows = [
        padded[0, :, top : top + 4, left : left + 4] for top in range(5) for left in range(5)
    ]
    windows += [window.flip(2) for window in windows]
    seen = [[torch.equal(one, window) for window in windows].index(True) for one in found]
    assert len(set(seen)) > 20
    assert any(place >= 25 for place in seen)
    assert found.dtype == torch.uint8


def test_a_cutout_blanks_one_square_an_image() -> None:
    found = blanked(torch.ones(40, 3, 8, 8), 4, seeded(0))
    blank = (found == 0).sum((2, 3))
    assert torch.equal(blank[:, 0], blank[:, 2])
    assert int(blank.max()) == 16
    assert int(blank.min()) >= 4
    assert len({tuple(one.flatten().tolist()) for one in found}) > 10


@pytest.mark.parametrize("seed", range(5))
def test_one_generator_gives_the_same_images_and_another_one_others(seed: int) -> None:
    pixels = bytes_of(16, 3, 12, 12)
    first = augmented(pixels, EVERYTHING, seeded(seed))
    assert torch.equal(first, augmented(pixels, EVERYTHING, seeded(seed)))
    assert not torch.equal(first, augmented(pixels, EVERYTHING, seeded(seed + 100)))
    assert first.shape == pixels.shape
    assert first.dtype == torch.uint8


@pytest.mark.parametrize(("height", "width"), [(8, 8), (40, 25), (1, 1), (3, 60), (60, 3), (1, 9)])
def test_windows_lie_within_the_image_and_have_a_share_and_a_shape_that_are_allowed(
    height: int, width: int
) -> None:
    for draws in window_draws(200, seeded(1)):
        top, left, inner_height, inner_width = window_of(height, width, 0.25, draws)
        assert 0 <= top <= top + inner_height <= height
        assert 0 <= left <= left + inner_width <= width
        assert inner_height > 0
        assert inner_width > 0
        if min(height, width) >= 8:
            # Sides are rounded, by half a pixel at most.
            share = (inner_height + 0.5) * (inner_width + 0.5) / (height * width)
            assert share >= 0.25
            assert (inner_width + 0.5) / (inner_height - 0.5) >= 3 / 4
            assert (inner_width - 0.5) / (inner_height + 0.5) <= 4 / 3


def test_the_window_of_a_draw_is_the_one_that_the_formula_gives() -> None:
    # Half of the area between 0.08 and 1 of 100 x 200, square, in the middle of what is left.
    side = round(math.sqrt(100 * 200 * 0.54))
    assert side == 104
    # That does not fit into a height of 100, so the next try counts: 0.08 of the area.
    draws = [(0.5, 0.5, 0.5, 0.5), (0.0, 0.5, 0.5, 0.999)]
    assert window_of(100, 200, 0.08, draws) == (int(0.5 * 61), int(0.999 * 161), 40, 40)
    # No try fits: the largest window in the centre whose shape is allowed.
    assert window_of(100, 200, 1.0, [(0.0, 0.5, 0.0, 0.0)]) == (0, 33, 100, 133)
    assert window_of(200, 100, 1.0, [(0.0, 0.5, 0.0, 0.0)]) == (33, 0, 133, 100)
    assert window_of(99, 100, 1.0, []) == (0, 0, 99, 100)


def test_all_places_and_shares_are_drawn() -> None:
    windows = [window_of(32, 32, 0.08, draws) for draws in window_draws(3000, seeded(2))]
    shares = np.array([height * width / 1024 for _, _, height, width in windows])
    # Uniform between 0.08 and 1, less what is cut off because it does not fit.
    assert 0.07 < shares.min() < 0.1
    assert shares.max() > 0.95
    assert abs(float(np.mean(shares)) - 0.5) < 0.06
    assert {top for top, *_ in windows} >= set(range(20))


def bilinear(image: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """Resize a square (n, n, channels) by a triangle as wide as a pixel of the result, or ours."""
    scale = len(image) / size
    support = max(scale, 1.0)
    centres = (np.arange(size) + 0.5) * scale
    distances = np.abs(np.arange(len(image))[None] + 0.5 - centres[:, None]) / support
    weights = np.maximum(1 - distances, 0)
    weights /= weights.sum(1, keepdims=True)
    return np.einsum("ay,bx,yxc->abc", weights, weights, image.astype(np.float64))


@pytest.mark.parametrize("seed", range(4))
def test_a_resized_crop_is_the_window_resized_as_numpy_does_it(seed: int) -> None:
    pixels = bytes_of(20, 20, 3, seed=seed).numpy()
    # A square window: the shape is 1 where the second number is a half.
    draws = [[(0.1 + 0.2 * seed), 0.5, 0.3, 0.8]]
    top, left, height, width = window_of(20, 20, 0.08, draws)
    assert height == width
    found = resized_crop(Image.fromarray(pixels), (9, 9), 0.08, draws)
    expected = bilinear(pixels[top : top + height, left : left + width], 9)
    # Pillow rounds to bytes after each of the two directions.
    assert np.abs(found - expected).max() <= 1.0


def test_images_in_memory_are_cropped_as_images_of_files_are() -> None:
    pixels = bytes_of(6, 3, 10, 10)
    found = augmented(pixels, Recipe(resized_crop=0.3), seeded(5))
    for place, draws in enumerate(window_draws(6, seeded(5))):
        image = Image.fromarray(pixels[place].permute(1, 2, 0).numpy())
        expected = resized_crop(image, (10, 10), 0.3, draws)
        assert np.array_equal(found[place].permute(1, 2, 0).numpy(), expected)
    grey = augmented(pixels[:, :1], Recipe(resized_crop=0.3), seeded(5))
    assert torch.equal(grey[:, 0], found[:, 0])


def recoloured(
    image: npt.NDArray[Any], factors: npt.NDArray[Any], order: tuple[int, ...]
) -> npt.NDArray[Any]:
    """The same on (3, height, width), written down for one image."""
    values = image.astype(np.float64)
    for change in order:
        red, green, blue = values
        grey = 0.299 * red + 0.587 * green + 0.114 * blue
        base = (np.zeros_like(grey), np.full_like(grey, grey.mean()), grey)[change]
        values = np.clip(factors[change] * values + (1 - factors[change]) * base, 0, 255)
    return values


@pytest.mark.parametrize("seed", range(5))
def test_colours_change_as_numpy_changes_them(seed: int) -> None:
    pixels = bytes_of(30, 3, 6, 5, seed=seed)
    found = augmented(pixels, Recipe(**SPOS), seeded(seed)).numpy()
    again = seeded(seed)
    factors = (1 + 0.4 * (2 * torch.rand((30, 3), generator=again) - 1)).numpy()
    orders = torch.rand((30, 3), generator=again).argsort(1).tolist()
    assert len(set(map(tuple, orders))) > 3
    assert factors.min() >= 0.6
    assert factors.max() <= 1.4
    for image, result, factor, order in zip(pixels.numpy(), found, factors, orders, strict=True):
        expected = recoloured(image, factor.astype(np.float64), tuple(order))
        assert np.abs(result - expected).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_colours_change_as_pillow_changes_them_but_for_rounding(order: tuple[int, ...]) -> None:
    pixels = bytes_of(3, 8, 8, seed=7).numpy()
    factors = np.array([0.8, 1.3, 0.7])
    image = Image.fromarray(pixels.transpose(1, 2, 0))
    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for change in order:
        image = kinds[change](image).enhance(float(factors[change]))
    ours = recoloured(pixels, factors, order)
    assert np.abs(np.asarray(image).transpose(2, 0, 1) - ours).max() <= 3


def test_hues_turn_as_the_standard_library_turns_them() -> None:
    pixels = bytes_of(40, 3, 3, 2, seed=3)
    pixels[0], pixels[1] = 90, torch.tensor([200, 200, 10], dtype=torch.uint8)[:, None, None]
    found = augmented(pixels, Recipe(hue=0.5), seeded(1))
    shares = 0.5 * (2 * torch.rand((40, 4), generator=seeded(1))[:, 3] - 1)
    assert shares.min() < -0.4
    assert shares.max() > 0.4
    for image, result, share in zip(pixels.numpy(), found.numpy(), shares.tolist(), strict=True):
        for before, after in zip(image.reshape(3, 6).T, result.reshape(3, 6).T, strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*(before / 255))
            expected = colorsys.hsv_to_rgb((hue + share) % 1, saturation, value)
            assert np.abs(255 * np.array(expected) - after).max() <= 0.5 + 1e-3
    together = augmented(pixels, Recipe(hue=0.1, **SPOS), seeded(2))
    assert torch.equal(together, augmented(pixels, Recipe(hue=0.1, **SPOS), seeded(2)))
    assert not torch.equal(together, augmented(pixels, Recipe(hue=0.2, **SPOS), seeded(2)))


def test_a_single_colour_change_leaves_out_the_others() -> None:
    pixels = bytes_of(50, 3, 4, 4)
    grey = torch.full((50, 3, 4, 4), 100, dtype=torch.uint8)
    # What has one colour has no contrast, and what is grey no saturation.
    assert torch.equal(augmented(grey, Recipe(contrast=0.5), seeded(0)), grey)
    assert torch.equal(augmented(grey, Recipe(saturation=0.5), seeded(0)), grey)
    darker = augmented(grey, Recipe(brightness=0.5), seeded(0)).unique()
    assert darker.min() < 60
    assert darker.max() > 140
    assert torch.equal(augmented(pixels, Recipe(), seeded(0)), pixels)


@pytest.mark.parametrize(
    ("pixels", "changes", "argument"),
    [
        (torch.rand(2, 3, 4, 4), {"resized_crop": 0.5}, "resized_crop"),
        (bytes_of(2, 2, 4, 4), {"resized_crop": 0.5}, "resized_crop"),
        (torch.rand(2, 3, 4, 4), {"contrast": 0.5}, "contrast"),
        (bytes_of(2, 1, 4, 4), {"saturation": 0.5}, "saturation"),
        (bytes_of(2, 1, 4, 4), {"hue": 0.5}, "hue"),
    ],
)
def test_pixels_that_cannot_be_changed_so_are_refused(
    pixels: torch.Tensor, changes: dict[str, float], argument: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=argument):
        augmented(pixels, Recipe(**changes), seeded(0))


def test_a_cutout_is_the_square_around_a_drawn_centre() -> None:
    found = blanked(torch.ones(40, 2, 7, 9), 3, seeded(4)).numpy()
    again = seeded(4)
    rows = torch.randint(7, (40, 1), generator=again).flatten().tolist()
    columns = torch.randint(9, (40, 1), generator=again).flatten().tolist()
    for image, row, column in zip(found, rows, columns, strict=True):
        expected = np.ones((2, 7, 9))
        expected[:, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = 0
        assert np.array_equal(image, expected)
