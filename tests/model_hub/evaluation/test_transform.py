"""Images become inputs as the reference makes them; what is no image is named."""

from __future__ import annotations

import hashlib
import io
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model_hub.evaluation import DatasetError, read_image, transformed
from model_hub.evaluation.transform import normalised, resized
from model_hub.protocols import EvaluationProtocol, protocol


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Return an image of random pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def pattern(width: int, height: int) -> Image.Image:
    """Return an image of smooth and of sudden changes, the same everywhere."""
    y, x, channel = np.ogrid[:height, :width, :3]
    return Image.fromarray(((x * x // 7 + y * 13 + x * y // 5 + channel * 29) % 256).astype("u1"))


def stated(**changed: object) -> EvaluationProtocol:
    values = {"dataset": "made up", "input_size": 4}
    return EvaluationProtocol.from_dict(values | changed)


@pytest.mark.parametrize(
    ("name", "size", "digest"),
    # Of what torchvision 0.28 makes of the pattern with Pillow 13: Resize, CenterCrop, ToTensor and
    # Normalize on PIL images.
    [
        ("imagenet-224", (500, 333), "b3aa497dff6d73ac"),
        ("imagenet-224-bicubic", (333, 501), "4c82d38bba457a7f"),
        ("imagenet-160", (181, 640), "13dce5e8f9480bde"),
        ("imagenet-64", (70, 50), "cf480617de53924f"),
        ("imagenet-176-half", (299, 299), "2fa633e96c3e6a4a"),
        ("cifar10", (32, 32), "e63904f354086c54"),
    ],
)
def test_inputs_are_those_of_the_reference_bit_by_bit(
    name: str, size: tuple[int, int], digest: str
) -> None:
    values = transformed(pattern(*size), protocol(name))
    assert hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()[:16] == digest


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("name", ["imagenet-224", "imagenet-176-half", "cifar10"])
def test_a_gpu_normalises_to_the_same_bits(name: str) -> None:
    # All bytes in all channels.
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).repeat(2, 1, 1, 3)
    on_gpu = normalised(pixels.cuda(), protocol(name))
    assert torch.equal(on_gpu.cpu(), normalised(pixels, protocol(name)))


def test_a_batch_is_normalised_image_by_image() -> None:
    used = stated(input_size=224, channels="BGR", largest_value=0.5)
    images = [noise(224, 224), pattern(224, 224)]
    batch = normalised(torch.from_numpy(np.stack([np.asarray(image) for image in images])), used)
    assert torch.equal(batch, torch.stack([transformed(image, used) for image in images]))
    assert batch.is_contiguous()


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        # The longer side is cut, not rounded: 256 * 500 / 333 = 384.38, 201 * 299 / 333 = 180.5.
        ((500, 333), 256, (384, 256)),
        ((333, 500), 256, (256, 384)),
        ((299, 299), 201, (201, 201)),
        ((640, 361), 256, (453, 256)),
        ((3, 4), 2, (2, 2)),
    ],
)
def test_the_shorter_side_is_exact_and_the_longer_cut(
    size: tuple[int, int], short_side: int, expected: tuple[int, int]
) -> None:
    assert resized(noise(*size), short_side, "bilinear").size == expected


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_interpolation_is_pillows_with_antialiasing(name: str) -> None:
    image = noise(60, 40)
    ours = resized(image, 20, name)
    theirs = image.resize((30, 20), Image.Resampling[name.upper()])
    assert ours.tobytes() == theirs.tobytes()
    assert ours.tobytes() != image.resize((30, 20), Image.Resampling.NEAREST).tobytes()


def test_an_image_of_the_right_size_is_left_alone() -> None:
    image = noise(20, 20)
    assert resized(image, 20, "bicubic") is image


