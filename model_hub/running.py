"""How a network runs: device, precision, memory layout, compiled or not."""

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
"""Of weights and inputs; with `mixed-`, weights stay float32 and PyTorch chooses by operation."""
_IMAGE_DIMENSIONS: Final = 4


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a network runs.

    Args:
        device: Where.
        precision: One of `PRECISIONS`.
        compiled: By `torch.compile`, which takes a while at the first pass and a C++ compiler.
        channels_last: Whether images lie in memory pixel by pixel; None: on a GPU.

    Raises:
        InvalidArgumentError: There is no such precision, or no such device here.
    """

    device: torch.device | str = "cpu"
    precision: str = "float32"
    compiled: bool = False
    channels_last: bool | None = None

    def __post_init__(self) -> None:
        one_of("precision", self.precision, PRECISIONS)
        _a_device(self.device)

    def prepared(self, network: nn.Module) -> Callable[[Tensor], Any]:
        """Return what runs a copy of a network, in evaluation mode, on inputs from anywhere."""
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
        """Return inputs as the network takes them; ids, which are whole numbers, stay so."""
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
    """Refuse what PyTorch has no name for, and GPUs that are not there."""
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError):
        reason = f"{shown(device)} is no device such as cpu, cuda or cuda:1"
        raise InvalidArgumentError("device", reason) from None
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        reason = f"{shown(str(place))}: PyTorch finds {torch.cuda.device_count()} GPUs here"
        raise InvalidArgumentError("device", reason)
