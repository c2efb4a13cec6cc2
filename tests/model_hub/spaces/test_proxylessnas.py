"""ProxylessNAS: recorded figures, initialisation, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
import torch
from torch import nn

from model_hub.errors import InvalidArgumentError, InvalidSampleError, TooLargeError
from model_hub.spaces import ProxylessNAS

# The specification, sections 9.3 and 10.3.
MOBILE = {
    "s2": "k5e3 k3e3",
    "s3": "k7e3 k3e3 k5e3 k5e3",
    "s4": "k7e6 k5e3 k5e3 k5e3",
    "s5": "k5e6 k5e3 k5e3 k5e3",
    "s6": "k7e6 k7e6 k7e3 k7e3",
    "s7": "k7e6",
}


def written(stages: dict[str, str]) -> dict[str, Any]:
    sample: dict[str, Any] = {}
    for stage, text in stages.items():
        blocks = text.split()
        sample[f"{stage}_depth"] = len(blocks)
        sample |= {f"{stage}_i{place}": block for place, block in enumerate(blocks)}
    return sample


@pytest.fixture
def small() -> ProxylessNAS:
    return ProxylessNAS(num_labels=2, base_widths=(8,) * 9)


def test_the_recorded_choices_and_size_come_out(golden: Callable[[str], Any]) -> None:
    golden("ProxylessNAS").check_labels(ProxylessNAS())


def test_the_recorded_counts_come_out(golden: Callable[[str], Any]) -> None:
    golden("ProxylessNAS").check_counts(ProxylessNAS())


def test_the_recorded_outputs_come_out(golden: Callable[[str], Any]) -> None:
    golden("ProxylessNAS").check_outputs(ProxylessNAS())


def test_the_searched_mobile_network_has_its_published_cost() -> None:
    profile = ProxylessNAS().profile(written(MOBILE))
    assert (profile.parameters, profile.macs) == (4_080_512, 320_427_584)


def test_the_default_output_is_that_of_the_specification(
    outputs: Callable[[nn.Module, int], torch.Tensor],
) -> None:
    space = ProxylessNAS()
    logits = outputs(space.freeze(space.choices.default), 224)
    assert logits[0, :3].tolist() == pytest.approx(
        [-0.1491182222, -0.2816350278, -0.1570696143], rel=1e-6
    )


def test_the_grid_would_have_every_depth() -> None:
    # 6 + 6**2 + 6**3 + 6**4 = 1554 ways for each of five stages, 6 for the last block.
    assert ProxylessNAS().choices.size == 1554**5 * 6


def test_it_trains(small: ProxylessNAS, trains: Callable[..., None]) -> None:
    trains(small.freeze(small.choices.sample(0)), 64)


def test_all_ways_to_a_network_are_one(
    small: ProxylessNAS, freezes_alike: Callable[..., None]
) -> None:
    freezes_alike(small, small.choices.sample(0))


def test_norms_and_initialisation_are_those_of_the_space() -> None:
    torch.manual_seed(0)
    space = ProxylessNAS(bn_eps=0.01, bn_momentum=0.2)
    network = space.freeze(space.choices.default)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(0.01, 0.2)}
    wide = network.get_parameter("feature_mix_layer.0.weight")
    assert wide.std().item() == pytest.approx(sqrt(2 / 1280), rel=0.02)
    assert network.get_parameter("classifier.weight").std().item() == pytest.approx(0.01, rel=0.02)
    assert not network.get_parameter("classifier.bias").any()


def test_the_classifier_is_exempt_from_weight_decay(small: ProxylessNAS) -> None:
    network: Any = small.freeze(small.choices.default)
    assert network.no_weight_decay() == {"classifier.weight", "classifier.bias"}


def test_the_stage_7_depth_of_published_samples_is_ignored() -> None:
    choices = ProxylessNAS().choices
    assert "s7_depth" not in choices.validate(written(MOBILE))


def test_labels_of_dropped_blocks_may_be_missing_or_there(small: ProxylessNAS) -> None:
    canonical = small.choices.default
    assert small.choices.validate(canonical | {"s2_i3": "k7e6"}) == canonical


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"s2_i0": "k9e3"}, "s2_i0: 'k9e3' is not one of 'k3e3', 'k5e3'"),
        ({"s2_depth": 5}, "s2_depth: 5 is not one of 1, 2, 3, 4"),
        ({"s2_depth": 2}, "s2_i1: the sample lacks this label of ProxylessNAS"),
        ({"s2_i0": ["k3e3"]}, "s2_i0: "),
        ({"s9_i0": "k3e3"}, "s9_i0: ProxylessNAS has no such label; the nearest are s"),
    ],
)
def test_a_bad_sample_is_refused_by_label(change: dict[str, Any], message: str) -> None:
    space = ProxylessNAS()
    with pytest.raises(InvalidSampleError) as caught:
        space.freeze(space.choices.default | change)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_labels": 0},
        {"num_labels": True},
        {"base_widths": (32, 16)},
        {"base_widths": (32, 16, 32, 40, 80, 96, 192, 320, -1)},
        {"base_widths": "proxyless"},
        {"dropout_rate": 1.5},
        {"width_mult": 0},
        {"bn_momentum": float("nan")},
    ],
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        ProxylessNAS(**arguments)
    assert caught.value.argument == next(iter(arguments))


def test_a_network_larger_than_the_memory_is_refused_before_it_is_made() -> None:
    space = ProxylessNAS(base_widths=(1 << 20,) * 9)
    with pytest.raises(TooLargeError, match="GiB"):
        space.freeze(space.choices.default)


@pytest.mark.parametrize("name", ["acenas-m1", "acenas-m2", "proxyless-cpu", "proxyless-mobile"])
def test_the_searched_models_have_their_recorded_outputs(
    searched: Callable[[str], Any], name: str
) -> None:
    model = searched(name)
    model.check_outputs(ProxylessNAS(**model.arguments))
