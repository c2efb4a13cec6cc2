"""Rows that make no network: refused with what is wrong, where it stands and the way out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rows_of_networks import ARCH_0, CELLS, LARGE, LARGE_PARAMETERS, RESIDUAL, SIZES, nats, without

from model_hub import spaces
from model_hub.benchmark_rows import build, locate
from model_hub.errors import (
    InvalidArgumentError,
    InvalidSampleError,
    TooLargeError,
    UnknownNameError,
)


def test_a_row_without_a_field_that_is_needed_says_which() -> None:
    for path in (
        ("model_spec", "num_nodes_reduce"),
        ("model_spec", "width"),
        ("model_spec", "depth"),
        ("cell_spec", "normal_0_input_y"),
        ("cell_spec", "reduce_0_op_x"),
        ("cell_spec", "reduce_concat"),
        ("cell_spec",),
        ("model_family",),
    ):
        with pytest.raises(InvalidArgumentError, match=f"{path[-1]}: the row lacks it"):
            build(without(CELLS, *path))
    with pytest.raises(InvalidArgumentError, match="ws: the row lacks it"):
        build(without(RESIDUAL, "model_spec", "ws"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, r"row: {} does not say which benchmark it is of: .* build\('nasbench201', row\)"),
        (7, "row: 7 does not say"),
        ({"arch_str": ARCH_0, "dataset": "cifar10"}, "does not say which benchmark"),
        ({"benchmark": "nasbench201"}, "dataset: nasbench201 has 'cifar10-valid'.*; say which"),
        (nats(dataset="cifar"), "dataset: 'cifar' is not one of .*nearest"),
        (without(RESIDUAL, "model_spec") | {"model_spec": 7}, "model_spec: 7 is not what a row"),
        (RESIDUAL | {"model_family": "mlp"}, "model_family: 'mlp' is not one of 'nas_cell'"),
        (RESIDUAL | {"model_spec": {"ds": [], "ss": [], "ws": []}}, r"model_spec: ds is \[\]"),
        (
            RESIDUAL | {"model_spec": {"ds": [2, 1], "ss": [1, 1], "ws": [16, 16]}},
            "model_spec: ds and ss begin with 2 and 1",
        ),
        (
            RESIDUAL | {"model_spec": {"ds": [1, 1], "ss": [1, 1], "ws": [16]}},
            r"widths: \(\) is not a list of 1",
        ),
        (RESIDUAL | {"model_family": "residual_bottleneck"}, "bot_muls: the row lacks it"),
        (
            LARGE | {"model_spec": {"ds": [2, 1], "ss": [2, 1], "ws": [16, 16]}},
            "model_spec: ds and ss begin with 2 and 2, not with 1, which the stem has",
        ),
    ],
)
def test_what_makes_no_network_is_refused(row: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        build(row)


@pytest.mark.parametrize(
    ("benchmark", "arch", "message"),
    [
        ("nasbench101", {"op1": "conv3x3", "input2": [1]}, "cell/input1: the sample lacks"),
        ("nasbench101", {"op1": "conv5x5", "input1": [0], "input2": [1]}, "cell/op1: 'conv5x5'"),
        ("nasbench201", ARCH_0.replace("avg_pool_3x3", "avg_pool"), "cell/0_1: 'avg_pool'"),
        ("nasbench201", "|a|", r"'a' in '\|a\|' is not op~source"),
        ("natssss", "8:8:8:8:x", "'8:8:8:8:x' is not numbers of channels"),
        ("natssss", "8:8:8:8", "channels_4: the sample lacks this label"),
    ],
)
def test_an_architecture_outside_its_benchmark_is_refused(
    benchmark: str, arch: Any, message: str
) -> None:
    dataset = None if benchmark == "nasbench101" else "cifar10"
    with pytest.raises(InvalidSampleError, match=message):
        build(benchmark, arch, dataset=dataset)


def test_cells_with_an_input_that_does_not_exist_are_refused() -> None:
    cells = without(CELLS, "cell_spec", "normal_0_input_x")
    cells["cell_spec"]["normal_0_input_x"] = 2
    with pytest.raises(InvalidSampleError, match="node 2 applies 'sep_conv_3x3' to state 2"):
        build(cells)


def test_an_unknown_operation_of_a_cell_is_refused_with_the_nearest() -> None:
    cells = without(CELLS, "cell_spec", "normal_0_op_x")
    cells["cell_spec"]["normal_0_op_x"] = "sep_conv_4x4"
    with pytest.raises(UnknownNameError, match="no operation 'sep_conv_4x4'"):
        build(cells)


def test_an_unknown_benchmark_and_a_missing_architecture_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="no benchmark 'nasbench102'; the nearest are nasb"):
        build("nasbench102", ARCH_0)
    with pytest.raises(UnknownNameError, match="no benchmark 'nasbenchmacro'"):
        build({"benchmark": "nasbenchmacro", "arch_str": "00112201", "dataset": "cifar10"})
    with pytest.raises(InvalidArgumentError, match="arch: an architecture of natssss is needed"):
        build("natssss")


def test_a_network_that_fits_no_memory_is_refused_before_it_is_made() -> None:
    huge = RESIDUAL | {"model_spec": {"ds": [1, 1], "ss": [1, 1], "ws": [16, 500_000]}}
    with pytest.raises(TooLargeError, match="the weights take"):
        build(huge)


def test_an_index_is_no_architecture_here() -> None:
    with pytest.raises(InvalidArgumentError, match="arch: 0 is neither a string nor a dict"):
        build("nasbench201", 0, dataset="cifar10")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (nats(depth=3), "depth: a row of nasbench201 has no such field"),
        (nats(num_clases=10), "num_clases: .*; the nearest are num_classes"),
        (nats(C=0), "C: 0 is not an integer from 1"),
        (nats(N="5"), "N: '5' is not an integer"),
        (nats(N=True), "N: True is not an integer"),
        (nats(num_classes=10.5), "num_classes: 10.5 is not an integer"),
        (nats(num_channels=8), "num_channels: 8, and also 16"),
        (nats(class_num=100), "class_num: 100, and also 10"),
        (nats(dataset="cifar100"), "num_classes: 10, but cifar100 has 100 classes"),
        (nats(benchmark="nasbench201", name="infer.shape.tiny"), "name: .* is not 'infer.tiny'"),
        (nats(genotype=ARCH_0.replace("skip_connect", "none")), "are two networks"),
        (SIZES | {"C": 16}, "C: a row of natssss has no such field"),
        (SIZES | {"genotype": ARCH_0, "num_classes": 10}, "all cells of natssss are"),
        (RESIDUAL | {"width": 3}, "width: a row of nds has no such field"),
        (RESIDUAL | {"cell_spec": {"normal_concat": [2]}}, "normal_concat: a cell_spec of resid"),
        (
            RESIDUAL | {"model_spec": RESIDUAL["model_spec"] | {"bot_muls": [1, 1, 1, 1]}},
            "bot_muls: a model_spec of residual_basic has no such field",
        ),
        (
            CELLS | {"model_spec": CELLS["model_spec"] | {"stem": 3}},
            "stem: a model_spec of nas_cell has no such field",
        ),
        (
            CELLS | {"cell_spec": CELLS["cell_spec"] | {"normal_1_op_x": "none"}},
            "normal_1_op_x: a normal cell of 1 nodes has no such field",
        ),
        (
            CELLS | {"cell_spec": CELLS["cell_spec"] | {"other_concat": [2]}},
            "other_concat: a cell_spec has no such field",
        ),
        (
            {"benchmark": "nasbench101", "arch": {"op1": "conv3x3"}, "num_stacks": 2},
            "num_stacks: a row of nasbench101 has no",
        ),
    ],
)
def test_what_a_row_does_not_have_is_refused_and_not_passed_over(
    config: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        locate(config)


def test_a_network_for_imagenet_without_recorded_parameters_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidArgumentError, match="parameters: the row lacks them") as refused:
        build(LARGE)
    message = str(refused.value)
    assert "636,648 with stem='resnet', 634,728 with stem='simple'" in message
    way_out = message.partition("name it: ")[2]
    with torch.device("meta"):
        network = eval(way_out, {"ResidualBasic": spaces.ResidualBasic})  # noqa: S307 - our own text
    assert sum(p.numel() for p in network.parameters()) == LARGE_PARAMETERS["resnet"]


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (0.6, "parameters: 600,000 are recorded, but the network has 636,648 with stem='resnet'"),
        ("many", "parameters: 'many' is not a number"),
        (float("nan"), "parameters: nan is not a number"),
    ],
)
def test_parameters_of_no_stem_are_refused(count: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        build({"config": LARGE, "parameters": count})


def test_a_stem_of_another_stride_than_is_recorded_is_refused() -> None:
    config = LARGE | {"model_spec": LARGE["model_spec"] | {"ss": [2, 1, 2, 2]}}
    with pytest.raises(
        InvalidArgumentError,
        match=r"ss begins with 2, but .*'resnet', where it is one of 1, 4",
    ):
        build({"config": config, "parameters": LARGE_PARAMETERS["resnet"] / 1e6})
