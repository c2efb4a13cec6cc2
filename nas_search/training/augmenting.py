"""Random augmentation of the images of a step: crops, mirroring, colour changes, cutout.

All draws come from the given generator, in an order that does not depend on the device or on the
threads that read images. The generator of a step therefore determines the inputs of the network.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from PIL import Image
from torch import Tensor

from model_hub.errors import InvalidArgumentError
from nas_search.recipe import Recipe

__all__ = [
    "augmented",
    "blanked",
    "cropped_at_random",
    "mirrored_and_jittered",
    "resized_crop",
    "window_draws",
    "window_of",
]

_TRIES: Final = 10
_NARROWEST, _WIDEST = 3 / 4, 4 / 3
_LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey, as in ITU-R BT.601 and Pillow."""
_COLOURS: Final = 3
_HUE: Final = 3
"""Index of the change of hue, after brightness, contrast and saturation."""
_SECTORS: Final = 6
"""Sectors of the colour wheel, from red through yellow."""
_WHITE: Final = 255.0

Window = tuple[int, int, int, int]
"""Top, left, height, width."""


def augmented(pixels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Return a batch with random crops, mirroring and colour changes, drawn for each image.

    Args:
        pixels: (batch, channels, height, width); bytes, or any type if there are only crops of
            padded images and mirroring.
        recipe: The recipe, whose augmentation fields apply.
        generator: The generator of the step.

    Raises:
        InvalidArgumentError: The pixels cannot be resized or recoloured.
    """
    return mirrored_and_jittered(cropped_at_random(pixels, recipe, generator), recipe, generator)


def cropped_at_random(pixels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Return a batch with the random crops of a recipe, in the same image size.

    Raises:
        InvalidArgumentError: `resized_crop` needs bytes of one or three channels.
    """
    count, channels, height, width = pixels.shape
    if recipe.resized_crop:
        if pixels.dtype != torch.uint8 or channels not in {1, _COLOURS}:
            raise InvalidArgumentError(
                "resized_crop", "it needs pixels that are bytes, in one channel or three"
            )
        draws = window_draws(count, generator)
        arrays = pixels.permute(0, 2, 3, 1).cpu().numpy()
        images = (Image.fromarray(one[:, :, 0] if channels == 1 else one) for one in arrays)
        found = [
            resized_crop(image, (height, width), recipe.resized_crop, drawn)
            for image, drawn in zip(images, draws, strict=True)
        ]
        batch = torch.from_numpy(np.stack(found)).reshape(count, height, width, channels)
        return batch.permute(0, 3, 1, 2).contiguous().to(pixels.device)
    if recipe.crop:
        device = pixels.device

        def shifts(length: int) -> Tensor:
            drawn = torch.randint(2 * recipe.crop + 1, (count,), generator=generator).to(device)
            return drawn[:, None] + torch.arange(length, device=device)

        padded = F.pad(pixels, (recipe.crop,) * 4)
        rows, columns = shifts(height), shifts(width)
        places = torch.arange(count, device=device)[:, None, None]
        pixels = padded.permute(0, 2, 3, 1)[places, rows[:, :, None], columns[:, None, :]]
        return pixels.permute(0, 3, 1, 2).contiguous()
    return pixels


def window_draws(count: int, generator: torch.Generator) -> list[list[list[float]]]:
    """Draw the random numbers of `window_of` for several images: ten attempts of four each."""
    numbers: list[list[list[float]]] = torch.rand(
        (count, _TRIES, 4), dtype=torch.float64, generator=generator
    ).tolist()
    return numbers


def window_of(height: int, width: int, least: float, draws: Sequence[Sequence[float]]) -> Window:
    """Return the window of a random resized crop (Szegedy et al. 2015, arXiv:1409.4842).

    Its share of the area is between `least` and 1, its width 3/4 to 4/3 of its height, both drawn
    as by torchvision. If no attempt fits, it is the largest central window of such a shape.

    Args:
        height: Height of the image.
        width: Width of the image.
        least: Smallest share of the area.
        draws: For each attempt, numbers in [0, 1) for area, shape, top and left.
    """
    narrow, wide = math.log(_NARROWEST), math.log(_WIDEST)
    for area, shape, top, left in draws:
        size = height * width * (least + (1 - least) * area)
        ratio = math.exp(narrow + (wide - narrow) * shape)
        inner_width, inner_height = round(math.sqrt(size * ratio)), round(math.sqrt(size / ratio))
        if 0 < inner_width <= width and 0 < inner_height <= height:
            return (
                int(top * (height - inner_height + 1)),
                int(left * (width - inner_width + 1)),
                inner_height,
                inner_width,
            )
    inner_height = min(height, max(round(width / _NARROWEST), 1))
    inner_width = min(width, max(round(height * _WIDEST), 1))
    return (height - inner_height) // 2, (width - inner_width) // 2, inner_height, inner_width


def resized_crop(
    image: Image.Image, size: tuple[int, int], least: float, draws: Sequence[Sequence[float]]
) -> npt.NDArray[np.uint8]:
    """Return a random window of an image, resized: (height, width) or (height, width, 3) bytes.

    Args:
        image: The image, in RGB or grey.
        size: Height and width of the result.
        least: Smallest share of the area.
        draws: See `window_of`.
    """
    top, left, height, width = window_of(image.height, image.width, least, draws)
    # Cropped before resizing, so that pixels outside the window are not blended in.
    window = image.crop((left, top, left + width, top + height))
    return np.asarray(window.resize((size[1], size[0]), Image.Resampling.BILINEAR), dtype=np.uint8)


def mirrored_and_jittered(pixels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Return a batch with random mirroring and changes of brightness, contrast, saturation and hue.

    Raises:
        InvalidArgumentError: Colours are to be changed and pixels are no bytes of three channels.
    """
    count, channels = pixels.shape[:2]
    if recipe.flip:
        drawn = torch.randint(2, (count,), generator=generator).bool().to(pixels.device)
        pixels = torch.where(drawn[:, None, None, None], pixels.flip(3), pixels)
    spreads = [recipe.brightness, recipe.contrast, recipe.saturation]
    if recipe.hue:
        spreads.append(recipe.hue)
    if not any(spreads):
        return pixels
    if pixels.dtype != torch.uint8 or channels != _COLOURS:
        raise InvalidArgumentError(
            "brightness, contrast, saturation, hue",
            "they need pixels that are bytes, in three channels",
        )
    shape = count, len(spreads)
    drawn = torch.tensor(spreads) * (2 * torch.rand(shape, generator=generator) - 1)
    factors = 1 + drawn
    factors[:, _HUE:] = drawn[:, _HUE:]
    orders = torch.rand(shape, generator=generator).argsort(1)
    values = pixels.float()
    for order in itertools.permutations(range(len(spreads))):
        chosen = (orders == torch.tensor(order)).all(1).nonzero().flatten().to(pixels.device)
        if len(chosen):
            some, factor = values[chosen], factors.to(pixels.device)[chosen]
            for change in order:
                some = _changed(some, change, factor[:, change, None, None, None])
            values[chosen] = some
    return values.round().to(torch.uint8)


def _changed(values: Tensor, change: int, factors: Tensor) -> Tensor:
    """Scale colours from black (0), the mean grey of the image (1) or their own grey (2).

    Change 3 rotates the hue.
    """
    if change == 0:
        return (values * factors).clamp(0, _WHITE)
    if change == _HUE:
        return _turned(values, factors[:, 0])
    luma = torch.tensor(_LUMA, device=values.device).view(1, -1, 1, 1)
    grey = (values * luma).sum(1, keepdim=True)
    if change == 1:
        grey = grey.mean((2, 3), keepdim=True)
    return (factors * values + (1 - factors) * grey).clamp(0, _WHITE)


def _turned(values: Tensor, shares: Tensor) -> Tensor:
    """Rotate the hue by a share of the colour wheel, keeping value and saturation in HSV."""
    red, green, blue = values.unbind(1)
    most, least = values.amax(1), values.amin(1)
    spread = most - least
    # Grey has no hue and stays the same.
    by = torch.where(spread > 0, spread, 1.0)
    hue = torch.where(
        most == red,
        (green - blue) / by,
        torch.where(most == green, 2 + (blue - red) / by, 4 + (red - green) / by),
    )
    hue = hue + _SECTORS * shares
    # The branch-free formula from HSV to RGB: distance of each colour below the largest.
    below = (torch.tensor([5.0, 3.0, 1.0], device=values.device)[:, None, None] + hue[:, None]) % (
        _SECTORS
    )
    return most[:, None] - spread[:, None] * torch.minimum(below, 4 - below).clamp(0, 1)


def blanked(inputs: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Return a batch with a square of zeros in each image (DeVries & Taylor, arXiv:1708.04552)."""
    count, _, height, width = inputs.shape
    device = inputs.device

    def within(length: int) -> Tensor:
        centre = torch.randint(length, (count, 1), generator=generator).to(device)
        places = torch.arange(length, device=device)
        return (places >= centre - side // 2) & (places < centre + (side + 1) // 2)

    square = within(height)[:, None, :, None] & within(width)[:, None, None, :]
    return inputs.masked_fill(square, 0.0)