@pytest.mark.parametrize(
    ("length", "size", "first"),
    # Halves are rounded to the even side: (201 - 176) / 2 = 12.5, (203 - 176) / 2 = 13.5.
    [(201, 176, 12), (203, 176, 14), (256, 224, 16), (73, 64, 4), (109, 96, 6), (182, 160, 11)],
)
def test_the_crop_begins_where_the_reference_begins(length: int, size: int, first: int) -> None:
    ramp = np.arange(length, dtype=np.uint8)
    pixels = np.broadcast_to(ramp[None, :, None], (length, length, 3))
    values = transformed(
        Image.fromarray(np.ascontiguousarray(pixels)), stated(input_size=size, largest_value=255.0)
    )
    assert values[0, 0].tolist() == list(range(first, first + size))
    assert values.shape == (3, size, size)


def test_what_lies_beyond_a_small_image_is_black() -> None:
    image = Image.new("RGB", (2, 3), (255, 255, 255))
    values = transformed(image, stated(input_size=5))
    # Three columns are missing: one on the left, two on the right; of two rows one on each side.
    assert values[0].tolist() == [[0] * 5, *[[0, 1, 1, 0, 0]] * 3, [0] * 5]


def test_values_are_normalised_in_single_precision_in_the_order_of_the_reference() -> None:
    image = noise(8, 8)
    used = stated(input_size=8, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    pixels = np.asarray(image).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    mean = np.array(used.mean, np.float32)[:, None, None]
    std = np.array(used.std, np.float32)[:, None, None]
    assert np.array_equal(transformed(image, used).numpy(), (pixels - mean) / std)


def test_channels_may_be_reversed_and_values_stay_bytes() -> None:
    image = Image.new("RGB", (4, 4), (10, 20, 30))
    values = transformed(image, stated(channels="BGR", largest_value=255.0))
    assert values[:, 0, 0].tolist() == [30, 20, 10]


def test_the_mean_is_in_the_order_of_the_channels() -> None:
    image = Image.new("RGB", (4, 4), (10, 20, 30))
    values = transformed(
        image, stated(channels="BGR", largest_value=255.0, mean=[30.0, 20.0, 10.0])
    )
    assert not values.any()


def test_the_input_of_a_searched_model_has_its_size() -> None:
    values = transformed(noise(500, 333), protocol("imagenet-176-half"))
    assert values.shape == (3, 176, 176)
    assert values.dtype == torch.float32
    assert -1 <= values.min() < values.max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_other_modes_are_converted_as_pillow_converts_them(mode: str, tmp_path: Path) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.arange(0, 60_000, 600, dtype=np.uint16).reshape(10, 10))
    else:
        image = noise(10, 10).convert(mode)
    path = tmp_path / "image.tiff"
    image.save(path)
    read = read_image(path)
    with Image.open(path) as opened:
        assert opened.mode == mode
        assert read.tobytes() == opened.convert("RGB").tobytes()


def test_a_palette_with_transparency_keeps_its_colours_quietly(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    image = noise(10, 10).convert("P")
    image.save(path, transparency=bytes(range(256)))
    with Image.open(path) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = opened.convert("RGB").tobytes()
    assert read_image(path).tobytes() == expected


def test_the_orientation_a_camera_noted_is_not_applied(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    image = noise(10, 6)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, exif=exif)
    assert read_image(path).size == (10, 6)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_text("no image")
    with pytest.raises(DatasetError, match=r"image\.png is not an image that Pillow can read"):
        read_image(path)


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "gif", "tiff", "webp", "ppm"])
def test_a_truncated_image_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"image.{kind}"
    noise(64, 64).save(path, kind)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=rf"image\.{kind} is "):
        read_image(path)


def test_an_absurdly_large_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.pbm"
    path.write_bytes(b"P4\n60000 60000\n")
    with pytest.raises(DatasetError, match="exceeds limit"):
        read_image(path)


def test_a_missing_file_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png")


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    noise(16, 16).save(buffer, kind)
    return buffer.getvalue()


@given(
    content=st.sampled_from([encoded(k) for k in ("png", "jpeg", "gif", "tiff", "webp", "bmp")]),
    places=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8),
)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_image_is_an_image_or_an_error_of_ours(
    content: bytes, places: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(content)
    for place, value in places:
        damaged[place % len(damaged)] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged)
    with suppress(DatasetError):
        assert read_image(path).mode == "RGB"
