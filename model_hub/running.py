"""How a network runs: device, precision, memory format and compilation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from missing_extra import needs

with needs("hub", "running a network"):
    import torch
    from torch import Tensor, nn

    from model_hub.arguments import one_of
    from model_hub.errors import InvalidArgumentError, shown

__all__ = ["PRECISIONS", "Running"]

_MIXED: Final = "mixed-"
_DTYPES: Final = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "mixed-bfloat16": torch.bfloat16,
    "mixed-float16": torch.float16,
}
PRECISIONS: Final = tuple(_DTYPES)
"""Precisions of weights and inputs; with `mixed-`, weights stay float32 and autocast is used."""
_IMAGE_DIMENSIONS: Final = 4


@dataclass(frozen=True, kw_only=True)
class Running:
    """Settings with which a network runs.

    Args:
        device: Device that runs the network.
        precision: One of `PRECISIONS`.
        compiled: Use `torch.compile`, which needs a C++ compiler and time for the first pass.
        channels_last: Whether images have the channels-last memory format; default: on a GPU only.

    Raises:
        InvalidArgumentError: The precision is unknown, or the device is unavailable.
    """

    device: torch.device | str = "cpu"
    precision: str = "float32"
    compiled: bool = False
    channels_last: bool | None = None

    def __post_init__(self) -> None:
        one_of("precision", self.precision, PRECISIONS)
        _a_device(self.device)

    def prepared(self, network: nn.Module) -> Callable[[Tensor], Any]:
        """Return a function that runs a copy of a network in evaluation mode on any inputs."""
        copied = copy.deepcopy(network).to(device=self.device, dtype=self._dtype).eval()
        if self._by_pixel:
            copied = copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # it does
        run: Callable[[Tensor], Any] = torch.compile(copied) if self.compiled else copied

        def answer(inputs: Tensor) -> Any:
            placed = self.placed(inputs)
            with self._casting():
                return run(placed)

        return answer

    def placed(self, inputs: Tensor) -> Tensor:
        """Return inputs in the device, precision and format of the network; ids stay integers."""
        dtype = self._dtype if inputs.is_floating_point() else None
        placed = inputs.to(device=self.device, dtype=dtype, non_blocking=True)
        if self._by_pixel and placed.dim() == _IMAGE_DIMENSIONS:
            return placed.contiguous(memory_format=torch.channels_last)
        return placed

    @property
    def _is_mixed(self) -> bool:
        return self.precision.startswith(_MIXED)

    @property
    def _dtype(self) -> torch.dtype:
        return torch.float32 if self._is_mixed else _DTYPES[self.precision]

    @property
    def _by_pixel(self) -> bool:
        if self.channels_last is None:
            return torch.device(self.device).type == "cuda"
        return self.channels_last

    def _casting(self) -> AbstractContextManager[Any]:
        if not self._is_mixed:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=_DTYPES[self.precision])


def _a_device(device: torch.device | str) -> None:
    """Refuse unknown devices and missing GPUs."""
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError):
        reason = f"{shown(device)} is not a device such as cpu, cuda or cuda:1"
        raise InvalidArgumentError("device", reason) from None
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        reason = f"{shown(str(place))}: PyTorch finds {torch.cuda.device_count()} GPUs here"
        raise InvalidArgumentError("device", reason)
