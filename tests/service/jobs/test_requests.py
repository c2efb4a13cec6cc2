"""From submissions to jobs: what is the same request, and what is refused before any worker."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from pydantic import ValidationError

import model_hub
from bench_client.models import EvaluationRequest, LatencyRequest, ModelRequest
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError
from benchmark_db.nasbench101.spelling import parse_cell
from benchmark_db.nasbench201.architecture import arch_dict, arch_str, operations_at
from model_hub import zoo
from model_hub.protocols import protocol, protocol_names
from service.jobs.keys import spec_key
from service.jobs.records import NewJob
from service.jobs.requests import new_job
from service.jobs.states import JobKind

REQUESTS: dict[str, type[ModelRequest | EvaluationRequest | LatencyRequest]] = {
    "model": ModelRequest,
    "evaluation": EvaluationRequest,
    "latency": LatencyRequest,
}
Submit: TypeAlias = Callable[..., NewJob]

MOBILE = {"model": "proxyless-mobile"}
MOBILE_RECORD = zoo.record("proxyless-mobile")
CELL = {"op1": "conv3x3", "input1": [0], "op2": "maxpool", "input2": [0, 1], "input3": [1, 2]}
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
RESIDUAL = {
    "model_family": "residual_basic",
    "model_spec": {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]},
}
CELLS = {
    "model_family": "nas_cell",
    "model_spec": {"num_nodes_normal": 1, "num_nodes_reduce": 1, "depth": 4, "width": 4},
    "cell_spec": {
        f"{cell}_{name}": value
        for cell in ("normal", "reduce")
        for name, value in (
            ("0_op_x", "sep_conv_3x3"),
            ("0_input_x", 0),
            ("0_op_y", "skip_connect"),
            ("0_input_y", 1),
            ("concat", [2]),
        )
    },
    "dataset": "imagenet",
}


@pytest.fixture(scope="module")
def nothing_installed(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A service without databases."""
    return Catalog(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def submit(nothing_installed: Catalog) -> Submit:
    """Makes a job of a kind of a body."""

    def make(kind: str = "model", catalog: Catalog = nothing_installed, **body: Any) -> NewJob:
        request = REQUESTS[kind].model_validate(body)
        return new_job(request, catalog=catalog, job_seconds=3600.0)

    return make


@pytest.fixture(scope="module")
def cells(nasbench101_folder: Path) -> Iterator[Catalog]:
    """A service with NAS-Bench-101."""
    catalog = Catalog(nasbench101_folder)
    yield catalog
    catalog.close()


def network(job: NewJob) -> dict[str, Any]:
    found: dict[str, Any] = job.spec["network"]
    return found


class TestTheCanonicalRequest:
    def test_a_model_is_spelled_out_as_its_record(self, submit: Submit) -> None:
        job = submit(network=MOBILE)
        assert job.kind is JobKind.MODEL
        assert job.spec == {
            "network": {
                "model": "proxyless-mobile",
                "space": "ProxylessNAS",
                "arguments": {},
                "arch": dict(MOBILE_RECORD.architecture),
                "checkpoint": None,
                "seed": 0,
            },
            "formats": ["safetensors", "report"],
        }
        assert job.key == spec_key(JobKind.MODEL, job.spec)

    def test_defaults_are_filled_in(self, submit: Submit) -> None:
        job = submit("evaluation", network=MOBILE, dataset="imagenet-val")
        assert {key: value for key, value in job.spec.items() if key != "network"} == {
            "dataset": "imagenet-val",
            "protocol": json.loads(json.dumps(MOBILE_RECORD.protocol.to_dict())),
            "batch_size": 32,
            "precision": "float32",
            "compare": 512,
            "device": "any",
            "compile": False,
            "channels_last": None,
            "on_corrupt": "fail",
        }
        timed = submit("latency", network=MOBILE)
        assert {key: value for key, value in timed.spec.items() if key != "network"} == {
            "device": "any",
            "precision": "float32",
            "channels_last": None,
            "compile": False,
            "batch_size": 1,
            "warmup": 10,
            "repeats": 50,
        }

    def test_what_a_worker_needs_stands_beside_it(self, submit: Submit) -> None:
        job = submit("evaluation", network=MOBILE, dataset="mine", device="cuda")
        assert (job.needs_dataset, job.needs_device) == ("mine", "cuda")
        assert submit("latency", network=MOBILE, device="cpu").needs_device == "cpu"
        built = submit(network=MOBILE)
        assert (built.needs_dataset, built.needs_device) == (None, "any")

    def test_priority_and_time_limit_do_not_make_it_another_request(self, submit: Submit) -> None:
        plain = submit(network=MOBILE)
        urgent = submit(network=MOBILE, priority=10, time_limit=60)
        assert urgent.key == plain.key
        assert (urgent.priority, urgent.time_limit) == (10, 60.0)
        assert (plain.priority, plain.time_limit) == (0, None)

    @pytest.mark.parametrize(
        "body",
        [
            {"network": {"benchmark": "natssss", "arch": 5, "dataset": "cifar10"}},
            {"network": MOBILE, "formats": ["onnx"]},
            {"network": MOBILE | {"checkpoint": DIGEST}},
            {
                "network": {
                    "space": "ProxylessNAS",
                    "arch": dict(zoo.record("fairnas-a").architecture),
                }
            }
            if "fairnas-a" in zoo.names()
            else {"network": {"model": "proxyless-cpu"}},
        ],
    )
    def test_another_network_or_other_files_are_another_request(
        self, submit: Submit, body: dict[str, Any]
    ) -> None:
        assert submit(**body).key != submit(network=MOBILE).key

    def test_the_kind_makes_it_another_request(self, submit: Submit) -> None:
        assert submit("latency", network=MOBILE).key != submit("model", network=MOBILE).key

    def test_formats_are_a_set(self, submit: Submit) -> None:
        job = submit(network=MOBILE, formats=["report", "safetensors", "report"])
        assert job.key == submit(network=MOBILE).key

    def test_a_protocol_by_name_by_value_and_by_default_is_one(self, submit: Submit) -> None:
        body = {"network": MOBILE, "dataset": "d"}
        named = submit("evaluation", **body, protocol="imagenet-224")
        stated = submit("evaluation", **body, protocol=protocol("imagenet-224").to_dict())
        assert MOBILE_RECORD.protocol == protocol("imagenet-224")
        assert submit("evaluation", **body).key == named.key == stated.key
        other = next(name for name in protocol_names() if protocol(name) != MOBILE_RECORD.protocol)
        assert submit("evaluation", **body, protocol=other).key != named.key

    def test_a_seed_matters_only_where_weights_are_drawn(self, submit: Submit) -> None:
        drawn = {"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10"}
        loaded = drawn | {"checkpoint": DIGEST}
        assert submit(network=drawn | {"seed": 1}).key != submit(network=drawn).key
        assert submit(network=loaded | {"seed": 1}).key == submit(network=loaded).key
        assert submit(network=MOBILE | {"seed": 1}).key == submit(network=MOBILE).key


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
            RESIDUAL | {"model_spec": {k: [float(v) for v in vs] for k, vs in spec.items()}},  # type: ignore[attr-defined]
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

    def test_of_a_switch_that_is_written_as_a_number(self, submit: Submit) -> None:
        sample = model_hub.space("DARTS").choices.default
        keys = {
            submit(
                network={"space": "DARTS", "arguments": {"auxiliary_loss": on}, "arch": sample}
            ).key
            for on in (True, 1)
        }
        assert len(keys) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("network", "place", "message"),
        [
            ({"model": "proxyless-mobil"}, "model", "nearest are proxyless-mobile"),
            ({"space": "Proxyless", "arch": {}}, "space", "nearest are ProxylessNAS"),
            (
                {"space": "ProxylessNAS", "arguments": {"num_classes": 9}, "arch": {}},
                "arguments",
                "ProxylessNAS has no such argument; the nearest are",
            ),
            (
                {"space": "ProxylessNAS", "arguments": {"name": 9}, "arch": {}},
                "arguments",
                "name: ProxylessNAS has no such argument",
            ),
            (
                {"space": "ProxylessNAS", "arguments": {"num_labels": 0}, "arch": {}},
                "arguments",
                "num_labels: 0 is not an integer from 1",
            ),
            ({"space": "NdsCells", "arch": {}}, "arguments", "normal: NdsCells needs this"),
            ({"space": "ProxylessNAS", "arch": {"s2_depth": 9}}, "arch", "s2_depth: 9 is not one"),
            (
                {"space": "NasBench201", "arch": {"cell/0_1": "none"}},
                "arch",
                "cell/0_2: the sample",
            ),
            (
                {"space": "NatsSss", "arguments": {"candidates": [8, 8]}, "arch": {}},
                "arguments",
                "not distinct",
            ),
            ({"benchmark": "nasbench102", "arch": 0}, "benchmark", "nearest are nasbench101"),
            ({"benchmark": "nasbench201", "arch": 0}, "dataset", "say which"),
            (
                {"benchmark": "nasbench201", "arch": 0, "dataset": "mnist"},
                "dataset",
                "'mnist' is not one of",
            ),
            (
                {"benchmark": "nasbench201", "arch": 15_625, "dataset": "cifar10"},
                "arch",
                "index 15625 is out of range",
            ),
            (
                {"benchmark": "nasbench101", "arch": {"op1": "conv9x9"}},
                "arch",
                "the cell has 1 operations but no input1",
            ),
            (
                {"benchmark": "nasbench101", "arch": "0" * 32},
                "arch",
                "nasbench101 is not installed",
            ),
            ({"benchmark": "natssss", "arch": "8:8", "dataset": "cifar10"}, "arch", "5 layers"),
            ({"benchmark": "nds", "arch": 7, "dataset": "cifar10"}, "arch", "the config of a row"),
            (
                {
                    "benchmark": "nds",
                    "arch": CELLS
                    | {"cell_spec": CELLS["cell_spec"] | {"normal_0_op_x": "sep_conv_4x4"}},  # type: ignore[operator]
                },
                "arch",
                "no operation 'sep_conv_4x4'; the nearest are sep_conv_",
            ),
            (MOBILE | {"space": "FBNet"}, "space", "it is not that of proxyless-mobile"),
            (MOBILE | {"arch": {"s2_depth": 2}}, "arch", "it is not that of proxyless-mobile"),
            (MOBILE | {"arguments": {"num_labels": 10}}, "arguments", "leave it out"),
        ],
    )
    def test_a_network_that_is_none(
        self, submit: Submit, network: dict[str, Any], place: str, message: str
    ) -> None:
        with pytest.raises(InvalidQuestionError, match=message) as refused:
            submit(network=network)
        assert refused.value.field == f"network.{place}"

    def test_a_hash_that_no_recorded_cell_has(self, submit: Submit, cells: Catalog) -> None:
        with pytest.raises(InvalidQuestionError, match="give the cell itself") as refused:
            submit(catalog=cells, network={"benchmark": "nasbench101", "arch": "0" * 32})
        assert refused.value.field == "network.arch"

    @pytest.mark.parametrize(
        ("network", "message"),
        [
            (
                {"space": "ProxylessNAS", "arguments": {"base_widths": [1 << 19] * 9}, "arch": {}},
                "base_widths: 524288 is more than 16384",
            ),
            (
                {
                    "space": "NasBench101",
                    "arguments": {"num_stacks": 10, "num_modules_per_stack": 1000},
                    "arch": {},
                },
                "may have 10000 blocks; 1000 are allowed",
            ),
            (
                {"space": "NasBench101", "arguments": {"num_stacks": 10}, "arch": {}},
                "the last of these stacks is 65536 wide",
            ),
            (
                {"space": "NasBench201", "arguments": {"num_modules_per_stack": 1000}, "arch": {}},
                "may have 3000 blocks",
            ),
            (
                {
                    "space": "MobileNetV3Space",
                    "arguments": {
                        "depth_range": [1, 64],
                        "base_widths": [16] * 27,
                        "stride": [1] * 27,
                        "activation": ["relu"] * 27,
                        "squeeze_excite": ["none"] * 24,
                    },
                    "arch": {},
                },
                "may have 1536 blocks",
            ),
            (
                {"space": "NASNet", "arguments": {"num_cells": [4, 2000]}, "arch": {}},
                "num_cells: 2000 is not an integer from 3 to 1000",
            ),
            (
                {"space": "AutoFormer", "arguments": {"search_depth": [1001]}, "arch": {}},
                "search_depth: 1001 is not an integer",
            ),
            (
                {
                    "space": "Vanilla",
                    "arguments": {
                        "depths": [[900], [900]],
                        "widths": [[8], [8]],
                        "strides": [1, 1],
                    },
                    "arch": {},
                },
                "may have 1800 blocks",
            ),
            (
                {
                    "space": "Vanilla",
                    "arguments": {
                        "stem_width": 16,
                        "depths": [300, 300],
                        "widths": [16_384, 16_384],
                        "strides": [1, 1],
                    },
                    "arch": {},
                },
                "parameters; 17,179,869,184 are allowed",
            ),
            (
                {
                    "space": "NatsSss",
                    "arguments": {"candidates": list(range(1, 300))},
                    "arch": {},
                },
                "299 entries; 128 are allowed",
            ),
        ],
    )
    def test_a_network_that_nobody_means(
        self, submit: Submit, network: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InvalidQuestionError, match=message):
            submit(network=network)

    @pytest.mark.parametrize(
        "value",
        [
            float("nan"),
            float("inf"),
            10**400,
            2**53 + 1,
            -(2**60),
            "x" * 2000,
            "\0",
            "\ud800",
            [[[[[[[[[[1]]]]]]]]]],
        ],
    )
    def test_values_that_no_reader_of_json_agrees_on(self, submit: Submit, value: Any) -> None:
        for body in (
            {"space": "ProxylessNAS", "arguments": {"num_labels": value}, "arch": {}},
            {"space": "ProxylessNAS", "arch": {"s2_depth": value}},
            {"benchmark": "nds", "arch": RESIDUAL | {"x": value}, "dataset": "cifar10"},
        ):
            with pytest.raises(InvalidQuestionError) as refused:
                submit(network=body)
            assert refused.value.field in ("network.arguments", "network.arch")
            assert len(refused.value.message) < 500

    def test_an_evaluation_without_weights(self, submit: Submit) -> None:
        drawn = {"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10"}
        body = {"dataset": "cifar10-test", "protocol": "imagenet-224"}
        with pytest.raises(InvalidQuestionError, match="no weights") as refused:
            submit("evaluation", network=drawn, **body)
        assert refused.value.field == "network"
        loaded = submit("evaluation", network=drawn | {"checkpoint": DIGEST}, **body)
        assert network(loaded)["checkpoint"] == DIGEST

    def test_an_evaluation_of_a_network_that_reads_no_images(self, submit: Submit) -> None:
        space = model_hub.space("LightSpeech")
        speech = {
            "space": "LightSpeech",
            "arch": space.choices.default,
            "checkpoint": DIGEST,
        }
        with pytest.raises(InvalidQuestionError, match="read no images"):
            submit("evaluation", network=speech, dataset="d", protocol="imagenet-224")

    @pytest.mark.parametrize(
        ("stated", "message"),
        [
            (None, "only a searched model has one of its own; there are .*imagenet-224"),
            ("imagenet-225", "nearest are imagenet-224"),
            ({"dataset": "mine"}, "input_size: a protocol needs this field"),
            ({"dataset": "mine", "input_size": 0}, "input_size: 0 is not an integer"),
            ({"dataset": "mine", "input_size": 32, "std": [1, 1]}, "std: .* three numbers"),
            ({"dataset": "mine", "input_size": 32, "mean": [float("nan")] * 3}, "nan"),
            ({"dataset": "mine", "input_size": 32, "crop": 1}, "no such field"),
        ],
    )
    def test_a_protocol_that_is_none(self, submit: Submit, stated: Any, message: str) -> None:
        mine = {"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10", "checkpoint": DIGEST}
        with pytest.raises(InvalidQuestionError, match=message) as refused:
            submit("evaluation", network=mine, dataset="d", protocol=stated)
        assert refused.value.field == "protocol"

    def test_a_picture_of_a_network_without_cells(self, submit: Submit) -> None:
        with pytest.raises(InvalidQuestionError, match="ProxylessNAS have no cells") as refused:
            submit(network=MOBILE, formats=["picture"])
        assert refused.value.field == "formats"
        job = submit(network={"benchmark": "nds", "arch": CELLS}, formats=["picture"])
        assert job.spec["formats"] == ["picture"]

    def test_a_time_limit_beyond_that_of_the_server(self, submit: Submit) -> None:
        with pytest.raises(
            InvalidQuestionError, match="3601 s are more than the 3600 s"
        ) as refused:
            submit(network=MOBILE, time_limit=3601)
        assert refused.value.field == "time_limit"


