"""NAS-Bench-101: published parameter counts, recorded outputs, constraints."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from measuring import unmeasured
from nasbench101_cells import ARCH as GOLDEN
from nasbench101_cells import INCEPTION
from torch import nn

from model_hub.choices import random_source
from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.spaces import NasBench101

NAMES = {"conv3x3": "conv3x3-bn-relu", "conv1x1": "conv1x1-bn-relu", "maxpool": "maxpool3x3"}


def from_module(module: dict[str, Any]) -> dict[str, Any]:
    matrix, operations = module["module_adjacency"], module["module_operations"]
    size = len(matrix)
    sample: dict[str, Any] = {"cell/num_nodes": size}
    sample |= {f"cell/op{v}": operations[v] for v in range(1, size - 1)}
    sample |= {f"cell/input{v}": [s for s in range(v) if matrix[s][v]] for v in range(1, size)}
    return sample


def from_cell(cell: dict[str, Any]) -> dict[str, Any]:
    named = {
        f"cell/{key}": NAMES[value] if key.startswith("op") else value
        for key, value in cell.items()
    }
    return named | {"cell/num_nodes": len(cell) // 2 + 2}


def test_the_recorded_choices_and_size_come_out(golden: Callable[[str], Any]) -> None:
    golden("NasBench101").check_labels(NasBench101())


def test_the_recorded_counts_come_out_without_projections_that_nothing_uses(
    golden: Callable[[str], Any],
) -> None:
    # In the second sample vertices 3 and 6 of the pruned graph are the output and one without an
    # edge from the input; the record has a projection for each.
    golden("NasBench101").check_counts(NasBench101(), unused_parameters=(0, 873_728))


def test_the_recorded_outputs_come_out(golden: Callable[[str], Any]) -> None:
    golden("NasBench101").check_outputs(NasBench101())


@pytest.mark.parametrize(
    ("sample", "count"), [(from_module(INCEPTION), 2_694_282), (from_cell(GOLDEN), 8_555_530)]
)
def test_published_cells_have_their_published_parameters(
    sample: dict[str, Any], count: int
) -> None:
    space = NasBench101()
    assert space.profile(sample).parameters == count
    assert sum(p.numel() for p in space.freeze(sample).parameters()) == count


@unmeasured()
def test_networks_have_the_published_parameters(shared: Path) -> None:
    """All counts come out of the formula in tests/benchmark_db; a sample of networks is built."""
    published = json.loads((shared / "data/nasbench101/parameter-counts.json").read_text())
    space = NasBench101()
    for entry in published[::20]:
        with torch.device("meta"):
            network = space.freeze(from_module(entry))
        assert sum(p.numel() for p in network.parameters()) == entry["trainable_parameters"]


def test_every_parameter_is_used(trains: Callable[..., None]) -> None:
    space = NasBench101(stem_out_channels=8, num_modules_per_stack=1, num_stacks=2, num_labels=2)
    for seed in range(5):
        trains(space.freeze(space.choices.sample(seed)), 16)


def test_all_ways_to_a_network_are_one(freezes_alike: Callable[..., None]) -> None:
    freezes_alike(NasBench101(stem_out_channels=8), from_module(INCEPTION))


def test_norms_and_initialisation_are_those_of_the_space() -> None:
    torch.manual_seed(0)
    network = NasBench101().freeze(from_cell(GOLDEN))
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 0.003)}
    weight = network.get_parameter("features.10.ops.1.conv_bn_relu.0.weight")
    limit = 2 * sqrt(1 / weight[0].numel())
    assert weight.abs().max() <= limit
    # A normal distribution cut at two standard deviations has 0.8796 of its standard deviation.
    assert weight.std().item() == pytest.approx(0.8796 * limit / 2, rel=0.01)


def test_a_resolved_sample_has_the_pruned_cell_as_the_benchmark_is_asked_for_it() -> None:
    dead_end = {**from_module(INCEPTION), "cell/input6": [1, 2, 4]}
    resolved = NasBench101().choices.resolve(dead_end)
    assert resolved["cell/final"] == {
        "op1": "conv1x1-bn-relu",
        "op2": "conv3x3-bn-relu",
        "op3": "conv3x3-bn-relu",
        "op4": "conv3x3-bn-relu",
        "input1": [0],
        "input2": [0],
        "input3": [0],
        "input4": [3],
        "input5": [1, 2, 4],
    }


def test_larger_cells_are_drawn_twice_as_often() -> None:
    num_nodes, source = NasBench101().choices.choices[0], random_source(0)
    drawn = [num_nodes.draw(source) for _ in range(20_000)]
    # The specification, section 7.1.
    published = {2: 0.0159, 3: 0.0317, 4: 0.0635, 5: 0.127, 6: 0.254, 7: 0.508}
    for size, probability in published.items():
        assert drawn.count(size) / 20_000 == pytest.approx(probability, abs=0.01)


def test_the_grid_leaves_out_cells_that_break_the_constraints() -> None:
    space = NasBench101(max_num_vertices=3)
    cells = [space.choices.resolve(sample)["cell/final"] for sample in space.choices.grid()]
    # Three vertices: op1 x input1 x input2, without those in which the output has no path.
    assert len(cells) == 3 * 5 + 1
    assert [sample["cell/num_nodes"] for sample in islice(space.choices.grid(), 2)] == [3, 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell/input6": []}, "cell/final: the cell has no path from input to output"),
        ({"cell/input5": [0, 1, 2, 3, 4]}, "cell/final: the cell has 13 edges; 9 are allowed"),
        ({"cell/input2": [0, 0]}, "cell/input2: .* is not a list of distinct ones of 0, 1"),
        ({"cell/input2": [2]}, "cell/input2: "),
        ({"cell/input2": 0}, "cell/input2: "),
        ({"cell/num_nodes": 8}, "cell/num_nodes: 8 is not one of 2, 3, 4, 5, 6, 7"),
        ({"cell/op1": "conv3x3"}, "cell/op1: 'conv3x3' is not one of 'conv3x3-bn-relu'"),
    ],
)
def test_a_bad_cell_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSampleError, match=message):
        NasBench101().freeze(from_module(INCEPTION) | change)


def test_inputs_may_be_spelled_as_booleans() -> None:
    spelled = from_module(INCEPTION)
    inputs = spelled.pop("cell/input6")
    spelled |= {f"cell/input6/{v}": v in inputs for v in range(6)}
    assert NasBench101().choices.validate(spelled)["cell/input6"] == inputs


def test_a_bad_argument_is_refused_by_name() -> None:
    with pytest.raises(InvalidArgumentError, match="max_num_vertices: 1 is not an integer"):
        NasBench101(max_num_vertices=1)
