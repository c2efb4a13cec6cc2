"""Evaluation protocols: the preprocessing of images for a network, as data.

A checkpoint and its preprocessing belong together: with another mean, interpolation or channel
order, the same weights lose up to half of their accuracy. `model_hub.evaluation` applies a
protocol; this module needs neither PyTorch nor Pillow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any, Final

from model_hub.arguments import a_count, a_number, one_of
from model_hub.data_sets import CHANNELS
from model_hub.errors import InvalidArgumentError, named, nearest, shown

__all__ = ["EvaluationProtocol", "protocol", "protocol_names"]

_INTERPOLATIONS: Final = ("bilinear", "bicubic")
_CHANNELS: Final = ("RGB", "BGR")
_LARGEST_IMAGE: Final = 1 << 14
_LARGEST_VALUE: Final = 65_535
_MOST_LABELS: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationProtocol:
    """How images become inputs of a network, and labels its outputs.

    The steps are: resize, centre crop, scaling to 0 to `largest_value`, channel order, and
    `(value - mean) / std`.

    Args:
        dataset: Data set of the published accuracy.
        input_size: Height and width of the centre crop, the input of the network.
        resize: Length of the shorter side after resizing; the longer one is rounded down. None
            disables resizing.
        interpolation: "bilinear" or "bicubic", both with antialiasing.
        mean: Mean of each channel, in the order of `channels`.
        std: Standard deviation of each channel, in the order of `channels`.
        channels: "RGB" or "BGR".
        largest_value: Value of white: 1 or 255.
        label_offset: Output of label 0; it is 1 if the first output stands for "background".

    Raises:
        InvalidArgumentError: A value is invalid; the error names the argument.
    """

    dataset: str
    input_size: int
    resize: int | None = None
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    channels: str = "RGB"
    largest_value: float = 1.0
    label_offset: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, str):
            raise InvalidArgumentError("dataset", f"{shown(self.dataset)} is not text")
        a_count("input_size", self.input_size, most=_LARGEST_IMAGE)
        if self.resize is not None:
            a_count("resize", self.resize, most=_LARGEST_IMAGE)
        one_of("interpolation", self.interpolation, _INTERPOLATIONS)
        one_of("channels", self.channels, _CHANNELS)
        object.__setattr__(self, "mean", _of_channels("mean", self.mean, least=-_LARGEST_VALUE))
        object.__setattr__(self, "std", _of_channels("std", self.std, least=1e-6))
        a_number("largest_value", self.largest_value, least=1e-6, most=_LARGEST_VALUE)
        a_count("label_offset", self.label_offset, least=-_MOST_LABELS, most=_MOST_LABELS)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape (channels, height, width) of the input of the network."""
        return (CHANNELS, self.input_size, self.input_size)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EvaluationProtocol:
        """Return the protocol of a JSON object.

        Raises:
            InvalidArgumentError: A field is unknown, missing or invalid.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                hint = nearest(name, names)
                raise InvalidArgumentError(name, f"a protocol has no such field{hint}")
        for name in ("dataset", "input_size"):
            if name not in values:
                raise InvalidArgumentError(name, "a protocol needs this field")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)

    def __str__(self) -> str:
        size = f"{self.input_size} px"
        if self.resize is not None:
            size = f"short side {self.resize} ({self.interpolation}), centre {size}"
        values = f"{self.channels} 0 to {self.largest_value:g}"
        if any(self.mean) or set(self.std) != {1.0}:
            values += f", mean {_listed(self.mean)}, std {_listed(self.std)}"
        offset = f", labels + {self.label_offset}" if self.label_offset else ""
        return f"{self.dataset}: {size}; {values}{offset}"


def protocol_names() -> tuple[str, ...]:
    """Return the names of the protocols that come with the hub."""
    return tuple(_protocols())


def protocol(name: str) -> EvaluationProtocol:
    """Return a protocol by its name, such as `imagenet-224`.

    Raises:
        UnknownNameError: The name is unknown; the message suggests the nearest.
    """
    return named("protocol", name, _protocols())


@cache
def _protocols() -> Mapping[str, EvaluationProtocol]:
    stated = json.loads(files("model_hub").joinpath("protocols.json").read_text("utf-8"))
    return {name: EvaluationProtocol.from_dict(values) for name, values in stated.items()}


def _of_channels(argument: str, values: Any, *, least: float) -> tuple[float, ...]:
    if isinstance(values, str) or not hasattr(values, "__len__") or len(values) != len("RGB"):
        raise InvalidArgumentError(argument, f"{shown(values)} is not a list of three numbers")
    return tuple(a_number(argument, value, least=least, most=_LARGEST_VALUE) for value in values)


def _listed(values: tuple[float, ...]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else " ".join(f"{v:.4g}" for v in values)
