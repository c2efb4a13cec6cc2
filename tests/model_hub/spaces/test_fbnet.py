"""FBNet: published costs in both conventions, blocks and skips, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
import torch
from torch import nn

from model_hub.errors import InvalidArgumentError, InvalidSampleError, TooLargeError
from model_hub.spaces import FBNet
from model_hub.spaces.fbnet import SEARCHED_FBNETS
from model_hub.spaces.fbnet_network import FBNetBlock

CANDIDATES = ["k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip"]

# The same networks as places in the list of candidates (one-shot specification, section B.2).
PLACES = {
    "fbnet-a": (8, 2, 0, 8, 8, 7, 2, 4, 2, 7, 6, 5, 7, 3, 5, 6, 1, 7, 7, 6, 7, 7),
    "fbnet-b": (0, 3, 4, 0, 0, 7, 6, 3, 7, 7, 7, 8, 6, 7, 0, 4, 6, 7, 4, 7, 7, 3),
    "fbnet-c": (0, 3, 8, 0, 0, 7, 6, 7, 3, 7, 6, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 3),
    "all k3_e1": (0,) * 22,
}
HEADS = {"fbnet-a": 1504, "fbnet-b": 1984, "fbnet-c": 1984}


def written(places: tuple[int, ...]) -> dict[str, str]:
    return {f"layer_{number}": CANDIDATES[place] for number, place in enumerate(places, start=1)}


def of(*layers: str) -> dict[str, str]:
    """Return the sample that begins with these layers and goes on with the cheapest one."""
    return written((0,) * 22) | {f"layer_{number}": c for number, c in enumerate(layers, start=1)}


def test_the_space_has_22_layers_of_nine_candidates() -> None:
    choices = FBNet().choices
    assert choices.labels == tuple(f"layer_{number}" for number in range(1, 23))
    assert {choice.candidates for choice in choices.choices} == {tuple(CANDIDATES)}
    assert choices.size == 9**22


@pytest.mark.parametrize("name", SEARCHED_FBNETS)
def test_the_searched_networks_are_those_of_the_places(name: str) -> None:
    assert SEARCHED_FBNETS[name] == written(PLACES[name])


@pytest.mark.parametrize(
    ("name", "macs_with_pooling", "weights", "parameters"),
    [
        ("fbnet-a", 244_526_360, 4_270_288, 4_304_584),
        ("fbnet-b", 291_101_640, 4_766_672, 4_801_368),
        ("fbnet-c", 378_233_440, 5_525_424, 5_570_664),
    ],
)
def test_the_published_costs_come_out_without_expansions_of_1(
    name: str, macs_with_pooling: int, weights: int, parameters: int
) -> None:
    space = FBNet(head_width=HEADS[name], expands_always=False)
    profile = space.profile(SEARCHED_FBNETS[name])
    assert profile.macs + HEADS[name] * 7 * 7 == macs_with_pooling
    assert profile.parameters == parameters
    network = space.freeze(SEARCHED_FBNETS[name])
    assert sum(p.numel() for p in network.parameters() if p.dim() > 1) == weights


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("fbnet-a", 4_971_384, 258_680_888),
        ("fbnet-b", 4_863_288, 306_210_888),
        ("fbnet-c", 5_572_200, 384_960_160),
        ("all k3_e1", 3_175_096, 118_371_152),
    ],
)
def test_the_costs_of_hw_nas_bench_on_imagenet_come_out(
    name: str, parameters: int, macs: int
) -> None:
    profile = FBNet().profile(written(PLACES[name]))
    assert (profile.parameters, profile.macs) == (parameters, macs)


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("fbnet-a", 2_966_964, 77_580_032),
        ("fbnet-b", 2_858_868, 88_725_504),
        ("fbnet-c", 3_567_780, 114_439_552),
        ("all k3_e1", 1_170_676, 31_322_240),
    ],
)
def test_the_costs_of_hw_nas_bench_on_cifar100_come_out(
    name: str, parameters: int, macs: int
) -> None:
    space = FBNet(dataset="cifar", num_labels=100, head_width=1504)
    profile = space.profile(written(PLACES[name]))
    assert (profile.parameters, profile.macs) == (parameters, macs)


def test_weights_lie_where_timm_has_them() -> None:
    # Its fbnetc_100 has stages of these numbers of blocks, {conv_pw, conv_dw, conv_pwl} in each.
    names = FBNet().freeze(SEARCHED_FBNETS["fbnet-c"]).state_dict().keys()
    convolutions = [
        f"blocks.{stage}.{place}.{layer}.weight"
        for stage, blocks in enumerate((1, 3, 4, 4, 4, 4, 1))
        for place in range(blocks)
        for layer in (0, 3, 6)
    ]
    assert [name for name in names if name in convolutions] == convolutions
    assert "blocks.1.3.0.weight" not in names
    assert {"stem.0.weight", "head.0.weight", "classifier.weight"} <= names


def test_a_skip_passes_on_what_keeps_its_shape() -> None:
    network: Any = FBNet().freeze(of("skip", "k3_e1", "skip"))
    x = torch.randn(1, 16, 4, 4)
    assert torch.equal(network.blocks[0](x), x)
    assert [len(stage) for stage in network.blocks] == [0, 3, 4, 4, 4, 4, 1]


@pytest.mark.parametrize("layer", CANDIDATES)
def test_any_candidate_may_change_width_and_resolution(layer: str) -> None:
    network: Any = FBNet().freeze(of("k3_e1", layer))
    y = network.eval().blocks[:2](torch.zeros(1, 16, 9, 9))
    assert y.shape == (1, 24, 5, 5)


def test_a_skip_that_changes_the_shape_is_a_convolution() -> None:
    network = FBNet().freeze(of("k3_e1", "skip"))
    assert network.get_parameter("blocks.1.0.0.weight").shape == (24, 16, 1, 1)
    assert network.get_submodule("blocks.1.0.2").extra_repr() == "inplace=True"


def test_grouped_blocks_shuffle_their_channels() -> None:
    block = FBNetBlock(4, 4, kernel_size=3, expand_ratio=1, groups=2, expands=False)
    x = torch.arange(4.0).view(1, 4, 1, 1)
    assert block[0](x).flatten().tolist() == [0, 2, 1, 3]
    assert [m.groups for m in block.modules() if isinstance(m, nn.Conv2d)] == [4, 2]
    block = FBNetBlock(4, 4, kernel_size=3, expand_ratio=1, groups=2)
    assert isinstance(block[3], nn.ChannelShuffle)
    assert [m.groups for m in block.modules() if isinstance(m, nn.Conv2d)] == [2, 4, 2]


@pytest.mark.parametrize(("out_channels", "stride"), [(8, 1), (8, 2), (16, 1)])
def test_a_block_adds_its_input_where_the_shapes_are_equal(out_channels: int, stride: int) -> None:
    block = FBNetBlock(8, out_channels, stride, kernel_size=3, expand_ratio=3).eval()
    x = torch.randn(2, 8, 4, 4)
    y = nn.Sequential(*block)(x)
    assert torch.equal(block(x), x + y if (out_channels, stride) == (8, 1) else y)


@pytest.mark.parametrize("expands_always", [True, False])
def test_it_trains(trains: Callable[..., None], *, expands_always: bool) -> None:
    space = FBNet(num_labels=2, head_width=16, dataset="cifar", expands_always=expands_always)
    trains(space.freeze(SEARCHED_FBNETS["fbnet-a"]), 32)


def test_all_ways_to_a_network_are_one(freezes_alike: Callable[..., None]) -> None:
    space = FBNet(num_labels=2, head_width=16)
    freezes_alike(space, space.choices.sample(0))


def test_norms_and_initialisation_are_those_of_the_space() -> None:
    torch.manual_seed(0)
    space = FBNet(bn_eps=0.01, bn_momentum=0.2, dropout_rate=0.3)
    network = space.freeze(SEARCHED_FBNETS["fbnet-a"])
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(0.01, 0.2)}
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.3]
    head = network.get_parameter("head.0.weight")
    assert head.std().item() == pytest.approx(sqrt(2 / 1984), rel=0.02)
    classifier = network.get_parameter("classifier.weight")
    assert classifier.std().item() == pytest.approx(0.001, rel=0.02)
    assert not network.get_parameter("classifier.bias").any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_1": "k7_e6"}, "layer_1: 'k7_e6' is not one of 'k3_e1', 'k3_e1_g2'"),
        ({"layer_1": 8}, "layer_1: 8 is not one of"),
        ({"layer_1": None}, "layer_1: None is not one of"),
        ({"layer_0": "skip"}, "layer_0: FBNet has no such label; the nearest are layer_"),
    ],
)
def test_a_bad_sample_is_refused_by_label(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSampleError) as caught:
        FBNet().freeze(of() | change)
    assert str(caught.value).startswith(message)


def test_a_sample_that_lacks_a_layer_is_refused() -> None:
    sample = of()
    del sample["layer_22"]
    with pytest.raises(InvalidSampleError, match="layer_22: the sample lacks this label of FBNet"):
        FBNet().freeze(sample)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_labels": 0},
        {"head_width": 1.5},
        {"dataset": "cifar100"},
        {"expands_always": "no"},
        {"dropout_rate": 2},
        {"bn_eps": -1},
        {"bn_momentum": "0.1"},
    ],
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        FBNet(**arguments)
    assert caught.value.argument == next(iter(arguments))


def test_a_network_larger_than_the_memory_is_refused_before_it_is_made() -> None:
    space = FBNet(head_width=1 << 20, num_labels=1 << 20)
    with pytest.raises(TooLargeError, match="GiB"):
        space.freeze(space.choices.default)
