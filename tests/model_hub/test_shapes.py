"""The shapes that are known without PyTorch are those that PyTorch finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_hub.shapes import _RULES, LAYER_RULES, run_on_meta

aten = torch.ops.aten
Agree = Callable[..., None]
UNARY = [
    aten.cos.default,
    aten.exp.default,
    aten.gelu.default,
    aten.hardsigmoid.default,
    aten.hardswish.default,
    aten.hardswish_.default,
    aten.hardtanh.default,
    aten.hardtanh_.default,
    aten.log1p.default,
    aten.relu.default,
    aten.relu_.default,
    aten.round.default,
    aten.sigmoid.default,
    aten.silu.default,
    aten.silu_.default,
    aten.sin.default,
]
BINARY = [aten.add.Tensor, aten.div.Tensor, aten.mul.Tensor, aten.sub.Tensor]
shapes = st.lists(st.integers(1, 3), min_size=1, max_size=4)
dtypes = st.sampled_from([torch.int64, torch.float32, torch.float64, torch.bool, torch.complex64])
numbers = st.sampled_from([True, 2, 2.0, 2j])


def test_every_rule_is_tested_here() -> None:
    on_bits = {aten.bitwise_not.default, aten.eq.Scalar, aten.gt.Scalar}
    sums = {aten.cumsum.default, aten.mean.dim, aten.sum.dim_IntList}
    picks = {aten.gather.default, aten.index.Tensor, aten.masked_fill.Scalar, aten.where.self}
    others = {
        *(aten.arange.default, aten.arange.start, aten.cat.default, aten.clamp.default),
        *(aten._safe_softmax.default, aten._softmax.default, aten.mul.Scalar),
        aten.zeros_like.default,
    }
    assert set(_RULES) - set(LAYER_RULES) == {*UNARY, *BINARY, *on_bits, *sums, *picks, *others}


@given(st.sampled_from(UNARY), shapes)
def test_functions_of_a_number(agree: Agree, func: Any, shape: list[int]) -> None:
    agree(func, torch.randn(shape))


@given(st.sampled_from([f for f in UNARY if "_." not in str(f)]), shapes, dtypes)
def test_functions_of_other_numbers(
    agree: Agree, func: Any, shape: list[int], dtype: torch.dtype
) -> None:
    agree(func, torch.ones(shape, dtype=dtype))


@given(shapes, dtypes, dtypes)
def test_zeros(shape: list[int], dtype: torch.dtype, other: torch.dtype) -> None:
    x = torch.ones(shape, dtype=dtype, device="meta")
    assert run_on_meta(aten.zeros_like.default, (x,), {}).dtype == dtype
    found = run_on_meta(aten.zeros_like.default, (x,), {"dtype": other, "pin_memory": False})
    assert (list(found.shape), found.dtype) == (shape, other)


@given(shapes, dtypes)
def test_complements(agree: Agree, shape: list[int], dtype: torch.dtype) -> None:
    agree(aten.bitwise_not.default, torch.ones(shape, dtype=dtype))


@given(shapes, dtypes, st.integers(-5, 4))
def test_running_sums(agree: Agree, shape: list[int], dtype: torch.dtype, dim: int) -> None:
    if -len(shape) <= dim < len(shape):
        agree(aten.cumsum.default, torch.ones(shape, dtype=dtype), dim)
    else:
        with pytest.raises(IndexError):
            run_on_meta(aten.cumsum.default, (torch.ones(shape, device="meta"), dim), {})


@given(shapes, shapes, st.sampled_from([torch.float32, torch.int64]), st.booleans())
def test_masks(
    agree: Agree,
    shape: list[int],
    mask: list[int],
    dtype: torch.dtype,
    number: bool,  # noqa: FBT001
) -> None:
    masks = torch.ones(mask, dtype=torch.bool)
    agree(aten.masked_fill.Scalar, torch.ones(shape, dtype=dtype), masks, int(number))


@given(shapes, shapes, dtypes, dtypes)
def test_selections(
    agree: Agree, mask: list[int], shape: list[int], x: torch.dtype, y: torch.dtype
) -> None:
    masks = torch.ones(mask, dtype=torch.bool)
    agree(aten.where.self, masks, torch.ones(shape, dtype=x), torch.zeros(shape, dtype=y))


@given(st.integers(-1, 9), st.integers(-3, 3), st.sampled_from([torch.int64, torch.float32, None]))
def test_ranges(end: int, start: int, dtype: torch.dtype | None) -> None:
    def ranged(device: str, func: Any, *limits: float) -> torch.Tensor:
        options = {"dtype": dtype, "device": torch.device(device), "pin_memory": False}
        found: torch.Tensor = run_on_meta(func, limits, options)
        return found

    for func, limits in (aten.arange.default, (end,)), (aten.arange.start, (start, end)):
        if end < (start if len(limits) > 1 else 0):
            with pytest.raises(RuntimeError):
                ranged("meta", func, *limits)
            continue
        expected, found = torch.arange(*limits, dtype=dtype), ranged("meta", func, *limits)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert found.device.type == "meta"


def test_a_range_of_fractions() -> None:
    found = run_on_meta(aten.arange.default, (2.5,), {"device": torch.device("meta")})
    assert (found.shape, found.dtype) == ((3,), torch.float32)


@given(shapes, st.data())
def test_softmax(agree: Agree, shape: list[int], data: st.DataObject) -> None:
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    agree(aten._safe_softmax.default, torch.randn(shape), dim)
    agree(aten._softmax.default, torch.randn(shape), dim, False)  # noqa: FBT003 - its name is no keyword


@given(shapes, dtypes, numbers)
def test_comparisons(agree: Agree, shape: list[int], dtype: torch.dtype, number: complex) -> None:
    agree(aten.eq.Scalar, torch.ones(shape, dtype=dtype), number)
    agree(aten.gt.Scalar, torch.ones(shape, dtype=dtype), number)


@given(shapes, st.lists(st.integers(0, 0) | st.none(), max_size=4), shapes)
def test_places_of_an_axis(
    agree: Agree, shape: list[int], given_places: list[int | None], at: list[int]
) -> None:
    places = [p if p is None else torch.full(at, p) for p in given_places]
    if 0 < len(places) <= len(shape) and any(p is not None for p in places):
        agree(aten.index.Tensor, torch.randn(shape), places)


@given(shapes, st.data())
def test_gathering(agree: Agree, shape: list[int], data: st.DataObject) -> None:
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    wanted = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    agree(aten.gather.default, torch.randn(shape), dim, torch.zeros(wanted, dtype=torch.int64))


@given(st.sampled_from(BINARY), shapes, shapes)
def test_sums_and_products_with_broadcasting(
    agree: Agree, func: Any, left: list[int], right: list[int]
) -> None:
    agree(func, torch.randn(left), torch.randn(right))


@given(st.sampled_from(BINARY), shapes, dtypes, dtypes)
def test_sums_and_products_of_two_types(
    agree: Agree, func: Any, shape: list[int], left: torch.dtype, right: torch.dtype
) -> None:
    agree(func, torch.ones(shape, dtype=left), torch.ones(shape, dtype=right))


@given(st.sampled_from([*BINARY, aten.mul.Scalar]), shapes, dtypes, numbers)
def test_sums_and_products_with_a_number(
    agree: Agree, func: Any, shape: list[int], dtype: torch.dtype, number: complex
) -> None:
    agree(func, torch.ones(shape, dtype=dtype), number)


bounds = st.none() | st.integers(0, 3) | st.floats(0, 3)


@given(shapes, dtypes, bounds, bounds)
def test_bounds(agree: Agree, shape: list[int], dtype: torch.dtype, least: Any, most: Any) -> None:
    agree(aten.clamp.default, torch.ones(shape, dtype=dtype), least, most)


@given(shapes, st.data(), st.booleans())
def test_means(agree: Agree, shape: list[int], data: st.DataObject, keepdim: bool) -> None:  # noqa: FBT001
    axes = st.integers(-len(shape), len(shape) - 1)
    chosen = data.draw(st.none() | st.lists(axes, unique_by=lambda i: i % len(shape)))
    agree(aten.mean.dim, torch.randn(shape), chosen, keepdim)


@given(shapes, dtypes, st.data(), st.booleans())
def test_sums(
    agree: Agree,
    shape: list[int],
    dtype: torch.dtype,
    data: st.DataObject,
    keepdim: bool,  # noqa: FBT001
) -> None:
    axes = st.integers(-len(shape), len(shape) - 1)
    chosen = data.draw(st.none() | st.lists(axes, max_size=4))
    agree(aten.sum.dim_IntList, torch.ones(shape, dtype=dtype), chosen, keepdim)


@given(st.lists(shapes, min_size=1, max_size=3), st.integers(0, 1))
def test_concatenation(agree: Agree, all_shapes: list[list[int]], dim: int) -> None:
    if all(len(shape) > dim for shape in all_shapes):
        agree(aten.cat.default, [torch.randn(shape) for shape in all_shapes], dim)
