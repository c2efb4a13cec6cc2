"""Fast output shapes of common operations on the meta device, computed without PyTorch.

PyTorch computes these shapes in Python, ten times more slowly, and imports its compiler for the
first one, which takes a second. A rule returns NotImplemented for unknown or invalid arguments;
PyTorch then runs the operation, as it does for every operation without a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import repeat, zip_longest
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor

__all__ = ["LAYER_RULES", "alike", "run_on_meta"]

_aten = torch.ops.aten

_FULL_PRECISION: Final = (torch.float32, torch.float64)
"""Types for which the statistics of a norm have the same type."""

_PLACES: Final = 2
"""Number of spatial axes of a pooling, after an optional batch axis and the channels."""

_KINDS: Final = (bool, int, float, complex)
"""Kinds of numbers in ascending order; with a tensor of a lower kind, a number decides the type."""


def alike(x: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """Like `torch.empty_like`, which would import PyTorch's compiler on the meta device."""
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
    """Yield the output size on each axis, as for PyTorch's `Conv2d` and `MaxPool2d`.

    Args:
        sizes: Input size on each axis.
        layout: Kernel, stride, padding and dilation, each for every axis or one for all.
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
    """Return the outputs: the maxima of all windows and their indices."""
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
    count_include_pad: bool = True,  # noqa: ARG001, FBT001, FBT002 - does not affect the shape
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
    # PyTorch preserves channels-last memory, and allows at most half a kernel of padding.
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
    """Return the output of a batched matrix product."""
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
    """Return the output, and mean and deviation at each position."""
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


def run_on_meta(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run an operation on the meta device, by its rule if there is one."""
    rule = _RULES.get(func)
    result = rule(*args, **kwargs) if rule else NotImplemented
    return func(*args, **kwargs) if result is NotImplemented else result


def _elementwise(*operands: Any, **options: Any) -> Any:
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    dtypes = {tensor.dtype for tensor in tensors}
    if len(dtypes) > 1 and not all(tensor.dim() for tensor in tensors):
        return NotImplemented
    if not any(_keeps_type(tensor, (*operands, *options.values())) for tensor in tensors):
        return NotImplemented
    return _broadcast(tensors, reduce(torch.promote_types, dtypes))


def _broadcast(tensors: Sequence[Tensor], dtype: torch.dtype) -> Any:
    """Return a tensor of the broadcast shape."""
    backwards = zip_longest(*(reversed(tensor.shape) for tensor in tensors), fillvalue=1)
    sizes = [set(places) - {1} for places in backwards]
    if any(len(size) > 1 for size in sizes):
        return NotImplemented  # PyTorch raises the error
    return tensors[0].new_empty([next(iter(size), 1) for size in reversed(sizes)], dtype=dtype)


def _keeps_type(tensor: Tensor, operands: Iterable[object]) -> bool:
    """Return whether no number among the operands has a higher kind than the tensor."""
    kinds = [_KINDS.index(type(operand)) for operand in operands if type(operand) in _KINDS]
    return max(kinds, default=0) <= _kind(tensor)


def _kind(tensor: Tensor) -> int:
    if tensor.is_complex() or tensor.is_floating_point():
        return _KINDS.index(complex if tensor.is_complex() else float)
    return _KINDS.index(bool if tensor.dtype is torch.bool else int)


def _difference(x: Any, y: Any, **options: Any) -> Any:
    """Return the output of a subtraction, which booleans do not support."""
    is_boolean = any(isinstance(z, Tensor) and z.dtype is torch.bool for z in (x, y))
    return NotImplemented if is_boolean else _elementwise(x, y, **options)


def _quotient(x: Any, y: Any) -> Any:
    """Return the output of a division, except for integers, whose quotients are floats."""
    result = _elementwise(x, y)
    return NotImplemented if result is NotImplemented or not _is_fraction(result) else result


def _is_fraction(x: Tensor) -> bool:
    return x.is_floating_point() or x.is_complex()


def _clamp(x: Tensor, *bounds: Any, **named: Any) -> Any:
    bounds = (*bounds, *named.values())
    if x.dtype is torch.bool or all(bound is None for bound in bounds):
        return NotImplemented
    return _elementwise(x, *bounds)


def _comparison(x: Tensor, _: object) -> Tensor:
    return alike(x, dtype=torch.bool)


def _complement(x: Tensor) -> Any:
    return NotImplemented if _kind(x) > _KINDS.index(int) else alike(x)


