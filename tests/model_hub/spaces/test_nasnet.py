"""The NASNet family: recorded figures, heads, drop path, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import model_hub
from model_hub.blocks.cell_operations import CELL_OPERATIONS
from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.spaces import DARTS, ENAS, NASNet
from model_hub.spaces.nasnet import CellNetworkSpace

CONFIGURATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "NASNet": ("NASNet", {}),
    "ENAS": ("ENAS", {}),
    "AmoebaNet": ("AmoebaNet", {}),
    "PNAS": ("PNAS", {}),
    "DARTS": ("DARTS", {}),
    "DARTS-imagenet": ("DARTS", {"dataset": "imagenet"}),
    "NASNet-imagenet": ("NASNet", {"dataset": "imagenet"}),
    "DARTS-w16-n8": ("DARTS", {"width": 16, "num_cells": 8}),
    "ENAS-w16-n8": ("ENAS", {"width": 16, "num_cells": 8}),
}

# The specification, section 9.3: operation and input, two a node.
DARTS_V2 = {
    "normal": "sep_conv_3x3 0, sep_conv_3x3 1, sep_conv_3x3 0, sep_conv_3x3 1, "
    "sep_conv_3x3 1, skip_connect 0, skip_connect 0, dil_conv_3x3 2",
    "reduce": "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 1, "
    "max_pool_3x3 0, skip_connect 2, skip_connect 2, max_pool_3x3 1",
}


def written(cells: dict[str, str]) -> dict[str, Any]:
    sample: dict[str, Any] = {}
    for cell, text in cells.items():
        for rank, entry in enumerate(text.split(", ")):
            name, source = entry.split()
            place = f"{rank // 2 + 2}_{rank % 2}"
            sample |= {f"{cell}/op_{place}": name, f"{cell}/input_{place}": [int(source)]}
    return sample


def made(configuration: str) -> CellNetworkSpace:
    name, arguments = CONFIGURATIONS[configuration]
    space = model_hub.space(name, **arguments)
    assert isinstance(space, CellNetworkSpace)
    return space


def small(**arguments: Any) -> DARTS:
    return DARTS(width=4, num_cells=3, num_labels=2, **arguments)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_recorded_choices_and_size_come_out(
    configuration: str, golden: Callable[[str], Any]
) -> None:
    golden(configuration).check_labels(made(configuration))


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_recorded_counts_come_out(configuration: str, golden: Callable[[str], Any]) -> None:
    golden(configuration).check_counts(made(configuration))


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_recorded_outputs_come_out(configuration: str, golden: Callable[[str], Any]) -> None:
    golden(configuration).check_outputs(made(configuration))


@pytest.mark.parametrize(
    ("arguments", "parameters", "macs"),
    [  # the specification, section 10.3
        ({"num_cells": 20, "width": 36}, 3_349_342, 528_359_040),
        ({"num_cells": 20, "width": 36, "auxiliary_loss": True}, 3_825_768, 528_359_040),
        ({"num_cells": 14, "width": 48, "dataset": "imagenet"}, 4_718_752, 529_911_552),
        (
            {"num_cells": 14, "width": 48, "dataset": "imagenet", "auxiliary_loss": True},
            5_981_064,
            529_911_552,
        ),
    ],
)
def test_the_published_cells_of_darts_have_their_published_cost(
    arguments: dict[str, Any], parameters: int, macs: int
) -> None:
    profile = DARTS(**arguments).profile(written(DARTS_V2))
    assert (profile.parameters, profile.macs) == (parameters, macs)


def test_the_searched_model_of_the_zoo_is_the_recorded_one(
    zoo: dict[str, dict[str, Any]],
    shared: Path,
    outputs: Callable[[nn.Module, int], torch.Tensor],
    shape_hash: Callable[[nn.Module], str],
) -> None:
    record = zoo["darts-v2"]
    assert record["arch"] == written(DARTS_V2)
    with torch.device("meta"):
        network = DARTS(**record["overrides"]).freeze(record["arch"])
    assert shape_hash(network) == record["measured"]["shape_hash"]
    shapes = json.loads((shared / "specs/zoo-shapes.json").read_text())["darts-v2"]
    assert {name: list(p.shape) for name, p in network.named_parameters()} == shapes
    expected = json.loads((shared / "specs/hub-golden.json").read_text())["zoo"]["darts-v2"]
    logits = outputs(network, 32)[0, :6].tolist()
    assert logits == pytest.approx(expected["golden"]["logits0"], rel=1e-6)


@pytest.mark.parametrize("dataset", ["cifar", "imagenet"])
@pytest.mark.parametrize("kind", [DARTS, NASNet])
def test_it_trains(kind: type[CellNetworkSpace], dataset: Any, trains: Callable[..., None]) -> None:
    space = kind(width=4, num_cells=3, num_labels=2, dataset=dataset)
    sample = space.choices.sample(0)
    for cell in ("normal", "reduce"):  # both inputs are used, so that they have gradients
        sample |= {f"{cell}/input_2_0": [0], f"{cell}/input_2_1": [1]}
    trains(space.freeze(sample), 32 if dataset == "cifar" else 64)


def test_all_ways_to_a_network_are_one(freezes_alike: Callable[..., None]) -> None:
    freezes_alike(small(), small().choices.sample(0))


def test_labels_are_ten_or_a_thousand_unless_said_otherwise() -> None:
    def classes(**arguments: Any) -> int:
        space = DARTS(width=4, num_cells=3, **arguments)
        return len(space.freeze(space.choices.default).get_parameter("classifier.bias"))

    assert (classes(), classes(dataset="imagenet"), classes(num_labels=7)) == (10, 1000, 7)


def test_the_auxiliary_head_speaks_in_training_only() -> None:
    network = small(auxiliary_loss=True).freeze(written(DARTS_V2))
    images = torch.randn(2, 3, 32, 32)
    logits, auxiliary = network.train()(images)
    assert logits.shape == auxiliary.shape == (2, 2)
    assert network.eval()(images).shape == (2, 2)


def test_the_auxiliary_head_of_imagenet_fits_its_features() -> None:
    space = small(auxiliary_loss=True, dataset="imagenet")
    network = space.freeze(written(DARTS_V2)).train()
    assert network(torch.randn(2, 3, 224, 224))[1].shape == (2, 2)


def test_drop_path_changes_no_name_and_only_training() -> None:
    torch.manual_seed(0)
    plain: Any = small().freeze(written(DARTS_V2))
    dropping: Any = small(drop_path_prob=0.5).freeze(written(DARTS_V2))
    dropping.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(dropping.eval()(images), plain.eval()(images))
    assert not torch.equal(dropping.train()(images), plain.train()(images))


def test_a_schedule_sets_drop_path_everywhere() -> None:
    network: Any = small(drop_path_prob=0.5).freeze(written(DARTS_V2)).train()
    images = torch.randn(2, 3, 16, 16)
    network.set_drop_path(0.0)
    assert torch.equal(network(images), network(images))
    network.set_drop_path(0.9)
    assert not torch.equal(network(images), network(images))
    with pytest.raises(InvalidArgumentError, match=r"probability: 1\.5 is not a number 0 to 1"):
        network.set_drop_path(1.5)


@pytest.mark.parametrize(
    ("num_cells", "stages"),
    [(4, [1, 1, 2]), (8, [2, 3, 3]), (12, [4, 4, 4]), (16, [5, 5, 6]), (20, [6, 7, 7])],
)
def test_cells_are_shared_out_over_three_stages(num_cells: int, stages: list[int]) -> None:
    network: Any = DARTS(width=4, num_cells=num_cells).freeze(written(DARTS_V2))
    assert [len(stage) for stage in network.stages] == stages


def test_a_loose_end_is_a_node_that_nothing_uses() -> None:
    space = ENAS(width=4, num_cells=3)
    entries = ["skip_connect 0", "skip_connect 1"] * 4 + ["skip_connect 2", "skip_connect 4"]
    values = space.choices.validate(
        written(dict.fromkeys(("normal", "reduce"), ", ".join(entries)))
    )
    assert space.genotype(values, "normal").concat == (3, 5, 6)


def test_an_input_may_be_a_bare_number_as_older_files_have_it() -> None:
    bare = {k: v[0] if "input" in k else v for k, v in written(DARTS_V2).items()}
    assert small().choices.validate(bare) == small().choices.validate(written(DARTS_V2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normal/op_2_0": "none"}, "normal/op_2_0: 'none' is not one of 'max_pool_3x3'"),
        ({"normal/input_2_0": [2]}, r"normal/input_2_0: \[2\] is not a list of 1 of 0, 1"),
        ({"normal/op_6_0": "none"}, "normal/op_6_0: DARTS has no such label; the nearest are"),
        ({"width": 16}, "width: DARTS has no such label"),
    ],
)
def test_a_bad_sample_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSampleError, match=message):
        small().freeze(written(DARTS_V2) | change)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width: 0 is not an integer from 2"),
        ({"width": ()}, r"width: \(\) has nothing to choose from"),
        ({"width": (16, "x")}, "width: 'x' is not an integer"),
        ({"num_cells": 2}, "num_cells: 2 is not an integer from 3 to 1000"),
        ({"dataset": "cifar10"}, "dataset: 'cifar10' is not one of 'cifar', 'imagenet'"),
        ({"num_labels": 0}, "num_labels: 0 is not an integer"),
        ({"auxiliary_loss": "yes"}, "auxiliary_loss: 'yes' is not one of"),
        ({"drop_path_prob": 2}, "drop_path_prob: 2 is not a number 0 to 1"),
    ],
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        DARTS(**arguments)


def test_every_candidate_is_an_operation() -> None:
    for name in ("AmoebaNet", "DARTS", "ENAS", "NASNet", "PNAS"):
        space: Any = model_hub.space(name)
        assert set(space.operations) <= set(CELL_OPERATIONS)
