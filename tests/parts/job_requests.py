"""Submissions and the networks in them, which tests of requests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from bench_client.models import EvaluationRequest, LatencyRequest, ModelRequest
from model_hub import zoo
from service.jobs.records import NewJob

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


def network(job: NewJob) -> dict[str, Any]:
    """Return the network of a job, as a worker gets it."""
    found: dict[str, Any] = job.spec["network"]
    return found
