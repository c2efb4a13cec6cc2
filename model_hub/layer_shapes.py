"""What the operations of layers return on the meta device; `shapes` says why that is known here.

A rule returns NotImplemented for what it does not know or does not fit, and leaves that to PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor

__all__ = ["LAYER_RULES", "alike"]

_aten = torch.ops.aten

_FULL_PRECISION: Final = (torch.float32, torch.float64)
"""Types whose statistics have the same type."""

_PLACES: Final = 2
"""Height and width: a pool has them, and a batch and channels, or channels alone."""


def alike(x: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """Return what `torch.empty_like` does, which loads PyTorch's compiler on the meta device."""
    if 0 in x.stride():
        return torch.empty_like(x, dtype=dtype)
    outermost_first = sorted(range(x.dim()), key=x.stride, reverse=True)
    return torch.empty_permuted(x.shape, outermost_first, dtype=dtype or x.dtype, device=x.device)


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,  # noqa: FBT001
    _: Sequence[int],
    groups: int,
) -> Any:
    channels, inputs, *kernel = weight.shape
    fits = x.dim() == weight.dim() > 2 and x.shape[1] == inputs * groups > 0  # noqa: PLR2004
    biased = bias is None or list(bias.shape) == [channels]
    possible = fits and channels % groups == 0 and min(*stride, *dilation) > 0 <= min(padding)
    if transposed or not possible or not biased:
        return NotImplemented
    places = list(_windows(x.shape[2:], kernel, stride, padding, dilation))
    return x.new_empty((len(x), channels, *places)) if min(places) > 0 else NotImplemented


def _windows(sizes: Iterable[int], *layout: Sequence[int]) -> Iterator[int]:
    """Yield along each axis how often a window finds room (PyTorch, `Conv2d` and `MaxPool2d`).

    Args:
        sizes: Of what it moves over.
        layout: Its kernel, stride, padding and dilation, each for every axis or one for all.
    """
    axes = (repeat(values[0]) if len(values) == 1 else values for values in layout)
    for size, kernel, stride, padding, dilation in zip(sizes, *axes, strict=False):
        yield (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _max_pool(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,  # noqa: FBT001, FBT002
) -> Any:
    """Return the largest number of each window, and where it is."""
    largest = _pooled(x, kernel, stride, padding, dilation, ceil_mode)
    if largest is NotImplemented:
        return NotImplemented
    return largest, alike(largest, dtype=torch.int64)


def _average_pool(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,  # noqa: FBT001, FBT002
    count_include_pad: bool = True,  # noqa: ARG001, FBT001, FBT002 - of no matter to the shape
    divisor: int | None = None,
) -> Any:
    return NotImplemented if divisor == 0 else _pooled(x, kernel, stride, padding, (1,), ceil_mode)


def _pooled(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,  # noqa: FBT001
) -> Any:
    kept, sizes = x.shape[:-_PLACES], x.shape[-_PLACES:]
    # PyTorch keeps its order of memory with channels last, and wants half a kernel of padding.
    plain = len(kept) in (1, 2) and all(kept) and x.is_contiguous() and x.is_floating_point()
    possible = min(*kernel, *(stride or kernel), *dilation) > 0 <= min(padding)
    if not plain or not possible or ceil_mode or max(padding) * 2 > min(kernel):
        return NotImplemented
    places = list(_windows(sizes, kernel, stride or kernel, padding, dilation))
    return x.new_empty((*kept, *places)) if min(places) > 0 else NotImplemented


def _addmm(_: Tensor, left: Tensor, right: Tensor, **__: Any) -> Any:
    return _mm(left, right)


def _mm(left: Tensor, right: Tensor) -> Any:
    if left.dim() != 2 or right.dim() != 2 or left.shape[1] != right.shape[0]:  # noqa: PLR2004
        return NotImplemented
    return left.new_empty((left.shape[0], right.shape[1]))


def _bmm(left: Tensor, right: Tensor) -> Any:
    """Return the products of the matrices of two batches."""
    if left.dim() != 3 or right.dim() != 3:  # noqa: PLR2004
        return NotImplemented
    (batch, rows, inner), (other_batch, other_inner, columns) = left.shape, right.shape
    if (batch, inner) != (other_batch, other_inner):
        return NotImplemented
    return left.new_empty((batch, rows, columns))


def _batch_norm(x: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None, None]:
    """Return the output; in evaluation mode nothing is saved for the backward pass."""
    return alike(x), None, None


def _layer_norm(
    x: Tensor, sizes: Sequence[int], weight: Tensor | None, bias: Tensor | None, _: float
) -> Any:
    """Return the output, and mean and deviation of each place."""
    kept = x.shape[: max(0, x.dim() - len(sizes))]
    fits = bool(sizes) and x.dtype in _FULL_PRECISION and [*kept, *sizes] == list(x.shape)
    for parameter in (weight, bias):
        if parameter is not None:
            fits &= list(parameter.shape) == list(sizes) and parameter.dtype == x.dtype
    if not fits:
        return NotImplemented
    statistics = (*kept, *(1 for _ in sizes))
    return alike(x), x.new_empty(statistics), x.new_empty(statistics)


def _embedding(weight: Tensor, indices: Tensor, *_: Any, **__: Any) -> Any:
    if weight.dim() != 2 or indices.dtype not in (torch.int32, torch.int64):  # noqa: PLR2004
        return NotImplemented
    return weight.new_empty((*indices.shape, weight.shape[1]))


def _channel_shuffle(x: Tensor, groups: int) -> Any:
    if x.dim() < 3 or groups < 1 or x.shape[1] % groups:  # noqa: PLR2004
        return NotImplemented
    return alike(x)


LAYER_RULES: Final[Mapping[Any, Callable[..., Any]]] = MappingProxyType(
    {
        _aten.addmm.default: _addmm,
        _aten.avg_pool2d.default: _average_pool,
        _aten.bmm.default: _bmm,
        _aten.channel_shuffle.default: _channel_shuffle,
        _aten.convolution.default: _convolution,
        _aten.embedding.default: _embedding,
        _aten.max_pool2d_with_indices.default: _max_pool,
        _aten.mm.default: _mm,
        _aten.native_batch_norm.default: _batch_norm,
        _aten.native_layer_norm.default: _layer_norm,
    }
)
