"""MobileNetV3Space: recorded figures, searched models, widths and gates, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
import torch
from torch import nn

from model_hub.errors import InvalidArgumentError, InvalidSampleError, TooLargeError
from model_hub.spaces import MobileNetV3Space

# Depths that the arguments recorded with these five models do not allow (the specification, 9.2).
DEPTH_RANGES: dict[str, Any] = {
    "mobilenetv3-small-050": {"depth_range": (1, 3)},
    "mobilenetv3-small-075": {"depth_range": (1, 3)},
    "mobilenetv3-small-100": {"depth_range": (1, 3)},
    "cream-481": {"depth_range": (1, 6)},
    "cream-604": {"depth_range": (1, 6)},
}
MODELS = [
    "mobilenetv3-large-100",
    "mobilenetv3-small-050",
    "mobilenetv3-small-075",
    "mobilenetv3-small-100",
    "cream-014",
    "cream-043",
    "cream-114",
    "cream-287",
    "cream-481",
    "cream-604",
]
WITHOUT_OUTPUTS = {"mobilenetv3-small-075", "cream-043", "cream-481"}

# The specification, sections 9.2, 9.3 and 10.3.
LARGE_ARGUMENTS: dict[str, Any] = {
    "base_widths": (16, 16, 24, 40, 80, 112, 160, 960, 1280),
    "width_multipliers": 1.0,
    "expand_ratios": (1.0, 2.0, 2.3, 2.5, 3.0, 4.0, 6.0),
    "squeeze_excite": ("none", "none", "force", "none", "force", "force"),
    "bn_eps": 1e-5,
}
LARGE = {
    1: "4/3 3/3",
    2: "3/5 3/5 3/5",
    3: "6/3 2.5/3 2.3/3 2.3/3",
    4: "6/3 6/3",
    5: "6/5 6/5 6/5",
}


def written(stages: dict[int, str]) -> dict[str, Any]:
    sample: dict[str, Any] = {"stem_ks": 3, "s0_i0_ks": 3}
    for stage, text in stages.items():
        blocks = text.split()
        sample[f"s{stage}_depth"] = len(blocks)
        for place, block in enumerate(blocks):
            ratio, kernel_size = block.split("/")
            sample[f"s{stage}_i{place}_exp"] = float(ratio)
            sample[f"s{stage}_i{place}_ks"] = int(kernel_size)
    return sample


@pytest.fixture
def small() -> MobileNetV3Space:
    return MobileNetV3Space(num_labels=2, base_widths=(8,) * 9, depth_range=(1, 2))


def test_the_recorded_choices_and_size_come_out(golden: Callable[[str], Any]) -> None:
    golden("MobileNetV3Space").check_labels(MobileNetV3Space())


def test_the_recorded_counts_come_out(golden: Callable[[str], Any]) -> None:
    golden("MobileNetV3Space").check_counts(MobileNetV3Space())


def test_the_recorded_outputs_come_out(golden: Callable[[str], Any]) -> None:
    golden("MobileNetV3Space").check_outputs(MobileNetV3Space())


@pytest.mark.parametrize("name", MODELS)
def test_the_searched_models_have_their_recorded_layers(
    searched: Callable[[str], Any], name: str
) -> None:
    model = searched(name)
    model.check_counts(MobileNetV3Space(**model.arguments | DEPTH_RANGES.get(name, {})))


@pytest.mark.parametrize("name", [name for name in MODELS if name not in WITHOUT_OUTPUTS])
def test_the_searched_models_have_their_recorded_outputs(
    searched: Callable[[str], Any], name: str
) -> None:
    model = searched(name)
    model.check_outputs(MobileNetV3Space(**model.arguments | DEPTH_RANGES.get(name, {})))


def test_mobilenetv3_large_has_its_published_cost() -> None:
    profile = MobileNetV3Space(**LARGE_ARGUMENTS).profile(written(LARGE))
    assert (profile.parameters, profile.macs) == (5_483_032, 216_589_760)


def test_the_default_sample_has_its_specified_cost() -> None:
    space = MobileNetV3Space()
    profile = space.profile(space.choices.default)
    assert (profile.parameters, profile.macs) == (696_872, 10_471_296)


def test_the_space_has_its_specified_size() -> None:
    choices = MobileNetV3Space().choices
    assert len(choices.choices) == 67
    assert choices.raw_size == 1_849_462_701_240_501_527_952_274_730_990_671_233_024


def test_samples_of_any_shape_work(small: MobileNetV3Space) -> None:
    for seed in range(5):
        sample = small.choices.sample(seed)
        network = small.freeze(sample).eval()
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 2)
        assert small.profile(sample).parameters == sum(p.numel() for p in network.parameters())


def test_it_trains(small: MobileNetV3Space, trains: Callable[..., None]) -> None:
    trains(small.freeze(small.choices.sample(0)), 64)


def test_mobilenetv3_large_trains(trains: Callable[..., None]) -> None:
    space = MobileNetV3Space(**LARGE_ARGUMENTS, num_labels=2)
    trains(space.freeze(written(LARGE)), 64)


def test_all_ways_to_a_network_are_one(
    small: MobileNetV3Space, freezes_alike: Callable[..., None]
) -> None:
    freezes_alike(small, small.choices.sample(0))


def test_norms_and_initialisation_are_those_of_the_space() -> None:
    torch.manual_seed(0)
    space = MobileNetV3Space(bn_eps=0.01, bn_momentum=0.2, dropout_rate=0.3)
    network = space.freeze(space.choices.default)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(0.01, 0.2)}
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.3]
    last = network.get_parameter("blocks.8.0.weight")
    assert last.std().item() == pytest.approx(sqrt(2 / 512), rel=0.02)
    assert network.get_parameter("blocks.8.0.bias").any()
    assert not network.get_parameter("classifier.1.bias").any()


def test_stem_and_stage_0_share_their_multiplier(small: MobileNetV3Space) -> None:
    network = small.freeze(small.choices.default | {"s0_width_mult": 2.0})
    assert network.get_parameter("stem.0.weight").shape[0] == 16
    assert network.get_parameter("blocks.0.3.weight").shape[:2] == (16, 16)
    assert network.get_parameter("blocks.1.0.0.weight").shape[:2] == (16, 16)
    assert network.get_parameter("blocks.1.0.6.weight").shape[0] == 8


@pytest.mark.parametrize("multiplier", [1, 1.0])
def test_a_multiplier_may_be_an_integer(multiplier: float) -> None:
    space = MobileNetV3Space(width_multipliers=multiplier)
    assert not [label for label in space.choices.labels if label.endswith("width_mult")]
    network = space.freeze(space.choices.default)
    assert network.get_parameter("classifier.1.weight").shape == (1000, 1024)


@pytest.mark.parametrize(
    ("multipliers", "stage_0", "stage_4"), [(1.0, True, True), ((1.0,), False, False)]
)
def test_only_fixed_widths_link_the_first_block_of_a_stage(
    multipliers: float | tuple[float, ...], *, stage_0: bool, stage_4: bool
) -> None:
    space = MobileNetV3Space(
        base_widths=(16,) * 9, width_multipliers=multipliers, depth_range=(2, 2)
    )
    network: Any = space.freeze(space.choices.default)
    assert network.blocks[0].residual is stage_0
    assert [block.residual for block in network.blocks[3]] == [False, True]
    assert [block.residual for block in network.blocks[4]] == [stage_4, True]


def test_an_optional_gate_leaves_no_hole_where_it_is_not_chosen() -> None:
    space = MobileNetV3Space(squeeze_excite=("optional",) * 6)
    assert "s0_i0_se" in space.choices.labels
    without = space.choices.default
    names = space.freeze(without).state_dict().keys()
    assert {"blocks.0.3.weight", "blocks.1.0.6.weight"} <= names
    gated = without | {"s0_i0_se": "se", "s1_i0_se": "se"}
    names = space.freeze(gated).state_dict().keys()
    assert {"blocks.0.3.conv_reduce.bias", "blocks.0.4.weight"} <= names
    assert {"blocks.1.0.6.conv_expand.bias", "blocks.1.0.7.weight"} <= names


@pytest.mark.parametrize(("se_from_exp", "reduced"), [(True, (16, 48, 32)), (False, (16, 16, 8))])
def test_gates_reduce_the_hidden_width_or_the_input_width(
    reduced: tuple[int, ...], *, se_from_exp: bool
) -> None:
    space = MobileNetV3Space(
        base_widths=(64, 64, 32, 32, 64, 128, 256, 512, 1024),
        width_multipliers=1.0,
        expand_ratios=(3, 4),
        squeeze_excite=("force", "force", "none", "none", "none", "none"),
        depth_range=((2, 2), (1, 1), (1, 1), (1, 1), (1, 1)),
        se_from_exp=se_from_exp,
    )
    network = space.freeze(space.choices.default | {"s1_i1_exp": 4})
    names = ("blocks.0.3", "blocks.1.0.6", "blocks.1.1.6")
    gates = (network.get_parameter(f"{name}.conv_reduce.weight") for name in names)
    assert tuple(gate.shape[0] for gate in gates) == reduced


def test_each_stage_may_have_its_own_depths() -> None:
    pairs = ((1, 2), (2, 2), (3, 5), (1, 4), (1, 1))
    choices = {c.label: c for c in MobileNetV3Space(depth_range=pairs).choices.choices}
    depths = [choices[f"s{stage}_depth"].candidates for stage in range(1, 6)]
    assert depths == [(1, 2), (2,), (3, 4, 5), (1, 2, 3, 4), (1,)]
    assert "s3_i4_ks" in choices
    assert "s5_i1_ks" not in choices


def test_a_space_may_have_fewer_stages() -> None:
    space = MobileNetV3Space(
        base_widths=(8, 8, 16, 32, 64),
        squeeze_excite=("none", "force"),
        stride=(2, 1, 2, 2, 1),
        activation=("relu",) * 5,
    )
    assert len(space.choices.labels) == 3 + 1 + 4 * 2 + 3
    network = space.freeze(space.choices.default)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 1000)


def test_the_stage_0_depth_of_published_samples_is_ignored() -> None:
    choices = MobileNetV3Space().choices
    assert choices.validate(choices.default | {"s0_depth": 1}) == choices.default


def test_ratios_may_be_written_as_integers() -> None:
    choices = MobileNetV3Space(expand_ratios=(1, 6)).choices
    assert choices.to_json(choices.default | {"s1_i0_exp": 6}) == choices.to_json(
        choices.default | {"s1_i0_exp": 6.0}
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"s0_i0_ks": 9}, "s0_i0_ks: 9 is not one of 3, 5, 7"),
        ({"s1_depth": 0}, "s1_depth: 0 is not one of 1, 2, 3, 4"),
        ({"s1_depth": 5}, "s1_depth: 5 is not one of 1, 2, 3, 4"),
        ({"s1_depth": 2}, "s1_i1_exp: the sample lacks this label of MobileNetV3Space"),
        ({"s2_i0_se": True}, "s2_i0_se: True is not one of 'identity', 'se'"),
        ({"s1_i0_se": "se"}, "s1_i0_se: MobileNetV3Space has no such label; the nearest are s"),
        ({"s8_width_mult": 1.0}, "s8_width_mult: MobileNetV3Space has no such label"),
    ],
)
def test_a_bad_sample_is_refused_by_label(change: dict[str, Any], message: str) -> None:
    space = MobileNetV3Space()
    with pytest.raises(InvalidSampleError) as caught:
        space.freeze(space.choices.default | change)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_labels": 0},
        {"base_widths": (16, 16, 32, 64)},
        {"base_widths": "sixteen"},
        {"base_widths": (16,) * 8 + (0,)},
        {"width_multipliers": ()},
        {"width_multipliers": 0},
        {"width_multipliers": (1.0, 1)},
        {"width_multipliers": (1.0, "2")},
        {"width_multipliers": True},
        {"expand_ratios": 6.0},
        {"expand_ratios": (float("inf"),)},
        {"squeeze_excite": "force"},
        {"squeeze_excite": ("none",) * 5},
        {"squeeze_excite": ("forced", *("none",) * 5)},
        {"depth_range": (0, 4)},
        {"depth_range": (3, 2)},
        {"depth_range": (1, 2, 3)},
        {"depth_range": (1, 65)},
        {"depth_range": ((1, 4), (1, 4))},
        {"depth_range": ((1, 4), (1, 4), (1, 4), (1, 4), (1, 4.5))},
        {"depth_range": 4},
        {"stride": (2, 1, 2)},
        {"stride": (3, 1, 2, 2, 2, 1, 2, 1, 1)},
        {"activation": ("gelu",) * 9},
        {"activation": ("relu",) * 8},
        {"se_from_exp": "yes"},
        {"dropout_rate": -0.1},
        {"bn_eps": float("nan")},
        {"bn_momentum": 2},
    ],
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        MobileNetV3Space(**arguments)
    assert caught.value.argument == next(iter(arguments))


def test_a_network_larger_than_the_memory_is_refused_before_it_is_made() -> None:
    space = MobileNetV3Space(base_widths=(1 << 20,) * 9)
    with pytest.raises(TooLargeError, match="GiB"):
        space.freeze(space.choices.default)
