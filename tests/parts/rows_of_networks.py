"""Rows of benchmarks, written by hand, that make small networks."""

from __future__ import annotations

import json
from typing import Any

from benchmark_db.natssss.architecture import CELL

__all__ = ["ARCH_0", "CELLS", "LARGE", "LARGE_PARAMETERS", "RESIDUAL", "SIZES", "nats", "without"]

ARCH_0 = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)
RESIDUAL: dict[str, Any] = {
    "benchmark": "nds",
    "model_family": "residual_basic",
    "model_spec": {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]},
    "dataset": "cifar10",
}
LARGE = RESIDUAL | {"dataset": "imagenet"}
LARGE_PARAMETERS = {"resnet": 594_138 + 120 * 16 + 41 * 990, "simple": 594_138 + 41 * 990}
"""Of LARGE: what RESIDUAL has, the larger kernel of the stem, and 990 more classes."""
CELLS: dict[str, Any] = {
    "benchmark": "nds",
    "model_family": "nas_cell",
    "model_spec": {
        "num_nodes_normal": 1,
        "num_nodes_reduce": 1,
        "depth": 4,
        "width": 4,
        "aux": False,
        "drop_prob": 0.0,
    },
    "cell_spec": {
        "normal_0_op_x": "sep_conv_3x3",
        "normal_0_input_x": 0,
        "normal_0_op_y": "none",
        "normal_0_input_y": 1,
        "normal_concat": [2],
        "reduce_0_op_x": "max_pool_3x3",
        "reduce_0_input_x": 0,
        "reduce_0_op_y": "skip_connect",
        "reduce_0_input_y": 1,
        "reduce_concat": [2],
    },
    "dataset": "imagenet",
}
SIZES = {"name": "infer.shape.tiny", "channels": "8:8:8:16:32", "genotype": CELL}


def without(config: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return a copy that lacks what stands at a path."""
    changed: dict[str, Any] = json.loads(json.dumps(config))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return changed


def nats(**fields: Any) -> dict[str, Any]:
    """Return a network as `get_net_config` of NATS-Bench does."""
    stated = {"name": "infer.tiny", "C": 16, "N": 5, "arch_str": ARCH_0, "num_classes": 10}
    return stated | fields
