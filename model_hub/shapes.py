"""What the commonest operations return on the meta device, known without asking PyTorch.

PyTorch computes these shapes in Python, ten times as slowly, and loads its compiler for the first
of them, which takes a second. Any operation that is not listed is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor

__all__ = ["run_on_meta"]

_aten = torch.ops.aten

_KINDS: Final = (bool, int, float, complex)
"""Kinds of numbers; together with a tensor of a smaller kind, a number decides on the type."""

_FULL_PRECISION: Final = (torch.float32, torch.float64)
"""Types whose statistics have the same type."""


def run_on_meta(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what an operation returns on the meta device."""
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
    """Return a tensor of the shape of all together."""
    backwards = zip_longest(*(reversed(tensor.shape) for tensor in tensors), fillvalue=1)
    sizes = [set(places) - {1} for places in backwards]
    if any(len(size) > 1 for size in sizes):
        return NotImplemented  # they do not fit; let PyTorch say so
    return tensors[0].new_empty([next(iter(size), 1) for size in reversed(sizes)], dtype=dtype)


def _keeps_type(tensor: Tensor, operands: Iterable[object]) -> bool:
    """Whether the numbers among the operands are of no larger kind than the tensor."""
    kinds = [_KINDS.index(type(operand)) for operand in operands if type(operand) in _KINDS]
    return max(kinds, default=0) <= _kind(tensor)


def _kind(tensor: Tensor) -> int:
    if tensor.is_complex() or tensor.is_floating_point():
        return _KINDS.index(complex if tensor.is_complex() else float)
    return _KINDS.index(bool if tensor.dtype is torch.bool else int)


def _difference(x: Any, y: Any, **options: Any) -> Any:
    """Return what a sum has, but for booleans, which have no difference."""
    is_boolean = any(isinstance(z, Tensor) and z.dtype is torch.bool for z in (x, y))
    return NotImplemented if is_boolean else _elementwise(x, y, **options)


def _clamp(x: Tensor, *bounds: Any, **named: Any) -> Any:
    bounds = (*bounds, *named.values())
    if x.dtype is torch.bool or all(bound is None for bound in bounds):
        return NotImplemented
    return _elementwise(x, *bounds)


def _comparison(x: Tensor, _: object) -> Tensor:
    return torch.empty_like(x, dtype=torch.bool)


def _complement(x: Tensor) -> Any:
    return NotImplemented if _kind(x) > _KINDS.index(int) else torch.empty_like(x)


def _running_sum(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Any:
    if not -x.dim() <= dim < x.dim():
        return NotImplemented
    natural = torch.int64 if _kind(x) <= _KINDS.index(int) else x.dtype
    return torch.empty_like(x, dtype=dtype or natural)


def _masked_fill(x: Tensor, mask: Tensor, value: Any) -> Any:
    if mask.dtype is not torch.bool or not _keeps_type(x, (value,)):
        return NotImplemented
    return _broadcast((x, mask), x.dtype)


def _where(mask: Tensor, x: Tensor, y: Tensor) -> Any:
    if mask.dtype is not torch.bool or x.dtype != y.dtype:
        return NotImplemented
    return _broadcast((mask, x, y), x.dtype)


def _arange(end: float, *, dtype: Any = None, device: Any = None, **_: Any) -> Any:
    if dtype is None or not isinstance(end, int) or end < 0:
        return NotImplemented
    return torch.empty(end, dtype=dtype, device=device)


def _function(x: Tensor, *_: Any, **__: Any) -> Any:
    """Return numbers of the same type; integers would turn into others, or be refused."""
    return torch.empty_like(x) if x.is_floating_point() else NotImplemented


def _softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
    if dtype is not None or not -x.dim() <= dim < x.dim():
        return NotImplemented
    return _function(x)


def _in_place(x: Tensor, *_: Any, **__: Any) -> Tensor:
    return x


def _batch_norm(x: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None, None]:
    """Return the output; in evaluation mode nothing is saved for the backward pass."""
    return torch.empty_like(x), None, None


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
    return torch.empty_like(x), x.new_empty(statistics), x.new_empty(statistics)


def _addmm(_: Tensor, left: Tensor, right: Tensor, **__: Any) -> Any:
    if left.shape[1] != right.shape[0]:
        return NotImplemented
    return left.new_empty((left.shape[0], right.shape[1]))


def _mean(x: Tensor, dim: Sequence[int] | None, keepdim: bool = False, **_: Any) -> Tensor:  # noqa: FBT001, FBT002
    reduced = {place % x.dim() for place in (range(x.dim()) if dim is None else dim)}
    kept = ((1 if i in reduced else size) for i, size in enumerate(x.shape))
    sizes = [size for i, size in enumerate(kept) if keepdim or i not in reduced]
    return x.new_empty(sizes)


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
        _aten._safe_softmax.default: _softmax,  # noqa: SLF001 - its name in attention
        _aten.add.Tensor: _elementwise,
        _aten.addmm.default: _addmm,
        _aten.arange.default: _arange,
        _aten.bitwise_not.default: _complement,
        _aten.cat.default: _cat,
        _aten.clamp.default: _clamp,
        _aten.cos.default: _function,
        _aten.cumsum.default: _running_sum,
        _aten.eq.Scalar: _comparison,
        _aten.exp.default: _function,
        _aten.gelu.default: _function,
        _aten.hardsigmoid.default: _function,
        _aten.hardswish.default: _function,
        _aten.hardswish_.default: _in_place,
        _aten.hardtanh.default: _function,
        _aten.hardtanh_.default: _in_place,
        _aten.masked_fill.Scalar: _masked_fill,
        _aten.mean.dim: _mean,
        _aten.mul.Scalar: _elementwise,
        _aten.mul.Tensor: _elementwise,
        _aten.native_batch_norm.default: _batch_norm,
        _aten.native_layer_norm.default: _layer_norm,
        _aten.relu.default: _elementwise,
        _aten.relu_.default: _in_place,
        _aten.sigmoid.default: _function,
        _aten.silu.default: _function,
        _aten.silu_.default: _in_place,
        _aten.sin.default: _function,
        _aten.sub.Tensor: _difference,
        _aten.where.self: _where,
    }
)
