"""The shapes of layers that are known without PyTorch are those that PyTorch finds."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_hub.shapes import LAYER_RULES, alike, run_on_meta

aten = torch.ops.aten
Agree = Callable[..., None]
shapes = st.lists(st.integers(1, 3), min_size=1, max_size=4)


def test_every_rule_is_tested_here() -> None:
    products = {aten.addmm.default, aten.bmm.default, aten.mm.default}
    norms = {aten.native_batch_norm.default, aten.native_layer_norm.default}
    windows = {
        *(aten.avg_pool2d.default, aten.convolution.default),
        aten.max_pool2d_with_indices.default,
    }
    others = {aten.channel_shuffle.default, aten.embedding.default}
    assert set(LAYER_RULES) == {*products, *norms, *windows, *others}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_tensors_like_others_lie_in_memory_as_pytorch_lays_them(order: tuple[int, ...]) -> None:
    whole = torch.empty(2, 3, 4, device="meta")
    for x in (whole.permute(order), whole[:, ::2].permute(order), whole[:, :, :1].expand(2, 3, 4)):
        expected = torch.empty_like(x, dtype=torch.int64)
        found = alike(x, dtype=torch.int64)
        assert (found.shape, found.stride()) == (expected.shape, expected.stride())
        assert found.dtype == expected.dtype


@given(
    st.integers(1, 3),
    st.lists(st.integers(1, 7), min_size=1, max_size=2),
    st.data(),
    st.integers(0, 3),
)
def test_convolutions(
    agree: Agree,
    groups: int,
    sizes: list[int],
    data: st.DataObject,
    padding: int,
) -> None:
    def each(least: int, most: int) -> list[int]:
        count = st.sampled_from([1, len(sizes)])
        drawn: list[int] = data.draw(
            count.flatmap(lambda n: st.lists(st.integers(least, most), min_size=n, max_size=n))
        )
        return drawn

    inputs, outputs = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    kernel = data.draw(st.lists(st.integers(1, 3), min_size=len(sizes), max_size=len(sizes)))
    biases = data.draw(st.none() | st.sampled_from([outputs, outputs + 1]))
    agree(
        aten.convolution.default,
        torch.randn(2, inputs, *sizes),
        torch.randn(outputs, data.draw(st.integers(1, 2)), *kernel),
        None if biases is None else torch.randn(biases),
        each(1, 3),
        [padding],
        each(1, 2),
        False,  # noqa: FBT003 - transposed
        [0],
        groups,
    )


def test_transposed_convolutions(agree: Agree) -> None:
    x, weight = torch.randn(2, 4, 5, 5), torch.randn(4, 3, 2, 2)
    agree(aten.convolution.default, x, weight, None, [2], [1], [1], True, [1], 1)  # noqa: FBT003


@given(
    st.sampled_from([(1,), (2, 3)]),
    st.lists(st.integers(1, 7), min_size=2, max_size=2),
    st.lists(st.integers(1, 3), min_size=1, max_size=2),
    st.lists(st.integers(0, 3), min_size=2, max_size=2) | st.just([]),
    st.integers(0, 2),
    st.booleans(),
)
def test_pools(
    agree: Agree,
    kept: tuple[int, ...],
    sizes: list[int],
    kernel: list[int],
    stride: list[int],
    padding: int,
    ceil_mode: bool,  # noqa: FBT001
) -> None:
    x, given_twice = torch.randn(*kept, *sizes), [padding, padding]
    agree(aten.avg_pool2d.default, x, kernel, stride, given_twice, ceil_mode)
    for dilation in ([1], [1, 2]):
        arguments = (x, kernel, stride, given_twice, dilation, ceil_mode)
        agree(aten.max_pool2d_with_indices.default, *arguments)


def test_pools_of_channels_last_lie_as_pytorch_lays_them() -> None:
    x = torch.empty(2, 3, 8, 8, device="meta").contiguous(memory_format=torch.channels_last)
    found = run_on_meta(aten.avg_pool2d.default, (x, [2, 2]), {})
    assert found.is_contiguous(memory_format=torch.channels_last)


@given(*[st.integers(1, 3)] * 4)
def test_products_of_matrices(
    agree: Agree, rows: int, inner: int, other: int, columns: int
) -> None:
    agree(aten.mm.default, torch.randn(rows, inner), torch.randn(other, columns))
    for batch in (2, 3):
        left, right = torch.randn(2, rows, inner), torch.randn(batch, other, columns)
        agree(aten.bmm.default, left, right)


@given(st.integers(1, 4), shapes)
def test_embeddings(agree: Agree, width: int, places: list[int]) -> None:
    for dtype in (torch.int32, torch.int64):
        agree(aten.embedding.default, torch.randn(5, width), torch.ones(places, dtype=dtype))


@given(st.integers(1, 6), st.integers(1, 4))
def test_shuffled_channels(agree: Agree, channels: int, groups: int) -> None:
    agree(aten.channel_shuffle.default, torch.randn(2, channels, 3, 3), groups)


@given(*[st.integers(1, 3)] * 4)
def test_linear_layers(agree: Agree, rows: int, inner: int, other: int, columns: int) -> None:
    tensors = torch.randn(columns), torch.randn(rows, inner), torch.randn(other, columns)
    agree(aten.addmm.default, *tensors)


def test_batch_norms() -> None:
    x, channel = torch.randn(2, 3, 4, 4), torch.ones(3)
    arguments = (x, channel, channel, channel, channel, False, 0.1, 1e-5)
    expected = aten.native_batch_norm.default(*arguments)[0]
    found = run_on_meta(aten.native_batch_norm.default, arguments, {})[0]
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@given(shapes, shapes, st.booleans(), st.sampled_from([torch.float32, torch.float64, torch.int64]))
def test_layer_norms(
    agree: Agree,
    kept: list[int],
    sizes: list[int],
    affine: bool,  # noqa: FBT001
    dtype: torch.dtype,
) -> None:
    parameters = (torch.ones(sizes, dtype=dtype),) * 2 if affine else (None, None)
    x = torch.ones((*kept, *sizes), dtype=dtype)
    agree(aten.native_layer_norm.default, x, sizes, *parameters, 1e-5)


@given(shapes, shapes, shapes)
def test_layer_norms_that_do_not_fit(
    agree: Agree, shape: list[int], sizes: list[int], other: list[int]
) -> None:
    agree(aten.native_layer_norm.default, torch.ones(shape), sizes, torch.ones(other), None, 1e-5)
