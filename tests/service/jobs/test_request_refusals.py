"""What is refused before any worker, and where it says so."""

from __future__ import annotations

import time
from typing import Any

import pytest
from job_requests import DIGEST, MOBILE, Submit, network
from nds_networks import CELLS, RESIDUAL
from pydantic import ValidationError

import model_hub
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError


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
                    | {"cell_spec": CELLS["cell_spec"] | {"normal_0_op_x": "sep_conv_4x4"}},
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

    @pytest.mark.parametrize("kind", ["model", "latency"])
    @pytest.mark.parametrize(
        ("asked", "shape", "message"),
        [
            ({"dataset": "cifar10"}, [1, 32, 32], "has 1 channels, not 3"),
            ({"dataset": "cifar10"}, [3, 32], r"like \[3, 32, 32\]"),
            ({"dataset": "imagenet16-120"}, [16], r"like \[3, 16, 16\]"),
            ({"dataset": "cifar10"}, [3, 3, 32], "3 is not an integer from 4 to 1024"),
            ({"dataset": "cifar10"}, [3, 32, 34], "multiples of 4"),
            ({"dataset": "cifar10"}, [3, 1028, 4], "1028 is not an integer from 4 to 1024"),
            ({"dataset": "cifar10"}, [3, 1 << 20, 1 << 20], "1048576 is not an integer from 4"),
        ],
    )
    def test_an_input_that_a_network_does_not_take(
        self, submit: Submit, kind: str, asked: dict[str, str], shape: list[int], message: str
    ) -> None:
        drawn = {"benchmark": "nasbench201", "arch": 0} | asked
        with pytest.raises(InvalidQuestionError, match=message) as refused:
            submit(kind, network=drawn, input_shape=shape)
        assert refused.value.field == "input_shape"

    @pytest.mark.parametrize("shape", [[], [3, 0, 32], [3, 32, 32, 1], [3, 32.0, 32], "3", [True]])
    def test_an_input_that_is_no_shape(self, submit: Submit, shape: Any) -> None:
        with pytest.raises(ValidationError):
            submit(network=MOBILE, input_shape=shape)

    def test_more_in_a_pass_than_any_device_holds(self, submit: Submit) -> None:
        big = {"network": MOBILE, "input_shape": [3, 1024, 1024]}
        assert submit("latency", **big, batch_size=5461).spec["batch_size"] == 5461
        with pytest.raises(InvalidQuestionError, match="numbers is more than") as refused:
            submit("latency", **big, batch_size=5462)
        assert refused.value.field == "batch_size"

    def test_a_protocol_whose_images_the_network_does_not_take(self, submit: Submit) -> None:
        mine = {"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10", "checkpoint": DIGEST}
        odd = {"dataset": "mine", "input_size": 30}
        with pytest.raises(InvalidQuestionError, match="multiples of 4") as refused:
            submit("evaluation", network=mine, dataset="d", protocol=odd)
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
