"""The cells as modules of their own: any size, operations of the user's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from model_hub.cells import CellGenotype, CellGraph
from model_hub.errors import InvalidSampleError, UnknownNameError
from model_hub.spaces.nasbench101_network import NasBench101Cell
from model_hub.spaces.nasbench201_network import NasBench201Cell
from model_hub.spaces.nasnet_network import NasNetCell

USERS = {"twice": lambda _: Scale(2.0), "wide": lambda channels: nn.Conv2d(channels, channels, 1)}


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def edges(num_tensors: int, name: str) -> dict[tuple[int, int], str]:
    return {(source, target): name for target in range(1, num_tensors) for source in range(target)}


@pytest.mark.parametrize("num_tensors", [2, 3, 4, 6])
def test_a_cell_of_sums_may_have_any_number_of_tensors(num_tensors: int) -> None:
    cell = NasBench201Cell(
        edges(num_tensors, "twice"), 4, num_tensors=num_tensors, candidates=USERS
    )
    x = torch.ones(1, 4, 3, 3)
    # t0 = 1; each next one is twice the sum of all before: 2, 6, 18, …
    assert torch.equal(cell(x), x * 2 * 3 ** (num_tensors - 2))


def test_a_cell_of_sums_has_the_benchmarks_operations_by_default() -> None:
    cell = NasBench201Cell(edges(5, "conv_3x3"), 8, num_tensors=5)
    assert sum(isinstance(module, nn.Conv2d) for module in cell.modules()) == 10


def test_an_edge_without_an_operation_is_named() -> None:
    with pytest.raises(InvalidSampleError, match="cell/0_4"):
        NasBench201Cell(edges(4, "conv_3x3"), 8, num_tensors=5)
    with pytest.raises(InvalidSampleError, match="candidates are twice, wide"):
        NasBench201Cell(edges(4, "conv_3x3"), 8, candidates=USERS)


def test_a_cell_of_a_graph_takes_operations_of_the_users() -> None:
    graph = CellGraph(("twice", "wide"), ((), (0,), (0, 1), (1, 2)))
    cell = NasBench101Cell(graph, 6, 8, candidates=USERS)
    x = torch.randn(2, 6, 5, 5)
    y = cell(x)
    assert y.shape == (2, 8, 5, 5)
    y.sum().backward()
    assert all(weight.grad is not None for weight in cell.parameters())


def test_an_operation_that_a_graph_cannot_have_is_named() -> None:
    graph = CellGraph(("twice",), ((), (0,), (1,)))
    with pytest.raises(InvalidSampleError, match="op1"):
        NasBench101Cell(graph, 6, 8)


def test_a_cell_of_nodes_takes_any_inputs_and_operations() -> None:
    genotype = CellGenotype(
        nodes=((("twice", 0), ("twice", 1), ("twice", 2)), (("twice", 3),)),
        concat=(3, 4),
        num_inputs=3,
    )
    operations = {"twice": lambda _channels, _stride: Scale(2.0)}
    cell = NasNetCell(genotype, 4, operations=operations)
    inputs = [torch.ones(1, 4, 3, 3)] * 3
    assert cell(*inputs).unique().tolist() == [6.0, 12.0]
    with pytest.raises(UnknownNameError):
        NasNetCell(genotype, 4)
