"""From the rows of every benchmark to their networks: as many parameters as the row says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from operator import mul
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nds_networks import nds_flops
from rows_of_networks import ARCH_0, CELLS, LARGE, LARGE_PARAMETERS, RESIDUAL, SIZES, nats, without

import model_hub
from bench_client import BenchClient
from bench_client.models.nasbench101 import Nb101Curves, Nb101Stats
from bench_client.models.nasbench201 import Nb201Curves, Nb201Stats
from bench_client.models.natssss import NatsSssCurves, NatsSssStats
from bench_client.models.nds import NdsCurves, NdsStats
from benchmark_db.nasbench101.spelling import parse_cell
from benchmark_db.nasbench201.architecture import arch_dict, operations_at
from generators.nasbench201 import generate as generate_nasbench201
from generators.natssss import generate as generate_natssss
from model_hub import spaces
from model_hub.benchmark_rows import build, locate
from model_hub.data_sets import DATA_SETS
from model_hub.errors import (
    ModelHubError,
)
from model_hub.model_space import ModelSpace
from model_hub.rows import READERS

made_up = pytest.mark.filterwarnings("ignore::bench_client.errors.SyntheticDataWarning")
"""The rows of the archive are made up but for the published ones."""


@pytest.fixture(scope="module")
def real_rows(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchClient]:
    """The published records of both NATS-Bench spaces."""
    folder = tmp_path_factory.mktemp("rows")
    generate_nasbench201(shared / "data/nasbench201/NATS-tss-v1_0-3ffb9-simple", folder)
    generate_natssss(shared / "data/natssss/NATS-sss-v1_0-50262-simple", folder)
    with BenchClient.local(folder) as client:
        yield client


def parameters(row: Any, *arguments: Any, **keywords: Any) -> int:
    """Count the parameters of the network that is built, without making them."""
    with torch.device("meta"):
        network = build(row, *arguments, **keywords)
    return sum(parameter.numel() for parameter in network.parameters())


def with_parameters(rows: Iterable[Any]) -> Iterator[tuple[Any, int]]:
    """Yield rows and the parameters of their networks, one of which rows of several runs have."""
    counts: dict[str, int] = {}
    for row in rows:
        located = repr(locate(row))
        counts[located] = counts.get(located) or parameters(row)
        yield row, counts[located]


def test_every_real_row_of_nasbench201_has_its_parameters(real_rows: BenchClient) -> None:
    rows = real_rows.query_nb201()
    assert {row.config.index for row in rows} == {0, 11}
    for row, count in with_parameters(rows):
        assert count / 1e6 == row.parameters


def test_every_real_row_of_the_size_space_has_its_parameters(real_rows: BenchClient) -> None:
    rows = real_rows.query("natssss")
    assert len({row.config.dataset for row in rows}) == 4
    for row, count in with_parameters(rows):
        assert count / 1e6 == row.parameters


def test_every_row_of_nasbench101_has_its_parameters(nasbench101_folder: Path) -> None:
    with BenchClient.local(nasbench101_folder) as client:
        rows = client.query_nb101(num_epochs=108)
        assert {row.config.num_vertices for row in rows} == {2, 3, 4, 7}
        for row, count in with_parameters(rows):
            assert count == row.config.trainable_parameters


def test_published_cells_of_nasbench101_have_their_parameters(shared: Path) -> None:
    published = json.loads((shared / "data/nasbench101/parameter-counts.json").read_text())
    for entry in published[::40]:
        module = {key: entry[key] for key in ("module_adjacency", "module_operations")}
        config = {"arch": parse_cell(module).to_dict()}
        assert parameters("nasbench101", config) == entry["trainable_parameters"]


@made_up
def test_the_published_rows_of_nds_have_their_parameters(nds_folder: Path) -> None:
    # raw-formats.md, section 3
    with BenchClient.local(nds_folder) as client:
        residual = client.query_nds(proposer="resnet", generator="random")[0]
        cells = client.query_nds(proposer="amoeba", dataset="cifar10")[0]
    assert parameters(residual) / 1e6 == residual.parameters == 0.594138
    space, sample = locate(residual)
    assert nds_flops(space.profile(sample)) / 1e6 == residual.flops
    assert parameters(cells) / 1e6 == cells.parameters == 4.190314
    space, sample = locate(cells)
    profile = space.profile(sample)
    macs = dict.fromkeys(("Conv2d", "Linear"), 0)
    for layer in profile.layers:
        if layer.kind in macs:
            macs[layer.kind] += layer.macs
    assert macs == {"Conv2d": 654_770_176, "Linear": 3_840}


@made_up
def test_every_row_of_nds_is_built_unless_its_parameters_are_made_up(nds_folder: Path) -> None:
    with BenchClient.local(nds_folder) as client:
        rows = client.query_nds()
    refused = 0
    for row in rows:
        if row.config.model_family != "nas_cell" and row.config.dataset == "imagenet":
            refused += 1
            with pytest.raises(ModelHubError, match=r"are recorded, but .* Synthetic rows|divide"):
                locate(row)
            if not is_possible(row.config):
                continue
            for stem, count in counts_by_stem(row.config).items():
                recorded = row.model_copy(update={"parameters": count / 1e6})
                assert locate(recorded)[0].stem == stem  # type: ignore[attr-defined]
                assert parameters(recorded) == count
        else:
            space, _ = locate(row)
            assert space.input_shape[1] == (32 if row.config.dataset == "cifar10" else 224)
    assert 0 < refused < len(rows)
    with torch.device("meta"):
        assert all(build(row) for row in rows[::7] if row.config.dataset == "cifar10")


def is_possible(config: Any) -> bool:
    """Whether the groups of a made-up network divide its channels."""
    spec = config.model_spec
    widths = map(mul, spec["ws"], spec.get("bot_muls", spec["ws"]))
    return all(
        width % groups == 0 for width, groups in zip(widths, spec.get("num_gs", []), strict=False)
    )


def counts_by_stem(config: Any) -> dict[str, int]:
    """Count a network for ImageNet by what it has more than its sibling for CIFAR-10."""
    spec = config.model_spec
    small = parameters(config, dataset="cifar10") + 990 * (spec["ws"][-1] + 1)
    return {"resnet": small + 3 * (7 * 7 - 3 * 3) * spec["ws"][0], "simple": small}


@pytest.mark.parametrize(
    ("stem", "stride", "resolution"), [("resnet", 1, 56), ("resnet", 4, 56), ("simple", 2, 112)]
)
def test_the_recorded_parameters_tell_the_stem_of_a_network_for_imagenet(
    stem: str, stride: int, resolution: int
) -> None:
    spec = LARGE["model_spec"] | {"ss": [stride, 1, 2, 2]}
    row = {"config": LARGE | {"model_spec": spec}, "parameters": LARGE_PARAMETERS[stem] / 1e6}
    space, sample = locate(row)
    profile = space.profile(sample)
    assert profile.parameters == LARGE_PARAMETERS[stem]
    shapes = {layer.name: layer.output_shape for layer in profile.layers}
    assert shapes["stages.0.0.layers.0"] == (1, 24, resolution, resolution)
    assert profile.layers[-1].output_shape == (1, 1000)


def test_a_network_for_imagenet_is_built_by_the_name_of_its_benchmark() -> None:
    row = {"config": LARGE, "parameters": LARGE_PARAMETERS["simple"] / 1e6}
    assert parameters("nds", row) == LARGE_PARAMETERS["simple"]
    flat = LARGE | {"parameters": row["parameters"]}
    assert parameters("nds", flat) == parameters(flat) == LARGE_PARAMETERS["simple"]


@given(index=st.integers(0, 15_624), dataset=st.sampled_from(["cifar10", "cifar100"]))
@settings(max_examples=25)
def test_any_architecture_of_nasbench201_has_the_parameters_of_its_operations(
    index: int, dataset: str
) -> None:
    arch = arch_dict(operations_at(index))
    # The specification, section 7.2: what one operation adds in all fifteen cells.
    each = {"conv_3x3": (1_531_546 - 73_306) // 6, "conv_1x1": (241_306 - 73_306) // 6}
    expected = 73_306 + sum(each.get(operation, 0) for operation in arch.values())
    more_labels = 90 * 65 if dataset == "cifar100" else 0
    assert parameters("nasbench201", arch, dataset=dataset) == expected + more_labels


def test_a_row_its_config_and_their_dicts_make_the_same_network(real_rows: BenchClient) -> None:
    row = real_rows.query_nb201(0, 200, "cifar100")[0]
    dicts = (row.model_dump(), row.config.model_dump())
    located = [*map(locate, (row, row.config)), *(locate("nasbench201", each) for each in dicts)]
    assert all(other == located[0] for other in located)
    assert located[0][0].num_labels == 100  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("benchmark", "arch", "dataset", "count"),
    [
        ("nasbench101", {"op1": "conv3x3", "input1": [0], "input2": [1]}, None, None),
        ("nasbench201", ARCH_0, "cifar10", 129_306),
        ("nasbench201", ARCH_0, "CIFAR100", 135_156),
        ("nasbench201", ARCH_0, "ImageNet16-120", 136_456),
        ("natssss", "8:8:8:16:32", "cifar10", 49_202),
        ("natssss", [8, 8, 8, 16, 32], "imagenet16-120", 52_832),
        ("nds", RESIDUAL, None, 594_138),
        ("nds", without(RESIDUAL, "dataset"), "cifar10", 594_138),
    ],
)
def test_an_architecture_is_built_by_the_name_of_its_benchmark(
    benchmark: str, arch: Any, dataset: str | None, count: int | None
) -> None:
    assert parameters(benchmark, arch, dataset=dataset) == count or count is None


def test_the_network_of_a_row_answers_with_a_class_for_each_label() -> None:
    network = model_hub.build("natssss", "8:8:8:8:8", dataset="cifar100")
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 100)


def test_rows_are_read_without_the_client() -> None:
    code = (
        "import sys, model_hub\n"
        "model_hub.build('natssss', '8:8:8:8:8', dataset='cifar10')\n"
        "print(sorted({'bench_client', 'benchmark_db'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Structure:
    """What NATS-Bench makes of a string on demand."""

    def tostr(self) -> str:
        return ARCH_0


@pytest.mark.parametrize(
    ("config", "shape", "count"),
    [
        (nats(), (3, 32, 32), 129_306),
        (nats(num_classes=100), (3, 32, 32), 135_156),
        (nats(C=8, N=1, num_classes=100), (3, 32, 32), 24_620),
        (nats(C=8, N=1, num_classes=7), (3, 32, 32), 24_620 - 93 * 33),
        (nats(num_classes=120), (3, 16, 16), 136_456),
        (without(nats(), "arch_str") | {"genotype": Structure()}, (3, 32, 32), 129_306),
        (without(nats(), "arch_str") | {"genotype": ARCH_0}, (3, 32, 32), 129_306),
        (nats(C=np.int64(8), N=np.int32(1), num_classes=np.int64(100)), (3, 32, 32), 24_620),
        (
            {
                "benchmark": "nasbench201",
                "channel": 8,
                "num_cells": 1,
                "arch_str": ARCH_0,
                "class_num": 100,
            },
            (3, 32, 32),
            24_620,
        ),
        (SIZES | {"num_classes": 10}, (3, 32, 32), 49_202),
        (SIZES | {"num_classes": 120}, (3, 16, 16), 49_202 + 110 * 33),
    ],
)
def test_configurations_of_nats_bench_state_their_network(
    config: dict[str, Any], shape: tuple[int, ...], count: int
) -> None:
    with torch.device("meta"):
        network = build(config)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert network.input_shape == shape


@given(
    channels=st.integers(1, 32),
    cells=st.integers(1, 4),
    classes=st.integers(1, 300),
    named=st.sampled_from([("C", "N", "num_classes"), ("channel", "num_cells", "class_num")]),
)
@settings(max_examples=20, deadline=None)
def test_every_number_of_a_configuration_counts(
    channels: int, cells: int, classes: int, named: tuple[str, str, str]
) -> None:
    numbers = dict(zip(named, (channels, cells, classes), strict=True))
    space, sample = locate("nasbench201", {"arch_str": ARCH_0, **numbers})
    wanted = spaces.NasBench201(
        stem_out_channels=channels, num_modules_per_stack=cells, num_labels=classes
    )
    assert space.profile(sample).parameters == wanted.profile(sample).parameters


@pytest.mark.parametrize(
    ("benchmark", "kinds"),
    [
        ("nasbench101", (Nb101Stats, Nb101Curves)),
        ("nasbench201", (Nb201Stats, Nb201Curves)),
        ("natssss", (NatsSssStats, NatsSssCurves)),
        ("nds", (NdsStats, NdsCurves)),
    ],
)
def test_every_field_of_an_answer_is_one_of_a_row(benchmark: str, kinds: tuple[Any, ...]) -> None:
    for kind in kinds:
        config = kind.model_fields["config"].annotation
        READERS[benchmark].refuse_unknown_fields(dict.fromkeys(kind.model_fields))
        READERS[benchmark].refuse_unknown_fields(dict.fromkeys(config.model_fields))


def test_every_real_row_has_the_multiply_adds_of_its_data_set(real_rows: BenchClient) -> None:
    seen: dict[tuple[str, int, str], tuple[ModelSpace, dict[str, Any]]] = {}
    for benchmark in ("nasbench201", "natssss"):
        for row in real_rows.query(benchmark):
            key = (benchmark, row.config.index, row.config.dataset)
            for asked in ((row,), (benchmark, row.model_dump())):
                located = locate(*asked)
                if key in seen:  # with another seed or budget
                    assert located == seen[key]
                    continue
                seen[key] = located
                space, sample = located
                profile = space.profile(sample)
                # The records count what a norm without weights and a bias come to, a few a place.
                assert profile.macs / 1e6 == pytest.approx(row.flops, rel=0.03)
                side = 16 if row.config.dataset == "imagenet16-120" else 32
                assert space.input_shape == build(*asked).input_shape == (3, side, side)
    assert len(seen) == 2 * 2 * 4


def test_the_first_architecture_on_small_images_of_imagenet_has_its_published_cost() -> None:
    space, sample = locate("nasbench201", ARCH_0, dataset="ImageNet16-120")
    assert space.profile(sample).macs == 3_919_360
    assert space.profile(sample, input_shape=(3, 32, 32)).macs == 15_654_400


@pytest.mark.parametrize(
    ("benchmark", "arch", "datasets"),
    [
        ("nasbench101", {"op1": "conv3x3", "input1": [0], "input2": [1]}, {"cifar10": 32}),
        (
            "natssss",
            "8:8:8:8:8",
            {"cifar10": 32, "cifar10-valid": 32, "cifar100": 32, "imagenet16-120": 16},
        ),
        ("nds", RESIDUAL, {"cifar10": 32}),
        ("nds", CELLS, {"cifar10": 32, "imagenet": 224}),
    ],
)
def test_the_input_belongs_to_the_data_set(
    benchmark: str, arch: Any, datasets: dict[str, int]
) -> None:
    for dataset, side in datasets.items():
        space, sample = locate(benchmark, arch, dataset=dataset)
        assert space.input_shape == (3, side, side)
        outputs = space.profile(sample).layers[-1].output_shape
        assert outputs == (1, DATA_SETS[dataset].num_labels)
