"""SinglePathNAS: the searched network, the runtime model, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
import torch
from torch import nn

from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.spaces import SinglePathNAS
from model_hub.spaces.single_path_nas import SEARCHED_SINGLE_PATH_NAS

BLOCKS = ("3x3-3", "3x3-6", "5x5-3", "5x5-6")


def written(first: str, others: str) -> dict[str, str]:
    """Return the sample of one candidate for the first layer of each stage, one for the others."""
    return {f"layer_{1 + place}": others if place % 4 else first for place in range(20)}


def test_only_the_first_layer_of_a_stage_is_always_there() -> None:
    choices = SinglePathNAS().choices
    assert choices.labels == tuple(f"layer_{number}" for number in range(1, 21))
    assert [choice.candidates for choice in choices.choices] == [
        BLOCKS if place % 4 == 0 else (*BLOCKS, "skip") for place in range(20)
    ]
    assert choices.size == (4 * 5**3) ** 5


def test_the_searched_network_has_its_published_cost() -> None:
    # The one-shot specification, section C.5: timm's spnasnet_100.
    profile = SinglePathNAS().profile(SEARCHED_SINGLE_PATH_NAS)
    assert (profile.parameters, profile.macs) == (4_421_616, 333_467_072)


def test_the_largest_network_has_its_specified_cost() -> None:
    profile = SinglePathNAS().profile(written("5x5-6", "5x5-6"))
    assert (profile.parameters, profile.macs) == (4_833_768, 525_305_600)


@pytest.mark.parametrize(
    ("sample", "milliseconds"),
    [
        (written("5x5-6", "5x5-6"), 131.4578),
        (written("3x3-6", "3x3-6"), 110.6524),
        (written("5x5-3", "5x5-3"), 76.3622),
        (written("3x3-3", "3x3-3"), 65.635646),
        (written("3x3-3", "skip"), 30.789985),
        (SEARCHED_SINGLE_PATH_NAS, 80.592595),
    ],
)
def test_the_specified_runtimes_come_out(sample: dict[str, str], milliseconds: float) -> None:
    # The one-shot specification, section C.3, to its last digit.
    assert SinglePathNAS().runtime(sample) == pytest.approx(milliseconds, rel=0, abs=6e-7)


def test_the_runtime_of_a_bad_sample_is_refused() -> None:
    with pytest.raises(InvalidSampleError, match="layer_1: 'skip' is not one of '3x3-3'"):
        SinglePathNAS().runtime(written("skip", "skip"))


def test_weights_lie_where_timm_has_them() -> None:
    # Its spnasnet_100 has a depthwise separable block, then inverted residuals: (1, 3, 4, ...).
    names = SinglePathNAS().freeze(SEARCHED_SINGLE_PATH_NAS).state_dict().keys()
    convolutions = ["blocks.0.0.0.weight", "blocks.0.0.3.weight"] + [
        f"blocks.{stage}.{place}.{layer}.weight"
        for stage, blocks in enumerate((3, 4, 4, 4, 4, 1), start=1)
        for place in range(blocks)
        for layer in (0, 3, 6)
    ]
    assert [name for name in names if name in convolutions] == convolutions
    assert "blocks.0.0.6.weight" not in names
    assert "blocks.1.3.0.weight" not in names
    assert {"stem.0.weight", "head.0.weight", "classifier.weight"} <= names


def test_the_first_of_a_stage_and_the_fixed_blocks_add_no_input() -> None:
    network: Any = SinglePathNAS().freeze(written("3x3-3", "3x3-3"))
    added = [[block.residual for block in stage] for stage in network.blocks]
    assert added == [[False], *[[False, True, True, True]] * 5, [False]]


def test_all_activations_are_relu() -> None:
    network = SinglePathNAS().freeze(SEARCHED_SINGLE_PATH_NAS)
    assert sum(isinstance(m, nn.ReLU) for m in network.modules()) == 1 + 1 + 2 * 20 + 1
    assert not any(isinstance(m, nn.ReLU6) for m in network.modules())


def test_it_trains(trains: Callable[..., None]) -> None:
    # Of all classes: those of few start far apart, too far for the step size of the check.
    space = SinglePathNAS(dropout_rate=0)
    trains(space.freeze(SEARCHED_SINGLE_PATH_NAS), 64)


def test_all_ways_to_a_network_are_one(freezes_alike: Callable[..., None]) -> None:
    space = SinglePathNAS(num_labels=2)
    freezes_alike(space, space.choices.sample(0))


def test_norms_and_initialisation_are_those_of_the_authors() -> None:
    torch.manual_seed(0)
    network = SinglePathNAS().freeze(SEARCHED_SINGLE_PATH_NAS)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.2]
    head = network.get_parameter("head.0.weight")
    assert head.std().item() == pytest.approx(sqrt(2 / 1280), rel=0.02)
    classifier = network.get_parameter("classifier.weight")
    assert classifier.abs().max().item() == pytest.approx(1 / sqrt(1000), rel=1e-3)
    assert not network.get_parameter("classifier.bias").any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_1": "skip"}, "layer_1: 'skip' is not one of '3x3-3', '3x3-6', '5x5-3', '5x5-6'"),
        ({"layer_2": "7x7-6"}, "layer_2: '7x7-6' is not one of '3x3-3'"),
        ({"layer_2": 3}, "layer_2: 3 is not one of"),
        ({"layer_21": "skip"}, "layer_21: SinglePathNAS has no such label; the nearest are layer_"),
    ],
)
def test_a_bad_sample_is_refused_by_label(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSampleError) as caught:
        SinglePathNAS().freeze(written("3x3-3", "skip") | change)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "arguments",
    [{"num_labels": -1}, {"dropout_rate": "0.2"}, {"bn_eps": 2}, {"bn_momentum": -0.01}],
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        SinglePathNAS(**arguments)
    assert caught.value.argument == next(iter(arguments))
