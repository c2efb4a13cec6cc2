"""Every space of images with arguments that make its networks small.

More cells, more layers and wider ones take longer and show nothing more.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["SMALL_SPACES"]

_CELLS: Final = {"width": 8, "num_cells": 3, "num_labels": 10}

SMALL_SPACES: Final[dict[str, dict[str, Any]]] = {
    "AmoebaNet": _CELLS,
    "AutoFormer": {"img_size": 32, "search_depth": (2, 3), "num_labels": 10},
    "DARTS": {**_CELLS, "auxiliary_loss": True, "drop_path_prob": 0.2},
    "ENAS": _CELLS,
    "FBNet": {"num_labels": 10},
    "MobileNetV3Space": {"num_labels": 10},
    "NASNet": _CELLS,
    "NasBench101": {"num_modules_per_stack": 1},
    "NasBench201": {"num_modules_per_stack": 1, "stem_out_channels": 8},
    "NatsSss": {},
    "PNAS": _CELLS,
    "ProxylessNAS": {"num_labels": 10, "width_mult": 0.25},
    "ResidualBasic": {"depths": ((1, 2),) * 3},
    "ResidualBottleneck": {"depths": ((1, 2),) * 3},
    "ShuffleNetSpace": {"num_labels": 10},
    "SinglePathNAS": {"num_labels": 10},
    "Vanilla": {"depths": ((1, 2),) * 3},
}
