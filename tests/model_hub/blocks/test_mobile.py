"""The blocks of the mobile spaces, layer by layer."""

from __future__ import annotations

from functools import partial
from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from model_hub.blocks.mobile import (
    ConvBNAct,
    DepthwiseSeparable,
    InvertedResidual,
    SqueezeExcite,
    initialize_mobile,
    make_divisible,
)


@pytest.mark.parametrize(
    ("value", "result"),
    [(1, 8), (12, 16), (11, 16), (16, 16), (19, 24), (59.6, 64), (89.6, 88), (96, 96)],
)
def test_widths_are_rounded_as_the_specification_says(value: float, result: int) -> None:
    assert make_divisible(value) == result


@given(st.floats(0.1, 10_000), st.integers(1, 64))
def test_a_rounded_width_is_divisible_and_loses_at_most_a_tenth(value: float, divisor: int) -> None:
    result = make_divisible(value, divisor)
    assert result % divisor == 0
    assert result >= max(divisor, 0.9 * value)


def names(block: nn.Module) -> list[str]:
    return [name.removesuffix(".weight") for name in block.state_dict() if name.endswith("weight")]


def test_the_layers_of_an_inverted_residual_have_their_published_places() -> None:
    assert names(InvertedResidual(8, 8, 3)) == ["0", "1", "3", "4", "6", "7"]
    gated = InvertedResidual(8, 8, 3, squeeze_excite=SqueezeExcite)
    assert names(gated) == ["0", "1", "3", "4", "6.conv_reduce", "6.conv_expand", "7", "8"]


def test_the_layers_of_a_depthwise_separable_block_have_their_published_places() -> None:
    assert names(DepthwiseSeparable(8, 16)) == ["0", "1", "3", "4"]
    gated = DepthwiseSeparable(8, 16, squeeze_excite=SqueezeExcite)
    assert names(gated) == ["0", "1", "3.conv_reduce", "3.conv_expand", "4", "5"]


def test_the_expansion_is_there_for_a_ratio_of_one() -> None:
    assert InvertedResidual(16, 8, 1).get_parameter("0.weight").shape == (16, 16, 1, 1)


@pytest.mark.parametrize(
    ("out_channels", "stride", "wanted", "residual"),
    [(8, 1, None, True), (16, 1, None, False), (8, 2, None, False), (8, 1, False, False)],
)
def test_the_input_is_added_where_the_shapes_allow_it_or_as_wanted(
    out_channels: int,
    stride: int,
    wanted: bool | None,  # noqa: FBT001
    residual: bool,  # noqa: FBT001
) -> None:
    block = InvertedResidual(8, out_channels, 3, stride=stride, residual=wanted).eval()
    nn.init.zeros_(block.get_parameter("7.weight"))
    x = torch.randn(1, 8, 4, 4)
    assert torch.equal(block(x), x) == residual


def test_a_convolution_without_norm_has_a_bias_and_no_gap_in_its_names() -> None:
    block = ConvBNAct(8, 8, norm=None, activation=nn.ReLU)
    assert [type(layer) for layer in block] == [nn.Conv2d, nn.ReLU]
    assert block.get_parameter("0.bias").shape == (8,)


@given(st.sampled_from([1, 3, 5, 7]), st.integers(1, 2))
def test_a_convolution_keeps_the_size_up_to_its_stride(kernel_size: int, stride: int) -> None:
    block = ConvBNAct(2, 3, kernel_size, stride)
    assert block(torch.zeros(2, 2, 16, 16)).shape == (2, 3, 16 // stride, 16 // stride)


def test_a_gate_is_a_hard_sigmoid_of_the_means() -> None:
    gate = SqueezeExcite(8)
    for parameter in gate.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(2, 8, 3, 3)
    assert torch.allclose(gate(x), x / 2)
    assert SqueezeExcite(64).conv_reduce.out_channels == 16
    assert SqueezeExcite(64, reduced_from=24).conv_reduce.out_channels == 8


def test_weights_are_drawn_by_the_fan_out_without_regard_to_groups() -> None:
    torch.manual_seed(0)
    norm = partial(nn.BatchNorm2d, eps=0.5)
    network = nn.Sequential(ConvBNAct(512, 512, 5, groups=512, norm=norm), nn.Linear(64, 64))
    initialize_mobile(network)
    assert network.get_parameter("0.0.weight").std().item() == pytest.approx(
        sqrt(2 / (25 * 512)), rel=0.02
    )
    assert network.get_parameter("1.weight").std().item() == pytest.approx(0.01, rel=0.05)
    assert not network.get_parameter("1.bias").any()
    assert "eps=0.5" in repr(network)
