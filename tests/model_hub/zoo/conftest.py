"""A zoo folder of its own for each test, and a searched model small enough to make anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model_hub import space, zoo

SMALL: dict[str, Any] = {
    "space": "ProxylessNAS",
    "arguments": {"num_labels": 3, "base_widths": [8, 8, 8, 16, 16, 24, 24, 32, 40]},
    "architecture": {
        "s2_depth": 2, "s2_i0": "k3e3", "s2_i1": "k5e3",
        "s3_depth": 1, "s3_i0": "k3e3",
        "s4_depth": 1, "s4_i0": "k7e3",
        "s5_depth": 1, "s5_i0": "k3e6",
        "s6_depth": 1, "s6_i0": "k3e3",
        "s7_i0": "k3e3",
    },
    "protocol": {"dataset": "made up", "input_size": 32},
    "licence": "MIT",
    "origin": "this test",
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of weights, empty."""
    folder = tmp_path / "zoo"
    folder.joinpath("records").mkdir(parents=True)
    monkeypatch.setenv("NASBENCH_ZOO_DIR", str(folder))
    return folder


@pytest.fixture
def add_small(folder: Path) -> Callable[..., zoo.Record]:
    """Adds the record of a small model, `small`, with fields of the test's."""

    def add(**changed: Any) -> zoo.Record:
        written = {"models": {"small": SMALL | changed}}
        (folder / "records/own.json").write_text(json.dumps(written))
        return zoo.record("small")

    return add


@pytest.fixture
def small(add_small: Callable[..., zoo.Record]) -> zoo.Record:
    """The record of a small model without published files."""
    return add_small()


@pytest.fixture(scope="session")
def small_state() -> dict[str, Tensor]:
    """Weights of the small model, each entry its own; not to be written to."""
    torch.manual_seed(1)
    state = space(SMALL["space"], **SMALL["arguments"]).freeze(SMALL["architecture"]).state_dict()
    for tensor in state.values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    return state


@pytest.fixture
def state(small: zoo.Record, small_state: dict[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG001 - the model of the weights
    """Weights of the small model, which is there."""
    return {name: tensor.clone() for name, tensor in small_state.items()}


@pytest.fixture
def saved(state: dict[str, Tensor], tmp_path: Path) -> Path:
    """A file of these weights, as `torch.save` writes it."""
    path = tmp_path / "small.pth"
    torch.save(state, path)
    return path
