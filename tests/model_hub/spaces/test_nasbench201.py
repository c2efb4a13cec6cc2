"""NAS-Bench-201: recorded figures, and what the published records say of the real networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmark_db.nasbench201.architecture import arch_dict, operations_at
from benchmark_db.nasbench201.benchmark import NasBench201 as Benchmark
from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.spaces import NasBench201

LABELS = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "imagenet16-120": 120}
SIZES = {"imagenet16-120": 16}


def uniform(operation: str) -> dict[str, Any]:
    return dict.fromkeys(NasBench201().choices.labels, operation)


def sample_of(index: int) -> dict[str, Any]:
    return {f"cell/{edge}": op for edge, op in arch_dict(operations_at(index)).items()}


def test_the_recorded_choices_and_size_come_out(golden: Callable[[str], Any]) -> None:
    golden("NasBench201").check_labels(NasBench201())


def test_the_recorded_counts_come_out(golden: Callable[[str], Any]) -> None:
    golden("NasBench201").check_counts(NasBench201())


def test_the_recorded_outputs_come_out(golden: Callable[[str], Any]) -> None:
    golden("NasBench201").check_outputs(NasBench201())


@pytest.mark.parametrize(
    ("operation", "parameters", "macs"),
    [  # the specification, section 7.2
        ("conv_3x3", 1_531_546, 220_119_680),
        ("conv_1x1", 241_306, 31_376_000),
        ("avg_pool_3x3", 73_306, 7_783_040),
    ],
)
def test_uniform_cells_have_their_published_cost(
    operation: str, parameters: int, macs: int
) -> None:
    profile = NasBench201().profile(uniform(operation))
    assert (profile.parameters, profile.macs) == (parameters, macs)


@pytest.mark.parametrize("index", [0, 11])
@pytest.mark.parametrize("dataset", LABELS)
def test_the_real_records_have_these_parameters_and_flops(
    real: Benchmark, index: int, dataset: str
) -> None:
    page = real.computed_stats({"arch": index, "dataset": dataset, "num_epochs": 12})
    (recorded,) = {(item["parameters"], item["flops"]) for item in page.items}
    space = NasBench201(num_labels=LABELS[dataset])
    size = SIZES.get(dataset, 32)
    profile = space.profile(sample_of(index), input_shape=(3, size, size))
    # The benchmark counts the biases of the classifier as well, one a class.
    assert (profile.parameters / 1e6, (profile.macs + LABELS[dataset]) / 1e6) == recorded


def test_the_grid_is_the_whole_space_once() -> None:
    choices = NasBench201().choices
    samples = [choices.to_json(sample) for sample in choices.grid()]
    assert len(samples) == len(set(samples)) == choices.size == 15_625
    assert samples[0] == choices.to_json(choices.default)


def test_it_trains(trains: Callable[..., None]) -> None:
    space = NasBench201(stem_out_channels=4, num_modules_per_stack=1, num_labels=2)
    trains(space.freeze(sample_of(11) | {"cell/0_3": "skip_connect"}), 16)


def test_all_ways_to_a_network_are_one(freezes_alike: Callable[..., None]) -> None:
    freezes_alike(NasBench201(stem_out_channels=4), uniform("conv_3x3"))


def test_the_operation_none_has_no_layers() -> None:
    network = NasBench201().freeze(uniform("none"))
    assert not list(network.get_submodule("cells.0").parameters())


def test_the_published_operation_names_are_not_those_of_the_space() -> None:
    with pytest.raises(InvalidSampleError, match=r"cell/0_1: 'nor_conv_3x3' is not one of 'none'"):
        NasBench201().freeze(uniform("nor_conv_3x3"))


@pytest.mark.parametrize("name", ["stem_out_channels", "num_modules_per_stack", "num_labels"])
def test_a_bad_argument_is_refused_by_name(name: str) -> None:
    arguments: dict[str, Any] = {name: 0}
    with pytest.raises(InvalidArgumentError, match=f"{name}: 0 is not an integer from 1 to"):
        NasBench201(**arguments)