def test_the_most_choices_that_may_be_asked_for_are_stated_in_seconds(submit: Submit) -> None:
    arguments = {
        "search_depth": [1000],
        "search_num_heads": list(range(1, 129)),
        "search_mlp_ratio": [ratio / 32 + 0.5 for ratio in range(128)],
    }
    blocks = {f"num_head_{i}": 128 for i in range(1000)}
    blocks |= {f"mlp_ratio_{i}": 1.0 for i in range(1000)}
    arch = {"embed_dim": 192, "depth": 1000, **blocks}
    began = time.process_time()
    submit(network={"space": "AutoFormer", "arguments": arguments, "arch": arch})
    with pytest.raises(InvalidQuestionError, match="has no such label"):
        submit(network={"space": "AutoFormer", "arguments": arguments, "arch": {"x" * 1000: 1}})
    assert time.process_time() - began < 10  # half a second; once half a minute


@pytest.mark.parametrize("name", zoo.names())
def test_every_searched_model_can_be_asked_for_and_its_request_again(
    submit: Submit, name: str
) -> None:
    job = submit("evaluation", network={"model": name}, dataset="imagenet-val")
    again = submit("evaluation", **json.loads(json.dumps(job.spec)))
    assert again == job


@pytest.mark.parametrize("name", model_hub.space_names())
def test_the_default_of_every_space_can_be_asked_for_and_its_request_again(
    submit: Submit, name: str
) -> None:
    space = model_hub.space(name)
    job = submit("latency", network={"space": name, "arch": space.choices.default})
    again = submit("latency", **json.loads(json.dumps(job.spec)))
    assert again == job
    asked = network(job)
    rebuilt = model_hub.space(asked["space"], **asked["arguments"])
    assert rebuilt == space
    assert rebuilt.choices.validate(asked["arch"]) == space.canonical(space.choices.default)


def test_requests_are_checked_in_a_process_without_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from bench_client.models import ModelRequest\n"
        "from benchmark_db.catalog import Catalog\n"
        "from service.jobs.requests import new_job\n"
        f"body = {{'network': {{'benchmark': 'nds', 'arch': {CELLS!r}}}, 'formats': ['picture']}}\n"
        "request = ModelRequest.model_validate(body)\n"
        "job = new_job(request, catalog=Catalog(Path('nowhere')), job_seconds=1.0)\n"
        "print(len(job.key))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("64", "")


def test_a_submission_is_strict(submit: Submit) -> None:
    for body in (
        {"network": MOBILE, "colour": "red"},
        {"network": MOBILE, "priority": "high"},
        {"network": MOBILE, "priority": 11},
        {"network": MOBILE, "time_limit": float("nan")},
        {"network": MOBILE, "formats": []},
        {"network": MOBILE, "formats": ["onyx"]},
        {"network": MOBILE | {"checkpoint": "../../etc/passwd"}},
        {"network": MOBILE | {"seed": -1}},
        {"network": {}},
        {"network": "proxyless-mobile"},
        {},
    ):
        with pytest.raises(ValidationError):
            submit(**body)


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
