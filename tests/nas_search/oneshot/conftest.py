"""Spaces narrowed so that all their supernets are built, run and trained within seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import torch

import model_hub
from model_hub.model_space import ModelSpace
from model_hub.spaces.single_path_nas import SuperkernelSpace

STAGES: Final[dict[str, Any]] = {"depths": ((1, 2),) * 3, "widths": ((4, 6, 12), (6, 12), 12)}
MOBILE: Final[dict[str, Any]] = {"num_labels": 4, "base_widths": (8, 8, 8, 16, 16, 16, 24, 32, 64)}
TRANSFORMER: Final[dict[str, Any]] = {
    "num_labels": 4,
    "search_embed_dim": (24, 32),
    "search_num_heads": (1, 2),
    "search_depth": (1, 2),
    "img_size": 32,
    "drop_path_rate": 0.0,
}

SPACES: Final[dict[str, tuple[str | type[ModelSpace], dict[str, Any], int]]] = {
    "nasbench201": ("NasBench201", {"stem_out_channels": 4, "num_modules_per_stack": 2}, 8),
    "proxylessnas": ("ProxylessNAS", {"width_mult": 0.1, "num_labels": 10}, 32),
    "fbnet-cifar": ("FBNet", {"dataset": "cifar", "expands_always": False, "head_width": 16}, 16),
    "shufflenet": ("ShuffleNetSpace", {"num_labels": 10}, 32),
    "darts": ("DARTS", {"width": 4, "num_cells": 3, "auxiliary_loss": True}, 32),
    "pnas": ("PNAS", {"width": 4, "num_cells": 3}, 8),
    "enas": ("ENAS", {"width": 4, "num_cells": 4, "dataset": "imagenet"}, 32),
    "nasnet": ("NASNet", {"width": 4, "num_cells": 3}, 8),
    "amoebanet": ("AmoebaNet", {"width": 4, "num_cells": 4, "auxiliary_loss": True}, 32),
    "nasbench101": (
        "NasBench101",
        {"stem_out_channels": 8, "num_stacks": 2, "num_modules_per_stack": 2},
        8,
    ),
    "natssss": ("NatsSss", {"candidates": (4, 6, 8)}, 8),
    "vanilla": ("Vanilla", STAGES, 8),
    "residual-basic": ("ResidualBasic", STAGES | {"stem_width": (4, 8)}, 8),
    "residual-bottleneck": (
        "ResidualBottleneck",
        STAGES | {"multipliers": ((0.5, 1.0), 1.0, 2.0), "groups": ((1, 2), (1, 2, 3), 2)},
        8,
    ),
    "shufflenet-channels": ("ShuffleNetSpace", {"channel_search": True, "num_labels": 4}, 32),
    "mobilenetv3": ("MobileNetV3Space", MOBILE | {"depth_range": (1, 2)}, 32),
    "mobilenetv3-gates": (
        "MobileNetV3Space",
        MOBILE
        | {
            "width_multipliers": 1.0,
            "se_from_exp": False,
            "squeeze_excite": ("optional", "force", "optional", "none", "optional", "none"),
            "depth_range": (1, 2),
        },
        32,
    ),
    "autoformer": ("AutoFormer", TRANSFORMER, 32),
    "autoformer-post-norm": (
        "AutoFormer",
        TRANSFORMER | {"pre_norm": False, "qkv_bias": False, "global_pooling": False},
        32,
    ),
    "lightspeech": ("LightSpeech", {"num_symbols": 10, "hidden_size": 8, "speaker_size": None}, 6),
    "nas-bert": (
        "NASBERT",
        {
            "vocabulary": 10,
            "embed_dim": 64,
            "hidden_sizes": (64, 128),
            "max_length": 8,
            "attention_dropout_rate": 0.0,
        },
        6,
    ),
    "superkernels": (SuperkernelSpace, {"num_labels": 10}, 32),
    "single-path-nas": ("SinglePathNAS", {"num_labels": 10}, 32),
}
"""Name or class of the space, arguments, and the side of the images to run it on."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """These networks are so small that threads would wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=SPACES)
def narrowed(request: pytest.FixtureRequest) -> tuple[ModelSpace, int]:
    """A space, and the side of the images to run it on."""
    name, arguments, side = SPACES[request.param]
    made = model_hub.space(name, **arguments) if isinstance(name, str) else name(**arguments)
    return made, side
