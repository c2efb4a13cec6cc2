"""Spaces with arguments that make their networks small.

More cells, more layers and wider ones take longer and show nothing more.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["SMALL_SPACES", "TINY_SPACES"]

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
"""Every space of images; layers are still as wide as some code needs them."""

_TINY_CELLS: Final = {"width": 4, "num_cells": 3, "num_labels": 10}
_TINY_STAGES: Final = {"depths": ((1, 2),) * 3, "widths": ((8, 16),) * 3}

TINY_SPACES: Final[dict[str, dict[str, Any]]] = {
    "AmoebaNet": _TINY_CELLS,
    "AutoFormer": {
        "img_size": 32,
        "search_depth": (1, 2),
        "search_embed_dim": (24, 36, 48),
        "search_num_heads": (1, 2),
        "num_labels": 10,
    },
    "DARTS": _TINY_CELLS,
    "ENAS": _TINY_CELLS,
    "FBNet": {"dataset": "cifar"},
    "LightSpeech": {"num_symbols": 12, "hidden_size": 16, "speaker_size": None},
    "MobileNetV3Space": {"base_widths": (8,) * 9, "depth_range": (1, 2), "num_labels": 10},
    "NASBERT": {"vocabulary": 20, "embed_dim": 8, "hidden_sizes": (64, 128), "max_length": 12},
    "NASNet": _TINY_CELLS,
    "NasBench101": {"num_modules_per_stack": 1, "stem_out_channels": 8},
    "NasBench201": {"num_modules_per_stack": 1, "stem_out_channels": 4},
    "NatsSss": {"candidates": (4, 8, 12)},
    "PNAS": _TINY_CELLS,
    "ProxylessNAS": {"width_mult": 0.25, "num_labels": 10},
    "ResidualBasic": _TINY_STAGES,
    "ResidualBottleneck": _TINY_STAGES,
    "ShuffleNetSpace": {"num_labels": 10},
    "SinglePathNAS": {"num_labels": 10},
    "Vanilla": _TINY_STAGES,
}
"""Every space, those that read no images too, as small as a search of it can be."""
