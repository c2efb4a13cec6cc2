"""Spaces as data: their arguments as JSON, and the one sample that stands for a network."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_spaces import SMALL_SPACES

import model_hub
from model_hub.cells import CellGenotype
from model_hub.choices import Categorical
from model_hub.errors import (
    InvalidArgumentError,
    InvalidSampleError,
    ModelHubError,
    TooLargeError,
    UnknownNameError,
)
from model_hub.model_space import ModelSpace
from model_hub.spaces import AutoFormer, MobileNetV3Space, NasBench101
from model_hub.spaces.nasnet import NdsCells

CELL: dict[str, Any] = {
    "nodes": [[["sep_conv_3x3", 0], ["none", 1]], [["conv_1x1", 2], ["skip_connect", 0]]],
    "concat": [2, 3],
}


@pytest.mark.parametrize("name", model_hub.space_names())
def test_a_space_of_defaults_has_no_arguments(name: str) -> None:
    assert model_hub.space(name).arguments == {}


@pytest.mark.parametrize(
    "space",
    [
        AutoFormer.of_size("small", drop_rate=0.5),
        MobileNetV3Space(width_multipliers=1.0, depth_range=((1, 2),) * 5),
        NasBench101(num_labels=100, max_num_edges=8),
        NdsCells(normal=CELL, reduce=CELL, width=8, num_cells=(3, 4)),  # type: ignore[arg-type]
    ],
    ids=lambda space: type(space).__name__,
)
def test_the_arguments_of_a_space_make_it_again_by_its_name(space: Any) -> None:
    sent = json.loads(json.dumps(space.arguments))
    assert sent == space.arguments
    assert model_hub.space(type(space).__name__, **sent) == space


@pytest.mark.parametrize("name", model_hub.space_names())
def test_a_switch_is_no_number(name: str) -> None:
    space = model_hub.space(name)
    for field in dataclasses.fields(space):
        if isinstance(getattr(space, field.name), bool):
            for number in (0, 1, 1.0, None):
                with pytest.raises(InvalidArgumentError, match=field.name):
                    model_hub.space(name, **{field.name: number})


@given(st.integers(0, 1 << 40))
@settings(max_examples=60)
def test_a_canonical_cell_of_nasbench101_makes_the_same_network(seed: int) -> None:
    space = NasBench101(stem_out_channels=8, num_stacks=1, num_modules_per_stack=1)
    sample = space.choices.sample(seed)
    canonical = space.canonical(sample)
    assert space.canonical(canonical) == canonical
    with torch.device("meta"):
        networks = [space.freeze(each) for each in (sample, canonical)]
    shapes = [{n: tuple(t.shape) for n, t in each.state_dict().items()} for each in networks]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", model_hub.space_names())
def test_a_canonical_sample_is_its_own(name: str) -> None:
    space = model_hub.space(name)
    sample = space.canonical(space.choices.sample(3))
    assert space.canonical(sample) == sample
    with pytest.raises(InvalidSampleError):
        space.canonical({"unheard": 1})


def test_given_cells_are_made_by_name_and_spelled_as_json() -> None:
    space = model_hub.space("NdsCells", normal=CELL, reduce=CELL, width=4, num_cells=3)
    assert isinstance(space, NdsCells)
    assert space.normal == CellGenotype.from_dict(CELL)
    assert space.normal.to_dict() == CELL
    assert space.profile({}).parameters > 0


@pytest.mark.parametrize(
    ("cells", "error", "message"),
    [
        ({"normal": CELL}, InvalidArgumentError, "reduce: NdsCells needs this argument"),
        ({"normal": 7, "reduce": CELL}, InvalidArgumentError, "normal: 7 is not a CellGenotype"),
        ({"normal": {}, "reduce": CELL}, InvalidSampleError, "a cell has nodes and concat"),
        (
            {"normal": CELL | {"inputs": 2}, "reduce": CELL},
            InvalidSampleError,
            "not 'nodes', 'concat', 'inputs'",
        ),
        (
            {"normal": CELL | {"nodes": [["none", 0]]}, "reduce": CELL},
            InvalidSampleError,
            "no lists of",
        ),
        ({"normal": CELL | {"nodes": 3}, "reduce": CELL}, InvalidSampleError, "no lists of"),
        ({"normal": CELL | {"concat": [9]}, "reduce": CELL}, InvalidSampleError, "distinct states"),
        (
            {"normal": CELL | {"nodes": [[["sep_conv_4x4", 0]]] * 2}, "reduce": CELL},
            UnknownNameError,
            "no operation 'sep_conv_4x4'; the nearest are sep_conv_",
        ),
        (
            {"normal": CELL, "reduce": CELL | {"concat": [0, 2]}},
            InvalidArgumentError,
            "reduce: the output includes an input of the cell",
        ),
    ],
)
def test_cells_that_make_no_network_are_refused_before_it_is_made(
    cells: dict[str, Any], error: type[ModelHubError], message: str
) -> None:
    with pytest.raises(error, match=message):
        model_hub.space("NdsCells", width=4, num_cells=3, **cells)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("NatsSss", {"candidates": 8}),
        ("NatsSss", {"candidates": None}),
        ("AutoFormer", {"search_depth": [{}]}),
        ("AutoFormer", {"search_depth": []}),
        ("NASBERT", {"hidden_sizes": [{}, 64]}),
        ("Vanilla", {"depths": [[], 1, 1]}),
        ("DARTS", {"width": []}),
        ("ProxylessNAS", {"name": 1}),
    ],
)
def test_arguments_of_another_kind_are_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(arguments))):
        model_hub.space(name, **arguments)


def test_a_row_of_nds_with_half_a_node_is_refused() -> None:
    row = {
        "model_family": "nas_cell",
        "model_spec": {"num_nodes_normal": 0.5, "num_nodes_reduce": 1, "depth": 4, "width": 4},
        "cell_spec": {},
        "dataset": "cifar10",
    }
    with pytest.raises(InvalidArgumentError, match=r"num_nodes_normal: 0.5 is not an integer"):
        model_hub.locate("nds", row)


@pytest.mark.parametrize("candidates", [([1], [2]), (None, 1), (float("nan"), 1), (1, 1.0)])
def test_candidates_that_no_sample_could_tell_apart_are_refused(candidates: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="are not distinct"):
        Categorical("x", candidates)


def test_one_and_true_are_two_candidates() -> None:
    choice = Categorical("x", (1, True, "1"))
    assert [choice.read(value) for value in (1.0, True, "1")] == [1, True, "1"]


IMAGE_SPACES = [
    name for name in model_hub.space_names() if len(model_hub.space(name).input_shape) == 3
]


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("name", IMAGE_SPACES)
@given(sides=st.tuples(st.integers(1, 40), st.integers(1, 40)), seed=st.integers(0, 3))
@settings(max_examples=8, deadline=None)
def test_a_shape_that_is_accepted_is_one_that_networks_take(
    name: str, sides: tuple[int, int], seed: int
) -> None:
    kind = model_hub.space(name, **SMALL_SPACES[name])
    try:
        shape = kind.accepted_input([3, *sides])
    except InvalidArgumentError:
        with pytest.raises(InvalidArgumentError, match="input_shape"):
            kind.profile(kind.choices.default, input_shape=(3, *sides))
        return
    assert shape == (3, *sides)
    assert kind.profile(kind.choices.sample(seed), input_shape=shape).macs > 0


@pytest.mark.parametrize("name", model_hub.space_names())
def test_networks_take_the_input_of_their_space_and_carry_it(name: str) -> None:
    kind = model_hub.space(name)
    assert kind.accepted_input(list(kind.input_shape)) == kind.input_shape
    with torch.device("meta"):
        network: Any = kind.freeze(kind.choices.default)
    assert network.input_shape == kind.input_shape


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("NasBench201", [1, 32, 32], "has 1 channels, not 3"),
        ("NasBench201", [3, 30, 32], "multiples of 4"),
        ("NasBench201", [3, 2, 32], "2 is not an integer from 4 to 1024"),
        ("NatsSss", [3, 32, 1028], "1028 is not an integer from 4 to 1024"),
        ("NasBench101", [3, 3, 32], "3 is not an integer from 4 to 1024"),
        ("ProxylessNAS", [3, 0, 32], "0 is not an integer from 1"),
        ("ProxylessNAS", [3, 224], r"like \[3, 224, 224\]"),
        ("ProxylessNAS", [3, 224, 224, 1], r"like \[3, 224, 224\]"),
        ("ProxylessNAS", [], r"like \[3, 224, 224\]"),
        ("ProxylessNAS", "224", r"like \[3, 224, 224\]"),
        ("ProxylessNAS", [3, 224.0, 224], "224.0 is not an integer"),
        ("ProxylessNAS", [3, True, 224], "True is not an integer"),
        ("AutoFormer", [3, 192, 192], "the argument img_size makes"),
        ("NASBERT", [513], "513 is not an integer from 1 to 512"),
        ("LightSpeech", [1025], "1025 is not an integer from 1 to 1024"),
        ("LightSpeech", [3, 32, 32], r"like \[100\]"),
    ],
)
def test_a_shape_that_networks_do_not_take_is_refused(name: str, shape: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        model_hub.space(name).accepted_input(shape)


@pytest.mark.parametrize("name", ["NasBench101", "NasBench201", "NatsSss"])
def test_the_size_of_images_is_an_argument_where_data_sets_differ(name: str) -> None:
    small = model_hub.space(name, image_size=16)
    assert small.input_shape == (3, 16, 16)
    assert small.arguments == {"image_size": 16}
    with pytest.raises(InvalidArgumentError, match="image_size: 1028 is not"):
        model_hub.space(name, image_size=1028)


@pytest.mark.parametrize("argument", ["family", "image_step", "choices"])
def test_what_is_no_argument_of_a_space_is_refused(argument: str) -> None:
    with pytest.raises(InvalidArgumentError, match="Vanilla has no such argument"):
        model_hub.space("Vanilla", **{argument: 1})


@pytest.mark.parametrize("name", model_hub.space_names())
def test_a_space_of_defaults_is_within_bounds(name: str) -> None:
    space = model_hub.space(name)
    assert 4 <= space.most_blocks <= 100
    space.check_bounds()
    space.check_network_bounds(space.choices.sample(0))


def test_a_space_that_states_no_bound_cannot_be_made() -> None:
    class Unbounded(NasBench101):
        most_blocks = ModelSpace.most_blocks

    with pytest.raises(TypeError, match="most_blocks"):
        Unbounded()  # type: ignore[abstract]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("NASNet", {"num_cells": 500, "width": 1 << 15}, "width: 32768 is more than 16384"),
        ("NASBERT", {"embed_dim": 1 << 15}, "embed_dim: 32768 is more than 16384"),
        ("NasBench201", {"num_modules_per_stack": 334}, "may have 1002 blocks"),
        ("NasBench101", {"stem_out_channels": 8192}, "32768 wide"),
    ],
)
def test_a_space_of_networks_that_no_machine_could_build_is_refused(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    space = model_hub.space(name, **arguments)
    with pytest.raises((InvalidArgumentError, TooLargeError), match=message):
        space.check_bounds()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("NASBERT", {"vocabulary": 1 << 18, "max_length": 1 << 15}),
        ("LightSpeech", {"num_symbols": 1 << 15}),
        ("FBNet", {"num_labels": 1 << 15}),
    ],
)
def test_rows_of_a_matrix_may_be_more_than_channels(name: str, arguments: dict[str, int]) -> None:
    model_hub.space(name, **arguments).check_bounds()
