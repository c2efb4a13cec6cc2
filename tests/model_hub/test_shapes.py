"""The shapes that are known without PyTorch are those that PyTorch finds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._pytree import tree_leaves

from model_hub.shapes import _RULES, run_on_meta

aten = torch.ops.aten
UNARY = [
    aten.cos.default,
    aten.exp.default,
    aten.gelu.default,
    aten.hardsigmoid.default,
    aten.hardswish.default,
    aten.hardswish_.default,
    aten.hardtanh.default,
    aten.hardtanh_.default,
    aten.relu.default,
    aten.relu_.default,
    aten.sigmoid.default,
    aten.silu.default,
    aten.silu_.default,
    aten.sin.default,
]
BINARY = [aten.add.Tensor, aten.mul.Tensor, aten.sub.Tensor]
shapes = st.lists(st.integers(1, 3), min_size=1, max_size=4)
dtypes = st.sampled_from([torch.int64, torch.float32, torch.float64, torch.bool, torch.complex64])
numbers = st.sampled_from([True, 2, 2.0, 2j])


def agree(func: Any, *args: Any) -> None:
    """Compare with the real operation on the CPU, errors among its results."""
    on_meta = torch.utils._pytree.tree_map_only(torch.Tensor, lambda t: t.to("meta"), args)
    try:
        expected = func(*args)
    except RuntimeError:
        try:
            func(*on_meta)
        except (RuntimeError, ValueError):  # PyTorch does not find every error without numbers
            with pytest.raises((RuntimeError, ValueError)):
                run_on_meta(func, on_meta, {})
        return
    found = run_on_meta(func, on_meta, {})
    for theirs, ours in zip(tree_leaves(expected), tree_leaves(found), strict=True):
        assert ours.device.type == "meta"
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)


def test_every_rule_is_tested_here() -> None:
    norms = {aten.native_batch_norm.default, aten.native_layer_norm.default}
    on_bits = {aten.bitwise_not.default, aten.eq.Scalar}
    sums = {aten.addmm.default, aten.cumsum.default, aten.mean.dim}
    others = {
        *(aten.arange.default, aten.cat.default, aten.clamp.default, aten.masked_fill.Scalar),
        *(aten._safe_softmax.default, aten.mul.Scalar, aten.where.self),
    }
    assert set(_RULES) == {*UNARY, *BINARY, *norms, *on_bits, *sums, *others}


@given(st.sampled_from(UNARY), shapes)
def test_functions_of_a_number(func: Any, shape: list[int]) -> None:
    agree(func, torch.randn(shape))


@given(st.sampled_from([f for f in UNARY if "_." not in str(f)]), shapes, dtypes)
def test_functions_of_other_numbers(func: Any, shape: list[int], dtype: torch.dtype) -> None:
    agree(func, torch.ones(shape, dtype=dtype))


@given(shapes, dtypes)
def test_complements(shape: list[int], dtype: torch.dtype) -> None:
    agree(aten.bitwise_not.default, torch.ones(shape, dtype=dtype))


@given(shapes, dtypes, st.integers(-5, 4))
def test_running_sums(shape: list[int], dtype: torch.dtype, dim: int) -> None:
    if -len(shape) <= dim < len(shape):
        agree(aten.cumsum.default, torch.ones(shape, dtype=dtype), dim)
    else:
        with pytest.raises(IndexError):
            run_on_meta(aten.cumsum.default, (torch.ones(shape, device="meta"), dim), {})


@given(shapes, shapes, st.sampled_from([torch.float32, torch.int64]), st.booleans())
def test_masks(shape: list[int], mask: list[int], dtype: torch.dtype, number: bool) -> None:  # noqa: FBT001
    masks = torch.ones(mask, dtype=torch.bool)
    agree(aten.masked_fill.Scalar, torch.ones(shape, dtype=dtype), masks, int(number))


@given(shapes, shapes, dtypes, dtypes)
def test_selections(mask: list[int], shape: list[int], x: torch.dtype, y: torch.dtype) -> None:
    masks = torch.ones(mask, dtype=torch.bool)
    agree(aten.where.self, masks, torch.ones(shape, dtype=x), torch.zeros(shape, dtype=y))


@given(st.integers(-1, 9), st.sampled_from([torch.int64, torch.float32, None]))
def test_ranges(end: int, dtype: torch.dtype | None) -> None:
    def ranged(device: str) -> torch.Tensor:
        options = {"dtype": dtype, "device": torch.device(device), "pin_memory": False}
        found: torch.Tensor = run_on_meta(aten.arange.default, (end,), options)
        return found

    if end < 0:
        with pytest.raises(RuntimeError):
            ranged("meta")
        return
    expected, found = torch.arange(end, dtype=dtype), ranged("meta")
    assert (found.shape, found.dtype, found.device.type) == (expected.shape, expected.dtype, "meta")


@given(shapes, st.data())
def test_softmax(shape: list[int], data: st.DataObject) -> None:
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    agree(aten._safe_softmax.default, torch.randn(shape), dim)


@given(shapes, dtypes, numbers)
def test_comparisons(shape: list[int], dtype: torch.dtype, number: complex) -> None:
    agree(aten.eq.Scalar, torch.ones(shape, dtype=dtype), number)


@given(st.sampled_from(BINARY), shapes, shapes)
def test_sums_and_products_with_broadcasting(func: Any, left: list[int], right: list[int]) -> None:
    agree(func, torch.randn(left), torch.randn(right))


@given(st.sampled_from(BINARY), shapes, dtypes, dtypes)
def test_sums_and_products_of_two_types(
    func: Any, shape: list[int], left: torch.dtype, right: torch.dtype
) -> None:
    agree(func, torch.ones(shape, dtype=left), torch.ones(shape, dtype=right))


@given(st.sampled_from([*BINARY, aten.mul.Scalar]), shapes, dtypes, numbers)
def test_sums_and_products_with_a_number(
    func: Any, shape: list[int], dtype: torch.dtype, number: complex
) -> None:
    agree(func, torch.ones(shape, dtype=dtype), number)


bounds = st.none() | st.integers(0, 3) | st.floats(0, 3)


@given(shapes, dtypes, bounds, bounds)
def test_bounds(shape: list[int], dtype: torch.dtype, least: Any, most: Any) -> None:
    agree(aten.clamp.default, torch.ones(shape, dtype=dtype), least, most)


@given(shapes, st.data(), st.booleans())
def test_means(shape: list[int], data: st.DataObject, keepdim: bool) -> None:  # noqa: FBT001
    axes = st.integers(-len(shape), len(shape) - 1)
    chosen = data.draw(st.lists(axes, min_size=1, unique_by=lambda i: i % len(shape)))
    agree(aten.mean.dim, torch.randn(shape), chosen, keepdim)


@given(st.lists(shapes, min_size=1, max_size=3), st.integers(0, 1))
def test_concatenation(all_shapes: list[list[int]], dim: int) -> None:
    if all(len(shape) > dim for shape in all_shapes):
        agree(aten.cat.default, [torch.randn(shape) for shape in all_shapes], dim)


@given(*[st.integers(1, 3)] * 4)
def test_linear_layers(rows: int, inner: int, other: int, columns: int) -> None:
    tensors = torch.randn(columns), torch.randn(rows, inner), torch.randn(other, columns)
    agree(aten.addmm.default, *tensors)


def test_batch_norms() -> None:
    x, channel = torch.randn(2, 3, 4, 4), torch.ones(3)
    arguments = (x, channel, channel, channel, channel, False, 0.1, 1e-5)
    expected = aten.native_batch_norm.default(*arguments)[0]
    found = run_on_meta(aten.native_batch_norm.default, arguments, {})[0]
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@given(shapes, shapes, st.booleans(), st.sampled_from([torch.float32, torch.float64, torch.int64]))
def test_layer_norms(kept: list[int], sizes: list[int], affine: bool, dtype: torch.dtype) -> None:  # noqa: FBT001
    parameters = (torch.ones(sizes, dtype=dtype),) * 2 if affine else (None, None)
    x = torch.ones((*kept, *sizes), dtype=dtype)
    agree(aten.native_layer_norm.default, x, sizes, *parameters, 1e-5)


@given(shapes, shapes, shapes)
def test_layer_norms_that_do_not_fit(shape: list[int], sizes: list[int], other: list[int]) -> None:
    agree(aten.native_layer_norm.default, torch.ones(shape), sizes, torch.ones(other), None, 1e-5)
