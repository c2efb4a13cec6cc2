"""The NDS families: published counts, structure against its formulas, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nds_networks import nds_flops

from model_hub.cells import CellGenotype
from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.spaces import ResidualBasic, ResidualBottleneck, Vanilla
from model_hub.spaces.nasnet import NdsCells
from model_hub.spaces.nds_stages import StageSpace

FIXED: dict[str, Any] = {"depths": (1, 2, 1), "widths": (8, 8, 12), "strides": (1, 2, 2)}


def conv(before: int, after: int, size: int, groups: int = 1) -> int:
    """Count the parameters of a convolution without bias and its norm."""
    return before // groups * after * size * size + 2 * after


def expected_parameters(kind: type[StageSpace], stages: list[tuple[int, ...]], stem: int) -> int:
    """Count by the published structure: stages of depth, stride, width, inner width, groups."""
    total, before = conv(3, stem, 3), stem
    for depth, stride, width, inner, groups in stages:
        for place in range(depth):
            step = 1 if place else stride
            if kind is ResidualBottleneck:
                total += conv(before, inner, 1) + conv(inner, inner, 3, groups)
                total += conv(inner, width, 1)
            else:
                total += conv(before, width, 3) + conv(width, width, 3)
            if kind is not Vanilla and (step != 1 or before != width):
                total += conv(before, width, 1)
            before = width
    return total + 10 * before + 10


def test_the_published_residual_network_has_its_published_cost() -> None:
    # raw-formats.md, section 3
    space = ResidualBasic(depths=(12, 12, 12), widths=(24, 24, 40), strides=(1, 2, 2))
    profile = space.profile({})
    assert (profile.parameters, nds_flops(profile)) == (594_138, 184_519_578)


@given(
    kind=st.sampled_from([Vanilla, ResidualBasic, ResidualBottleneck]),
    stages=st.lists(
        st.tuples(
            st.integers(1, 3),
            st.integers(1, 2),
            st.sampled_from([16, 24, 32, 40]),
            st.sampled_from([0.25, 0.5, 1.0]),
            st.sampled_from([1, 2]),
        ),
        min_size=1,
        max_size=4,
    ),
    stem=st.sampled_from([8, 16]),
)
@settings(max_examples=40)
def test_every_network_has_the_parameters_of_its_structure(
    kind: type[StageSpace], stages: list[tuple[Any, ...]], stem: int
) -> None:
    depths, strides, widths, multipliers, groups = zip(*stages, strict=True)
    own: dict[str, Any] = {}
    if kind is ResidualBottleneck:
        own = {"multipliers": multipliers, "groups": groups}
    space = kind(stem_width=stem, depths=depths, strides=strides, widths=widths, **own)
    expected: list[tuple[int, ...]] = [(d, s, w, round(w * m), g) for d, s, w, m, g in stages]
    counted = space.profile({}).parameters
    assert counted == expected_parameters(kind, expected, stem)


@pytest.mark.parametrize("kind", [Vanilla, ResidualBasic, ResidualBottleneck])
def test_it_trains(kind: type[StageSpace], trains: Callable[..., None]) -> None:
    trains(kind(stem_width=8, num_labels=2, **FIXED).freeze(_chosen(kind)), 16)


@pytest.mark.parametrize("kind", [Vanilla, ResidualBasic, ResidualBottleneck])
def test_all_ways_to_a_network_are_one(
    kind: type[StageSpace], freezes_alike: Callable[..., None]
) -> None:
    freezes_alike(kind(**FIXED), _chosen(kind))


@pytest.mark.parametrize(
    ("stem", "size", "counts"),
    [
        ("cifar", (3, 32, 32), (27 * 16 + 32, 16, 32)),
        ("resnet", (3, 224, 224), (147 * 16 + 32, 16, 56)),
        ("simple", (3, 224, 224), (27 * 16 + 32, 16, 112)),
    ],
)
def test_a_stem_has_its_kernel_and_its_stride(
    stem: str, size: tuple[int, ...], counts: tuple[int, int, int]
) -> None:
    space = Vanilla(stem=stem, **FIXED)
    assert space.input_shape == size
    layers = [layer for layer in space.profile({}).layers if layer.name.startswith("stem.")]
    parameters, width, resolution = counts
    assert sum(layer.parameters for layer in layers) == parameters
    assert layers[-1].output_shape == (1, width, resolution, resolution)


def _chosen(kind: type[StageSpace]) -> dict[str, Any]:
    """Choose what FIXED leaves open: multiplier and groups of a bottleneck."""
    return kind(**FIXED).choices.default


def test_what_has_candidates_is_a_choice_and_what_has_a_value_is_none() -> None:
    space = Vanilla(depths=(1, (1, 2), 3), widths=((8, 16), 8, 8))
    assert space.choices.labels == ("s1_width", "s2_depth")
    assert space.choices.size == 4


def test_groups_that_do_not_divide_are_no_sample() -> None:
    space = ResidualBottleneck(
        depths=(1,), widths=(24,), strides=(1,), multipliers=(0.25,), groups=(4,)
    )
    with pytest.raises(InvalidSampleError, match="s1_inner_width: 4 groups do not divide 6 chan"):
        space.freeze({})


def test_what_samples_bottlenecks_draws_groups_that_divide() -> None:
    space = ResidualBottleneck()
    for seed in range(20):
        assert space.choices.resolve(space.choices.sample(seed))["s3_inner_width"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depths": (1, 2)}, r"widths: 3 entries for the 2 stages of depths"),
        ({"depths": ()}, r"depths: \(\) is not a list of 1 to 20 stages"),
        ({"depths": (1, 2, 0)}, "depths: 0 is not an integer from 1 to 1000"),
        ({"widths": (8, (8, "x"), 8)}, "widths: 'x' is not an integer"),
        ({"strides": (1, 2, 9)}, "strides: 9 is not an integer from 1 to 8"),
        ({"strides": (1, 2)}, r"strides: \(1, 2\) is not a list of 3 integers"),
        ({"stem_width": 0}, "stem_width: 0 is not an integer"),
        ({"stem": "imagenet"}, "stem: 'imagenet' is not one of 'cifar', 'resnet', 'simple'"),
        ({"groups": (1, 1)}, "groups: 2 entries for the 3 stages"),
        ({"multipliers": (1, 1, -1)}, "multipliers: -1 is not a number 0 to 16"),
    ],
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        ResidualBottleneck(**arguments)


def given_cells(**arguments: Any) -> NdsCells:
    normal = CellGenotype(((("sep_conv_3x3", 0), ("skip_connect", 1)),), (2,))
    nodes = (*normal.nodes, (("max_pool_3x3", 1), ("sep_conv_3x3", 2)))
    reduce = CellGenotype(nodes, (2, 3))
    defaults: dict[str, Any] = {"normal": normal, "reduce": reduce, "width": 4, "num_cells": 4}
    return NdsCells(**defaults | arguments)


def test_cells_may_have_different_numbers_of_nodes(trains: Callable[..., None]) -> None:
    space = given_cells(num_labels=2)
    assert space.choices.labels == ()
    trains(space.freeze({}), 16)


@pytest.mark.parametrize(("dataset", "labels"), [("cifar", 10), ("imagenet", 1000)])
def test_cells_are_built_for_both_data_sets(dataset: str, labels: int) -> None:
    space = given_cells(dataset=dataset)
    assert space.profile({}).layers[-1].output_shape == (1, labels)


def test_what_is_no_cell_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="reduce: 'x' is not a CellGenotype"):
        given_cells(reduce="x")
