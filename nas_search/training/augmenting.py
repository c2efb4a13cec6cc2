"""What is done at random to the images of a step: crops, mirroring, colours, cutout.

Every draw comes from the generator that is given, and in an order that does not depend on where or
by how many threads images are read. So the generator of a step settles what networks see.
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
"""Weights of red, green and blue in grey, as ITU-R BT.601 and Pillow have them."""
_COLOURS: Final = 3
_HUE: Final = 3
"""The place of its change, behind brightness, contrast and saturation."""
_SECTORS: Final = 6
"""Of the colour wheel, from red by way of yellow."""
_WHITE: Final = 255.0

Window = tuple[int, int, int, int]
"""Top, left, height, width."""


def augmented(pixels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Return a batch cropped, mirrored and recoloured at random, each image differently.

    Args:
        pixels: (batch, channels, height, width); bytes, but for crops and mirroring alone.
        recipe: Says what is done.
        generator: Of the step.

    Raises:
        InvalidArgumentError: These pixels cannot be resized or recoloured.
    """
    return mirrored_and_jittered(cropped_at_random(pixels, recipe, generator), recipe, generator)


def cropped_at_random(pixels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Return a batch with the crops of a recipe, of the size that it had.

    Raises:
        InvalidArgumentError: Pixels that are to be resized are no bytes of one or three channels.
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
    """Return what the windows of so many images are made of: for each ten tries of four numbers."""
    numbers: list[list[list[float]]] = torch.rand(
        (count, _TRIES, 4), dtype=torch.float64, generator=generator
    ).tolist()
    return numbers


def window_of(height: int, width: int, least: float, draws: Sequence[Sequence[float]]) -> Window:
    """Return the window of a random resized crop (Szegedy et al. 2015, arXiv:1409.4842).

    Its share of the image is between `least` and 1, its width 3/4 to 4/3 of its height, both as
    torchvision draws them. Where none of the tries fits, it is the largest one in the centre.

    Args:
        height: Of the image.
        width: Of the image.
        least: Least share of the area.
        draws: A try each: numbers in [0, 1) for area, shape, top and left.
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
    """Return the window of an image in another size: (height, width) or (height, width, 3) bytes.

    Args:
        image: In RGB or grey.
        size: Height and width of the result.
        least: Least share of the area.
        draws: See `window_of`.
    """
    top, left, height, width = window_of(image.height, image.width, least, draws)
    # Cut before resizing, so that what lies outside of the window is never blended in.
    window = image.crop((left, top, left + width, top + height))
    return np.asarray(window.resize((size[1], size[0]), Image.Resampling.BILINEAR), dtype=np.uint8)


def mirrored_and_jittered(pixels: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Return a batch mirrored at random and recoloured: brightness, contrast, saturation, hue.

    Raises:
        InvalidArgumentError: Pixels that are to be recoloured are no bytes of red, green and blue.
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
    """Move colours away from black (0), the mean of the grey image (1) or their own grey (2).

    Or turn them on the colour wheel (3).
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
    """Turn colours by a share of the wheel, with their value and saturation in HSV kept."""
    red, green, blue = values.unbind(1)
    most, least = values.amax(1), values.amin(1)
    spread = most - least
    # Grey has no hue: whatever it is turned by, it stays.
    by = torch.where(spread > 0, spread, 1.0)
    hue = torch.where(
        most == red,
        (green - blue) / by,
        torch.where(most == green, 2 + (blue - red) / by, 4 + (red - green) / by),
    )
    hue = hue + _SECTORS * shares
    # How far each colour is below the greatest, as the hue says (the formula without branches).
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
