"""Operations of cells, and the general cell with operations of one's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from model_hub.blocks.cell_operations import CELL_OPERATIONS, FactorizedReduce
from model_hub.blocks.layers import DropPath
from model_hub.cells import CellGenotype
from model_hub.errors import InvalidSampleError, UnknownNameError
from model_hub.spaces.nasnet_network import NasNetCell, Preprocessor

# The specification, section 6.2, for 8 channels: weights of the convolutions, then 16 a norm.
PARAMETERS = {
    "none": 0,
    "avg_pool_3x3": 0,
    "max_pool_7x7": 0,
    "skip_connect": 0,
    "conv_1x1": 64 + 16,
    "conv_3x3": 576 + 16,
    "sep_conv_5x5": 2 * (200 + 64 + 16),
    "dil_conv_3x3": 72 + 64 + 16,
    "dil_sep_conv_3x3": 2 * (72 + 64 + 16),
    "conv_7x1_1x7": 2 * 448 + 16,
}


def size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", [name for name in CELL_OPERATIONS if "2x2" not in name])
@pytest.mark.parametrize("stride", [1, 2])
def test_an_operation_keeps_channels_and_divides_the_size_by_its_stride(
    name: str, stride: int
) -> None:
    operation = CELL_OPERATIONS[name](8, stride)
    assert operation(torch.randn(2, 8, 16, 16)).shape == (2, 8, 16 // stride, 16 // stride)


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_an_operation_has_its_parameters(name: str, parameters: int) -> None:
    assert size(CELL_OPERATIONS[name](8, 1)) == parameters


def test_a_skip_of_stride_two_halves_by_two_convolutions() -> None:
    assert size(CELL_OPERATIONS["skip_connect"](8, 2)) == 64 + 16


def test_the_second_convolution_of_the_reduction_sees_the_next_pixel() -> None:
    reduce = FactorizedReduce(1, 2).double().eval()
    nn.init.ones_(reduce.conv_1.weight)
    nn.init.ones_(reduce.conv_2.weight)
    image = torch.arange(9.0, dtype=torch.double).reshape(1, 1, 3, 3)
    with torch.no_grad():
        first, second = reduce(image)[0] * (1 + 1e-5) ** 0.5
    assert first.tolist() == [[pytest.approx(0), pytest.approx(2)], [6, 8]]
    assert second.tolist() == [[pytest.approx(4), 0], [0, 0]]


def test_pools_leave_the_border_out_of_their_averages() -> None:
    ones = torch.ones(1, 1, 4, 4)
    assert torch.equal(CELL_OPERATIONS["avg_pool_5x5"](1, 1)(ones), ones)


def test_none_gives_zeros_of_half_the_size_rounded_up() -> None:
    zeros = CELL_OPERATIONS["none"](1, 2)(torch.ones(1, 1, 5, 5))
    assert torch.equal(zeros, torch.zeros(1, 1, 3, 3))


def test_a_cell_adds_operations_and_gives_out_its_nodes_side_by_side() -> None:
    nodes = ((("skip_connect", 0), ("skip_connect", 1)), (("skip_connect", 2), ("none", 0)))
    first, second = torch.randn(2, 1, 3, 4, 4)
    output = NasNetCell(CellGenotype(nodes, (2, 3)), 3)(first, second)
    assert torch.equal(output, torch.cat([first + second, first + second], 1))


def test_both_operations_of_a_node_may_use_one_state() -> None:
    cell = NasNetCell(CellGenotype(((("skip_connect", 1), ("skip_connect", 1)),), (2,)), 3)
    x = torch.randn(1, 3, 4, 4)
    assert torch.equal(cell(torch.zeros_like(x), x), 2 * x)


def test_a_cell_takes_any_inputs_any_number_of_operations_and_operations_of_ones_own() -> None:
    nodes = ((("twice", 0),), (("twice", 0), ("twice", 1), ("same", 1)))
    operations = {"twice": lambda _, __: Scaled(2), "same": lambda _, __: nn.Identity()}
    cell = NasNetCell(CellGenotype(nodes, (2,), num_inputs=1), 1, operations=operations)
    assert cell(torch.ones(1, 1)).item() == 2 + 4 + 2


def test_a_reduction_cell_halves_its_inputs_only() -> None:
    nodes = ((("max_pool_3x3", 0), ("avg_pool_3x3", 1)), (("max_pool_3x3", 2), ("conv_1x1", 0)))
    cell = NasNetCell(CellGenotype(nodes, (2, 3)), 4, reduction=True)
    assert cell(*torch.randn(2, 1, 4, 8, 8)).shape == (1, 8, 4, 4)


def test_everything_but_identities_may_be_dropped() -> None:
    nodes = ((("skip_connect", 0), ("max_pool_3x3", 1)),)
    cell = NasNetCell(CellGenotype(nodes, (2,)), 4, drop_path=DropPath(1.0)).train()
    first, second = torch.randn(2, 1, 4, 8, 8)
    assert torch.equal(cell(first, second), first)


def test_the_preprocessor_brings_the_outputs_before_a_cell_to_one_shape() -> None:
    before, last = torch.randn(1, 6, 8, 8), torch.randn(1, 5, 4, 4)
    shapes = {tuple(y.shape) for y in Preprocessor(6, 5, 4, reduce=True)(before, last)}
    assert shapes == {(1, 4, 4, 4)}


def test_an_unknown_operation_is_refused_with_the_nearest() -> None:
    genotype = CellGenotype(((("sep_conv_3x4", 0),),), (2,))
    with pytest.raises(UnknownNameError, match=r"no operation 'sep_conv_3x4'; .* sep_conv_3x3"):
        NasNetCell(genotype, 4)


def test_a_reduction_cell_cannot_give_out_its_inputs() -> None:
    genotype = CellGenotype(((("skip_connect", 0),),), (0, 2))
    with pytest.raises(InvalidSampleError, match="the output of a reduction cell includes input 0"):
        NasNetCell(genotype, 4, reduction=True)


class Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x