def _running_sum(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Any:
    if not -x.dim() <= dim < x.dim():
        return NotImplemented
    return alike(x, dtype=dtype or _sum_type(x))


def _masked_fill(x: Tensor, mask: Tensor, value: Any) -> Any:
    if mask.dtype is not torch.bool or not _keeps_type(x, (value,)):
        return NotImplemented
    return _broadcast((x, mask), x.dtype)


def _where(mask: Tensor, x: Tensor, y: Tensor) -> Any:
    if mask.dtype is not torch.bool or x.dtype != y.dtype:
        return NotImplemented
    return _broadcast((mask, x, y), x.dtype)


def _arange(end: float, **options: Any) -> Any:
    return _range(0, end, **options)


def _range(start: float, end: float, *, dtype: Any = None, device: Any = None, **_: Any) -> Any:
    if type(start) is not int or type(end) is not int or end < start:
        return NotImplemented
    return torch.empty(end - start, dtype=dtype or torch.int64, device=device)


def _zeros_like(x: Tensor, *, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    return alike(x, dtype=dtype)


def _function(x: Tensor, *_: Any, **__: Any) -> Any:
    """Return the output of a function of floats; integers would change type or be refused."""
    return alike(x) if x.is_floating_point() else NotImplemented


def _safe_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
    return NotImplemented if dtype is not None else _softmax(x, dim)


def _softmax(x: Tensor, dim: int, half_to_float: bool = False) -> Any:  # noqa: FBT001, FBT002
    if half_to_float or not -x.dim() <= dim < x.dim():
        return NotImplemented
    return _function(x)


def _in_place(x: Tensor, *_: Any, **__: Any) -> Tensor:
    return x


def _mean(x: Tensor, dim: Sequence[int] | None, keepdim: bool = False, **_: Any) -> Any:  # noqa: FBT001, FBT002
    sizes = _reduced(x, dim, keepdim=keepdim)
    return NotImplemented if sizes is None else x.new_empty(sizes)


def _sum(
    x: Tensor,
    dim: Sequence[int] | None,
    keepdim: bool = False,  # noqa: FBT001, FBT002
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    sizes = _reduced(x, dim, keepdim=keepdim)
    return NotImplemented if sizes is None else x.new_empty(sizes, dtype=dtype or _sum_type(x))


def _sum_type(x: Tensor) -> torch.dtype:
    return torch.int64 if _kind(x) <= _KINDS.index(int) else x.dtype


def _reduced(x: Tensor, dim: Sequence[int] | None, *, keepdim: bool) -> list[int] | None:
    """Return the sizes after a reduction, by default of all axes; None for an invalid axis."""
    axes = dim or range(x.dim())
    if not all(-x.dim() <= axis < x.dim() for axis in axes):
        return None
    gone = {axis % x.dim() for axis in axes}
    if len(gone) < len(axes):
        return None
    kept = ((1 if axis in gone else size) for axis, size in enumerate(x.shape))
    return [size for axis, size in enumerate(kept) if keepdim or axis not in gone]


def _index(x: Tensor, indices: Sequence[Tensor | None]) -> Any:
    """Return the output of indexing one axis by one tensor."""
    given = [(axis, places) for axis, places in enumerate(indices) if places is not None]
    if len(given) != 1 or given[0][1].dtype is not torch.int64:
        return NotImplemented
    ((axis, places),) = given
    return x.new_empty((*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]))


def _gather(x: Tensor, dim: int, index: Tensor, **_: Any) -> Any:
    if x.dim() != index.dim() or not -x.dim() <= dim < x.dim() or index.dtype is not torch.int64:
        return NotImplemented
    fits = all(
        wanted <= size
        for axis, (wanted, size) in enumerate(zip(index.shape, x.shape, strict=True))
        if axis != dim % x.dim()
    )
    return x.new_empty(index.shape) if fits else NotImplemented


def _cat(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    first, *others = tensors
    dim %= first.dim()
    sizes = list(first.shape)
    for other in others:
        if other.dim() != first.dim() or other.dtype != first.dtype:
            return NotImplemented
        sizes[dim] += other.shape[dim]
        if any(a != b for i, (a, b) in enumerate(zip(sizes, other.shape, strict=True)) if i != dim):
            return NotImplemented
    return first.new_empty(sizes)


_RULES: Final[Mapping[Any, Callable[..., Any]]] = MappingProxyType(
    {
        **LAYER_RULES,
        _aten._safe_softmax.default: _safe_softmax,  # noqa: SLF001 - its name in attention
        _aten._softmax.default: _softmax,  # noqa: SLF001 - its name elsewhere
        _aten.add.Tensor: _elementwise,
        _aten.arange.default: _arange,
        _aten.arange.start: _range,
        _aten.bitwise_not.default: _complement,
        _aten.cat.default: _cat,
        _aten.clamp.default: _clamp,
        _aten.cos.default: _function,
        _aten.cumsum.default: _running_sum,
        _aten.div.Tensor: _quotient,
        _aten.eq.Scalar: _comparison,
        _aten.exp.default: _function,
        _aten.gather.default: _gather,
        _aten.gelu.default: _function,
        _aten.gt.Scalar: _comparison,
        _aten.hardsigmoid.default: _function,
        _aten.hardswish.default: _function,
        _aten.hardswish_.default: _in_place,
        _aten.hardtanh.default: _function,
        _aten.hardtanh_.default: _in_place,
        _aten.index.Tensor: _index,
        _aten.log1p.default: _function,
        _aten.masked_fill.Scalar: _masked_fill,
        _aten.mean.dim: _mean,
        _aten.mul.Scalar: _elementwise,
        _aten.mul.Tensor: _elementwise,
        _aten.relu.default: _elementwise,
        _aten.relu_.default: _in_place,
        _aten.round.default: _function,
        _aten.sigmoid.default: _function,
        _aten.silu.default: _function,
        _aten.silu_.default: _in_place,
        _aten.sin.default: _function,
        _aten.sub.Tensor: _difference,
        _aten.sum.dim_IntList: _sum,
        _aten.where.self: _where,
        _aten.zeros_like.default: _zeros_like,
    }
)
