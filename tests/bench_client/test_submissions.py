"""Submissions as clients write them: strict, and the same after a journey as JSON."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from bench_client.models import (
    BenchmarkNetwork,
    EvaluationRequest,
    LatencyRequest,
    ModelRequest,
    SearchedNetwork,
    SpaceNetwork,
    Submission,
)

NETWORKS = [
    SearchedNetwork(model="proxyless-mobile"),
    SpaceNetwork(space="ProxylessNAS", arguments={"num_labels": 10}, arch={"s2_depth": 2}),
    BenchmarkNetwork(benchmark="nasbench201", arch=0, dataset="cifar100", seed=7),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_a_request_comes_back_from_json_as_it_was(network: Any) -> None:
    for request in (
        ModelRequest(network=network, formats=["onnx"], priority=3),
        EvaluationRequest(network=network, dataset="imagenet-val", time_limit=60),
        LatencyRequest(network=network, precision="mixed-bfloat16"),
    ):
        again = type(request).model_validate_json(request.model_dump_json())
        assert again == request
        assert type(again.network) is type(network)


def test_the_form_of_a_network_is_told_by_the_member_that_is_there() -> None:
    def read(**members: Any) -> Any:
        return ModelRequest.model_validate({"network": members}).network

    assert isinstance(read(model="x"), SearchedNetwork)
    assert isinstance(read(space="x", arch={}), SpaceNetwork)
    assert isinstance(read(model=None, space="x", arch={}), SpaceNetwork)
    assert isinstance(read(benchmark="x", arch=[1]), BenchmarkNetwork)
    assert isinstance(read(model="x", space="y", arguments={}, arch={}), SearchedNetwork)


@pytest.mark.parametrize(
    ("network", "place", "message"),
    [
        ({}, ("network",), "one of the members model, space and benchmark"),
        (None, ("network",), "one of the members model, space and benchmark"),
        ({"model": None}, ("network",), "one of the members"),
        ({"model": 7}, ("network", "model", "model"), "valid string"),
        ({"model": "x", "benchmark": "y"}, ("network", "model", "benchmark"), "not permitted"),
        ({"space": "x"}, ("network", "space", "arch"), "required"),
        ({"space": "x", "arch": [1]}, ("network", "space", "arch"), "dictionary"),
        ({"benchmark": "x", "arch": 0, "seed": 0.5}, ("network", "benchmark", "seed"), "integer"),
        ({"model": "x", "checkpoint": "9f86"}, ("network", "model", "checkpoint"), "pattern"),
    ],
)
def test_a_network_of_no_form_is_refused_with_its_place(
    network: Any, place: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        ModelRequest.model_validate({"network": network})
    assert refused.value.errors()[0]["loc"] == place


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        (ModelRequest, {"formats": ["pickle"]}),
        (ModelRequest, {"formats": []}),
        (ModelRequest, {"batch_size": 1}),
        (ModelRequest, {"priority": -11}),
        (ModelRequest, {"priority": True}),
        (ModelRequest, {"time_limit": 0}),
        (ModelRequest, {"time_limit": float("inf")}),
        (EvaluationRequest, {}),
        (EvaluationRequest, {"dataset": "../imagenet"}),
        (EvaluationRequest, {"dataset": "https://somewhere/imagenet"}),
        (EvaluationRequest, {"dataset": "d", "batch_size": 0}),
        (EvaluationRequest, {"dataset": "d", "precision": "int8"}),
        (EvaluationRequest, {"dataset": "d", "device": "cuda:0"}),
        (EvaluationRequest, {"dataset": "d", "on_corrupt": "ignore"}),
        (EvaluationRequest, {"dataset": "d", "compile": 1}),
        (LatencyRequest, {"repeats": 0}),
        (LatencyRequest, {"warmup": -1}),
        (LatencyRequest, {"dataset": "d"}),
    ],
)
def test_a_member_that_is_unknown_missing_or_out_of_bounds_is_refused(
    kind: type[Submission], members: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate({"network": {"model": "x"}, **members})


def test_requests_are_frozen() -> None:
    request = ModelRequest(network=NETWORKS[0])  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="frozen"):
        request.priority = 1  # type: ignore[misc]


def test_the_schema_says_which_forms_a_network_has() -> None:
    schema = EvaluationRequest.model_json_schema()
    forms = {each["$ref"].rpartition("/")[2] for each in schema["properties"]["network"]["oneOf"]}
    assert forms == {"SearchedNetwork", "SpaceNetwork", "BenchmarkNetwork"}
    assert schema["additionalProperties"] is False
    assert schema["properties"]["time_limit"]["unit"] == "seconds"


def test_models_of_jobs_can_be_imported_by_themselves() -> None:
    for module in ("jobs", "submissions"):
        command = [sys.executable, "-c", f"import bench_client.models.{module}"]
        subprocess.run(command, check=True)
