"""Networks of NDS as its rows state them, which several tests build, submit or refuse."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_hub.counting import Profile

RESIDUAL: dict[str, Any] = {
    "benchmark": "nds",
    "model_family": "residual_basic",
    "model_spec": {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]},
}
CELLS: dict[str, Any] = {
    "benchmark": "nds",
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


def nds_flops(profile: Profile) -> int:
    """Return the `flops` of a network as NDS records them for plain and residual networks.

    Multiply-adds of convolutions and linear layers, the biases of the latter, and five for each
    element that a batch norm gives out (raw-formats.md, section 3).
    """
    biases = sum(
        layer.parameters - layer.macs
        for layer in profile.layers
        if layer.kind == "Linear" and layer.macs
    )
    norms = sum(
        prod(layer.output_shape or (0,)) for layer in profile.layers if layer.kind == "BatchNorm2d"
    )
    return profile.macs + biases + 5 * norms
