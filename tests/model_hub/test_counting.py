"""Counting: conventions, memory, time, and what it leaves alone."""

from __future__ import annotations

import time
from collections import OrderedDict
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import model_hub
from model_hub.counting import profile
from model_hub.errors import InvalidArgumentError
from model_hub.spaces import ProxylessNAS


class Attention(nn.Module):
    """A linear layer on tokens and a product of activations, which does not count."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(1, 5, 8))
        self.project = nn.Linear(8, 12)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(x + self.embedding)
        return y @ y.transpose(1, 2)


def test_convolutions_count_weights_times_places_whatever_their_bias() -> None:
    convolution = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=True)
    counted = profile(convolution, (4, 9, 9))
    assert counted.macs == 3 * 3 * (4 // 2) * 6 * 5 * 5
    assert counted.parameters == 3 * 3 * 2 * 6 + 6


def test_one_dimensional_convolutions_count_too() -> None:
    assert profile(nn.Conv1d(4, 6, 5), (4, 20)).macs == 5 * 4 * 6 * 16


def test_linear_layers_count_each_token_and_products_of_activations_do_not() -> None:
    counted = profile(Attention(), (5, 8))
    assert counted.macs == 5 * 8 * 12
    assert counted.parameters == 5 * 8 + 8 * 12 + 12
    assert [layer.name for layer in counted.layers] == ["", "project"]


def test_a_module_called_twice_counts_twice_and_its_parameters_once() -> None:
    shared = nn.Linear(4, 4, bias=False)
    counted = profile(nn.Sequential(shared, nn.ReLU(), shared), (4,))
    assert (counted.macs, counted.parameters) == (32, 16)


def test_tied_parameters_count_where_they_come_first() -> None:
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    counted = profile(nn.Sequential(first, second), (4,))
    assert [layer.parameters for layer in counted.layers] == [16, 0]


def test_layers_that_are_never_called_say_so() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.used(x)
            return y

    counted = profile(Lazy(), (2,))
    assert [layer.output_shape for layer in counted.layers] == [(1, 2), None]
    assert "not called" in str(counted)


def test_peak_memory_is_what_lives_at_once() -> None:
    # 100 floats in, 200 after the first layer; the input still lives while that is computed.
    chain = nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 50))
    assert profile(chain, (100,)).peak_activation_bytes == 4 * (100 + 200 + 200)
    in_place = nn.Sequential(nn.Linear(100, 200), nn.ReLU(inplace=True), nn.Linear(200, 50))
    assert profile(in_place, (100,)).peak_activation_bytes == 4 * (100 + 200 + 50)


def test_a_long_chain_takes_no_more_memory_than_a_short_one() -> None:
    short, long = (nn.Sequential(*(nn.Linear(9, 9) for _ in range(n))) for n in (3, 30))
    assert profile(short, (9,)).peak_activation_bytes == profile(long, (9,)).peak_activation_bytes


def test_the_table_names_every_layer_and_ends_with_the_sums() -> None:
    layers = OrderedDict(conv=nn.Conv2d(3, 1000, 1), pool=nn.AdaptiveAvgPool2d(1))
    assert str(profile(nn.Sequential(layers), (3, 10, 10))).splitlines() == [
        "layer  kind               output      parameters  multiply-adds",
        "conv   Conv2d             1000x10x10       4,000        300,000",
        "pool   AdaptiveAvgPool2d  1000x1x1             0              0",
        "total                                      4,000        300,000",
        "peak activation memory 0.4 MiB",
    ]


def test_counting_changes_nothing_in_the_network() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator = torch.random.get_rng_state()
    profile(network, (3, 8, 8))
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    assert [module.training for module in network] == [True, False, True]
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert not any(module._forward_hooks for module in network.modules())


def test_an_input_may_be_given_instead_of_its_shape() -> None:
    embedding = nn.Embedding(10, 4)
    assert profile(embedding, torch.zeros(1, 7, dtype=torch.long)).layers[0].output_shape == (
        1,
        7,
        4,
    )


@pytest.mark.parametrize("shape", [(3, 0, 8), (3, -1), (3, 2.5), ("3",)])
def test_a_bad_shape_is_refused(shape: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"inputs: .* is not an integer from 1"):
        profile(nn.Identity(), shape)


def test_a_shape_that_the_network_does_not_take_is_refused() -> None:
    network = nn.Conv2d(3, 4, 3)
    with pytest.raises(InvalidArgumentError, match=r"does not accept \(1, 4, 8, 8\)"):
        profile(network, (4, 8, 8))
    assert network.training
    assert not network._forward_hooks


def test_a_searched_network_is_counted_in_a_fifth_of_a_second() -> None:
    space = ProxylessNAS()
    largest = {c.label: c.candidates[-1] for c in space.choices.choices}
    space.profile(largest)  # PyTorch loads parts of itself with the first
    spent = []
    for _ in range(3):
        began = time.process_time()
        space.profile(largest)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.2


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 3), st.sampled_from([8, 16, 32]))
@settings(max_examples=15)
def test_formulas_count_what_the_network_has(seed: int, width: int, cells: int, side: int) -> None:
    space = model_hub.space(
        "NasBench201", stem_out_channels=width, num_modules_per_stack=cells, image_size=side
    )
    sample = space.choices.sample(seed)
    counts, profile = space.counts(sample), space.profile(sample)
    assert counts is not None
    assert (counts.parameters, counts.macs) == (profile.parameters, profile.macs)
    outputs = [layer.output_shape for layer in profile.layers if layer.kind in {"Conv2d", "Linear"}]
    assert counts.activations == sum(prod(shape) for shape in outputs if shape is not None)


def test_equal_cells_of_nasbench201_have_equal_keys() -> None:
    space = model_hub.space("NasBench201")
    assert len({space.computes(sample) for sample in space.choices.grid()}) == 6_466
