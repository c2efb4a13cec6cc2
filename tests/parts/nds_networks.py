"""Networks of NDS as its rows state them, which several tests build, submit or refuse."""

from __future__ import annotations

from typing import Any

RESIDUAL: dict[str, Any] = {
    "model_family": "residual_basic",
    "model_spec": {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]},
}
CELLS: dict[str, Any] = {
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
