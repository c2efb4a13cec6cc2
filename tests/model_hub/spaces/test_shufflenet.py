"""ShuffleNetSpace: recorded figures, searched models, the shuffle, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.spaces import ShuffleNetSpace
from model_hub.spaces.shufflenet_network import ShuffleBlock

KINDS = ("k3", "k5", "k7", "xcep")
RECORDED = {
    "ShuffleNetSpace": ShuffleNetSpace(),
    "ShuffleNetSpace-chsearch": ShuffleNetSpace(channel_search=True),
}

# Searched blocks, and searched blocks and channels (one-shot specification, section D.5).
BLOCKS = (2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3)
BLOCKS_OF_CHANNELS = (0, 0, 3, 1, 1, 1, 0, 0, 2, 0, 2, 1, 1, 0, 2, 0, 2, 1, 3, 2)
CHANNELS = (6, 5, 3, 5, 2, 6, 3, 4, 2, 5, 7, 5, 4, 6, 7, 4, 4, 5, 4, 3)


def written(kinds: tuple[int, ...]) -> dict[str, Any]:
    return {f"layer_{number}": KINDS[kind] for number, kind in enumerate(kinds, start=1)}


@pytest.mark.parametrize(("name", "space"), RECORDED.items())
def test_the_recorded_choices_and_size_come_out(
    golden: Callable[[str], Any], name: str, space: ShuffleNetSpace
) -> None:
    golden(name).check_labels(space)


@pytest.mark.parametrize(("name", "space"), RECORDED.items())
def test_the_recorded_counts_come_out(
    golden: Callable[[str], Any], name: str, space: ShuffleNetSpace
) -> None:
    golden(name).check_counts(space)


@pytest.mark.parametrize(("name", "space"), RECORDED.items())
def test_the_recorded_outputs_come_out(
    golden: Callable[[str], Any], name: str, space: ShuffleNetSpace
) -> None:
    golden(name).check_outputs(space)


def test_the_searched_model_has_its_recorded_layers(searched: Callable[[str], Any]) -> None:
    searched("spos").check_counts(ShuffleNetSpace())


def test_the_searched_model_has_its_recorded_outputs(searched: Callable[[str], Any]) -> None:
    searched("spos").check_outputs(ShuffleNetSpace())


def test_the_searched_blocks_have_their_published_cost() -> None:
    profile = ShuffleNetSpace().profile(written(BLOCKS))
    assert (profile.parameters, profile.macs) == (3_558_464, 322_918_720)


def test_norms_without_weights_take_their_parameters_away() -> None:
    profile = ShuffleNetSpace(affine=False).profile(written(BLOCKS))
    assert profile.parameters == 3_529_344


def test_the_searched_channels_have_their_published_cost() -> None:
    space = ShuffleNetSpace(channel_search=True)
    candidates = {choice.label: choice.candidates for choice in space.choices.choices}
    labels = [f"channel_{number}" for number in range(1, 21)]
    hidden = {
        label: candidates[label][place] for label, place in zip(labels, CHANNELS, strict=True)
    }
    profile = space.profile(written(BLOCKS_OF_CHANNELS) | hidden)
    assert (profile.parameters, profile.macs) == (3_432_579, 327_857_920)


@pytest.mark.parametrize(
    ("kind", "parameters", "macs"),
    [
        (0, 3_154_880, 295_842_496),
        (1, 3_211_968, 313_654_976),
        (2, 3_297_600, 340_373_696),
        (3, 3_870_816, 358_825_920),
    ],
)
def test_networks_of_one_kind_have_their_specified_cost(
    kind: int, parameters: int, macs: int
) -> None:
    profile = ShuffleNetSpace().profile(written((kind,) * 20))
    assert (profile.parameters, profile.macs) == (parameters, macs)


def test_the_grid_has_all_blocks_and_widths() -> None:
    assert ShuffleNetSpace().choices.size == 4**20
    assert ShuffleNetSpace(channel_search=True).choices.size == 32**20


def test_even_channels_pass_by_and_odd_ones_go_through() -> None:
    block = ShuffleBlock(8, 8, "k3", 1).eval()
    x = torch.randn(2, 8, 5, 5)
    y = block(x)
    assert torch.equal(y[:, :4], x[:, [0, 2, 4, 6]])
    assert torch.equal(y[:, 4:], block.branch_main(x[:, [1, 3, 5, 7]]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_of_stride_2_halves_the_size_rounded_up(kind: str) -> None:
    assert ShuffleBlock(6, 20, kind, 2)(torch.zeros(2, 6, 7, 7)).shape == (2, 20, 4, 4)


@pytest.mark.parametrize("channel_search", [False, True])
def test_it_trains(trains: Callable[..., None], *, channel_search: bool) -> None:
    space = ShuffleNetSpace(num_labels=2, channel_search=channel_search)
    trains(space.freeze(space.choices.sample(0)), 64)


def test_all_ways_to_a_network_are_one(freezes_alike: Callable[..., None]) -> None:
    space = ShuffleNetSpace(num_labels=2)
    freezes_alike(space, space.choices.sample(0))


def test_it_is_initialised_as_the_authors_do() -> None:
    torch.manual_seed(0)
    network = ShuffleNetSpace().freeze(written(BLOCKS))
    assert network.get_parameter("first_conv.0.weight").std().item() == pytest.approx(0.01, rel=0.1)
    last = network.get_parameter("conv_last.0.weight")
    assert last.std().item() == pytest.approx(1 / 640, rel=0.02)
    depthwise = network.get_parameter("features.19.branch_main.5.weight")
    assert depthwise.std().item() == pytest.approx(1, rel=0.05)
    assert network.get_parameter("classifier.0.weight").std().item() == pytest.approx(
        0.01, rel=0.02
    )
    biases = [parameter for name, parameter in network.named_parameters() if "bias" in name]
    assert len(biases) == 82
    assert all(torch.equal(bias, torch.full_like(bias, 1e-4)) for bias in biases)


def test_norms_without_weights_leave_those_of_the_stem() -> None:
    network = ShuffleNetSpace(affine=False).freeze(written(BLOCKS))
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [norm.affine for norm in norms] == [True] + [False] * (len(norms) - 1)


@pytest.mark.parametrize(
    ("arguments", "change", "message"),
    [
        ({}, {"layer_1": "k9"}, "layer_1: 'k9' is not one of 'k3', 'k5', 'k7', 'xcep'"),
        ({}, {"layer_1": 0}, "layer_1: 0 is not one of"),
        ({}, {"layer_21": "k3"}, "layer_21: ShuffleNetSpace has no such label; the nearest are"),
        ({}, {"channel_1": 6}, "channel_1: ShuffleNetSpace has no such label"),
        (
            {"channel_search": True},
            {"channel_1": 7},
            "channel_1: 7 is not one of 6, 12, 19, 25, 32, 38, 44, 51",
        ),
        ({"channel_search": True}, {"channel_20": 640}, "channel_20: 640 is not one of 64, 128"),
    ],
)
def test_a_bad_sample_is_refused_by_label(
    arguments: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    space = ShuffleNetSpace(**arguments)
    with pytest.raises(InvalidSampleError) as caught:
        space.freeze(space.choices.default | change)
    assert str(caught.value).startswith(message)


def test_a_sample_without_widths_is_refused_where_they_are_searched() -> None:
    with pytest.raises(InvalidSampleError, match="channel_1: the sample lacks this label"):
        ShuffleNetSpace(channel_search=True).freeze(written(BLOCKS))


@pytest.mark.parametrize(
    "arguments", [{"num_labels": 0}, {"channel_search": "yes"}, {"affine": None}]
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        ShuffleNetSpace(**arguments)
    assert caught.value.argument == next(iter(arguments))
