"""However an architecture is spelled, it is one job, and the network that the hub builds of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from job_requests import CELL, Submit, network
from nds_networks import CELLS, RESIDUAL

import model_hub
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError
from benchmark_db.nasbench101.spelling import parse_cell
from benchmark_db.nasbench201.architecture import arch_dict, arch_str, operations_at


class TestOneArchitectureIsOneJob:
    def test_of_nasbench201(self, submit: Submit) -> None:
        operations = operations_at(1234)
        names = arch_dict(operations)
        spellings = [
            1234,
            "1234",
            arch_str(operations),
            names,
            dict(reversed(names.items())),
            list(operations),
            json.dumps(names),
        ]
        asked = [
            submit(network={"benchmark": "nasbench201", "arch": arch, "dataset": "CIFAR100"})
            for arch in spellings
        ]
        sample = {f"cell/{edge}": name for edge, name in names.items()}
        asked.append(
            submit(
                network={"space": "NasBench201", "arguments": {"num_labels": 100}, "arch": sample}
            )
        )
        assert len({job.key for job in asked}) == 1
        assert network(asked[0]) == {
            "model": None,
            "space": "NasBench201",
            "arguments": {"num_labels": 100},
            "arch": sample,
            "checkpoint": None,
            "seed": 0,
        }

    def test_of_nasbench101(self, submit: Submit, cells: Catalog) -> None:
        (recorded,) = [
            item
            for item in cells["nasbench101"].architectures(cells["nasbench101"].recorded())
            if item["num_vertices"] == 4
        ][:1]
        cell = parse_cell(recorded["arch"])
        # A vertex on no path to the output computes nothing.
        dangling = {
            **{key: value for key, value in recorded["arch"].items() if key != "input3"},
            "op3": "conv1x1",
            "input3": [0],
            "input4": recorded["arch"]["input3"],
        }
        spellings = [
            recorded["hash"],
            recorded["hash"].upper(),
            recorded["arch"],
            json.dumps(recorded["arch"]),
            cell.to_module(),
            dangling,
        ]
        keys = {
            submit(catalog=cells, network={"benchmark": "nasbench101", "arch": arch}).key
            for arch in spellings
        }
        assert len(keys) == 1

    def test_of_nasbench101_as_a_sample_of_its_space(self, submit: Submit) -> None:
        located = submit(network={"benchmark": "nasbench101", "arch": CELL})
        sample = {
            "cell/num_nodes": 4,
            "cell/op1": "conv3x3-bn-relu",
            "cell/op2": "maxpool3x3",
            "cell/input1": [0],
            "cell/input2": [1, 0],
            "cell/input3": [2, 1],
        }
        assert submit(network={"space": "NasBench101", "arch": sample}).key == located.key
        longer = sample | {
            "cell/num_nodes": 5,
            "cell/op3": "conv1x1-bn-relu",
            "cell/input3": [1],
            "cell/input4": [1, 2],
        }
        assert submit(network={"space": "NasBench101", "arch": longer}).key == located.key

    def test_of_the_size_space(self, submit: Submit) -> None:
        spellings = [1, "1", "8:8:8:8:16", [8, 8, 8, 8, 16], "[8, 8, 8, 8, 16]"]
        keys = {
            submit(network={"benchmark": "natssss", "arch": arch, "dataset": "cifar10"}).key
            for arch in spellings
        }
        assert len(keys) == 1

    def test_of_nds(self, submit: Submit) -> None:
        spec = RESIDUAL["model_spec"]
        spellings = [
            RESIDUAL | {"dataset": "cifar10"},
            {"config": RESIDUAL | {"dataset": "cifar10"}, "parameters": 0.594138},
            RESIDUAL | {"model_spec": {k: [float(v) for v in vs] for k, vs in spec.items()}},
        ]
        asked = [
            submit(network={"benchmark": "nds", "arch": arch, "dataset": "cifar10"})
            for arch in spellings
        ]
        assert len({job.key for job in asked}) == 1
        assert network(asked[0])["space"] == "ResidualBasic"

    def test_of_the_cells_of_nds(self, submit: Submit) -> None:
        located = submit(network={"benchmark": "nds", "arch": CELLS})
        again = submit(network={"benchmark": "nds", "arch": json.loads(json.dumps(CELLS))})
        assert located.key == again.key
        assert network(located)["space"] == "NdsCells"
        assert network(located)["arguments"]["normal"] == {
            "nodes": [[["sep_conv_3x3", 0], ["skip_connect", 1]]],
            "concat": [2],
        }

    def test_of_nds_for_imagenet_by_its_recorded_parameters(self, submit: Submit) -> None:
        large = RESIDUAL | {"dataset": "imagenet"}
        row = {"config": large, "parameters": 0.636648}
        job = submit(network={"benchmark": "nds", "arch": row})
        assert network(job)["arguments"]["stem"] == "resnet"
        with pytest.raises(InvalidQuestionError, match="636,648 with stem='resnet'") as refused:
            submit(network={"benchmark": "nds", "arch": large})
        assert refused.value.field == "network.arch"

    def test_of_a_space_whatever_is_left_out_and_however_numbers_are_written(
        self, submit: Submit
    ) -> None:
        space = model_hub.space("MobileNetV3Space", width_multipliers=2)
        sample = space.choices.sample(0)
        plain = submit(
            network={
                "space": "MobileNetV3Space",
                "arguments": {"width_multipliers": 2},
                "arch": sample,
            }
        )
        stated = submit(
            network={
                "model": None,
                "space": "MobileNetV3Space",
                "arguments": {
                    "width_multipliers": 2.0,
                    "num_labels": 1000,
                    "se_from_exp": True,
                    "expand_ratios": [1, 2, 3, 4, 5, 6],
                },
                "arch": {
                    label: int(value) if isinstance(value, float) else value
                    for label, value in reversed(sample.items())
                },
            }
        )
        assert stated.key == plain.key
        assert network(plain)["arguments"] == {"width_multipliers": 2}

    def test_and_no_switch_is_a_number(self, submit: Submit) -> None:
        sample = model_hub.space("DARTS").choices.default
        stated = {"space": "DARTS", "arguments": {"auxiliary_loss": 1}, "arch": sample}
        with pytest.raises(InvalidQuestionError, match="auxiliary_loss: 1 is not one of True"):
            submit(network=stated)


@pytest.mark.parametrize(
    "asked",
    [
        {"benchmark": "nasbench101", "arch": CELL},
        {"benchmark": "nasbench201", "arch": arch_dict(operations_at(7)), "dataset": "cifar100"},
        {"benchmark": "natssss", "arch": "8:16:24:32:64", "dataset": "imagenet16-120"},
        {"benchmark": "nds", "arch": CELLS},
        {"benchmark": "nds", "arch": RESIDUAL, "dataset": "cifar10"},
        {
            "benchmark": "nds",
            "arch": {"config": RESIDUAL | {"dataset": "imagenet"}, "parameters": 0.634728},
        },
    ],
    ids=lambda asked: asked["benchmark"],
)
def test_a_worker_builds_of_the_request_what_the_hub_builds_of_the_row(
    submit: Submit, asked: dict[str, Any]
) -> None:
    canonical = network(submit(network=asked))
    with torch.device("meta"):
        space = model_hub.space(canonical["space"], **canonical["arguments"])
        made = space.freeze(canonical["arch"])
        built = model_hub.build(asked["benchmark"], asked["arch"], dataset=asked.get("dataset"))
    shapes = [{n: tuple(t.shape) for n, t in each.state_dict().items()} for each in (made, built)]
    assert shapes[0] == shapes[1]
