"""Converts images to network inputs exactly as torchvision does.

The reference is torchvision on PIL images: `Resize(size)`, `CenterCrop(size)`, `ToTensor()` and
`Normalize(mean, std)`. Sizes, rounding and the order of the floating-point operations are the same,
so inputs are bit-identical.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from model_hub.errors import DamagedImageError
from model_hub.protocols import EvaluationProtocol

__all__ = ["cropped", "decoded", "normalised", "read_image", "resized", "transformed"]

_RESAMPLING: Final = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_LARGEST_BYTE: Final = 255.0


def read_image(path: Path) -> Image.Image:
    """Return the image of a file in RGB; see `decoded`.

    Raises:
        DamagedImageError: The file is not an image, is truncated or has far too many pixels.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return decoded(file, str(path))


def decoded(file: BinaryIO, place: str) -> Image.Image:
    """Decode the image of a file and convert it to RGB with Pillow.

    As in the reference, grey, palette, CMYK and 16-bit images are converted, transparency is
    dropped, and the EXIF orientation is ignored.

    Args:
        file: The file, open for reading.
        place: Its location, for messages.

    Raises:
        DamagedImageError: The file is not an image, is truncated or has far too many pixels.
    """
    try:
        with Image.open(file) as image:
            image.load()
            return _in_rgb(image)
    except UnidentifiedImageError:
        raise DamagedImageError(f"{place} is not an image that Pillow can read") from None
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        MemoryError,  # a damaged header may request any size
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        reason = str(error) or type(error).__name__
        raise DamagedImageError(f"{place} is damaged: {reason}") from error


def transformed(image: Image.Image, protocol: EvaluationProtocol) -> Tensor:
    """Return the network input (3, input_size, input_size), float32, of an RGB image."""
    return normalised(torch.from_numpy(cropped(image, protocol))[None], protocol)[0]


def cropped(image: Image.Image, protocol: EvaluationProtocol) -> npt.NDArray[np.uint8]:
    """Return the resized and cropped pixels (input_size, input_size, 3) of an RGB image."""
    if protocol.resize is not None:
        image = resized(image, protocol.resize, protocol.interpolation)
    return _centre(np.array(image, dtype=np.uint8), protocol.input_size)


def normalised(pixels: Tensor, protocol: EvaluationProtocol) -> Tensor:
    """Return network inputs (batch, 3, size, size), float32, on the device of the pixels.

    They are bit-identical on a GPU. There, a division by a number instead of a tensor would be a
    multiplication.

    Args:
        pixels: (batch, size, size, 3), bytes.
        protocol: Their preprocessing.
    """

    def on_device(*numbers: float) -> Tensor:
        return torch.tensor(numbers).view(-1, 1, 1).to(pixels.device, non_blocking=True)

    values = pixels.permute(0, 3, 1, 2).contiguous().float()
    if protocol.largest_value != _LARGEST_BYTE:
        values = values.div(on_device(_LARGEST_BYTE)).mul(protocol.largest_value)
    if protocol.channels == "BGR":
        values = values.flip(1)
    return values.sub(on_device(*protocol.mean)).div(on_device(*protocol.std))


def resized(image: Image.Image, short_side: int, interpolation: str) -> Image.Image:
    """Return the image with a shorter side of this length; the longer side is rounded down."""
    width, height = image.size
    if width <= height:
        size = (short_side, int(short_side * height / width))
    else:
        size = (int(short_side * width / height), short_side)
    return image if size == image.size else image.resize(size, _RESAMPLING[interpolation])


def _centre(pixels: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Return the centre crop of (height, width, 3); pixels beyond the image are black."""
    missing = [max(size - length, 0) for length in pixels.shape[:2]]
    if any(missing):
        edges = [(gap // 2, (gap + 1) // 2) for gap in missing]
        pixels = np.pad(pixels, (*edges, (0, 0)))
    # Python rounds halves to even, as the reference does.
    top, left = (round((length - size) / 2.0) for length in pixels.shape[:2])
    return pixels[top : top + size, left : left + size]


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        # Pillow recommends this detour for palettes with transparency; the colours are equal.
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")
