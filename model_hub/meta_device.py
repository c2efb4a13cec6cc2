"""Networks of shapes without numbers, made in milliseconds and next to no memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["META", "meta_device"]

META: Final = torch.device("meta")

_FILLS: Final = frozenset(
    {
        *(Tensor.fill_, Tensor.normal_, Tensor.uniform_, Tensor.zero_),
        *(nn.init.constant_, nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_),
    }
)


@contextmanager
def meta_device() -> Iterator[None]:
    """Put every tensor that is made inside on the meta device and leave it as it is."""
    with META, _Unfilled():
        yield


class _Unfilled(TorchFunctionMode):
    """Skips what fills tensors with numbers.

    On the meta device it would change nothing, but take time; random numbers load PyTorch's
    compiler, which takes a second.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in _FILLS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))
