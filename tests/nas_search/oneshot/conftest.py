"""Spaces narrowed so that all their supernets are built, run and trained within seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import torch

import model_hub
from model_hub.model_space import ModelSpace

SPACES: Final[dict[str, tuple[str, dict[str, Any], int]]] = {
    "nasbench201": ("NasBench201", {"stem_out_channels": 4, "num_modules_per_stack": 2}, 8),
    "proxylessnas": ("ProxylessNAS", {"width_mult": 0.1, "num_labels": 10}, 32),
    "fbnet-cifar": ("FBNet", {"dataset": "cifar", "expands_always": False, "head_width": 16}, 16),
    "shufflenet": ("ShuffleNetSpace", {"num_labels": 10}, 32),
    "darts": ("DARTS", {"width": 4, "num_cells": 3, "auxiliary_loss": True}, 32),
    "pnas": ("PNAS", {"width": 4, "num_cells": 3}, 8),
    "enas": ("ENAS", {"width": 4, "num_cells": 4, "dataset": "imagenet"}, 32),
    "nasnet": ("NASNet", {"width": 4, "num_cells": 3}, 8),
    "amoebanet": ("AmoebaNet", {"width": 4, "num_cells": 4, "auxiliary_loss": True}, 32),
    "single-path-nas": ("SinglePathNAS", {"num_labels": 10}, 32),
}
"""Name of the space, arguments, and the side of the images to run it on."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """These networks are so small that threads would wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=SPACES)
def narrowed(request: pytest.FixtureRequest) -> tuple[ModelSpace, int]:
    """A space, and the side of the images to run it on."""
    name, arguments, side = SPACES[request.param]
    return model_hub.space(name, **arguments), side
