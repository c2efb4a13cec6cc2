"""The searched models of each space: what their networks must come to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from model_hub.model_space import ModelSpace


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    """Draw the same initial weights in every run of a test."""
    torch.manual_seed(0)


class Searched:
    """A searched model and its recorded figures.

    Args:
        model: Its entry in zoo-archs.json.
        shapes: Shape of each of its parameters, by name.
        golden: Its entry in hub-golden.json, for those that have one.
        shape_hash: See the fixture of this name.
        outputs: See the fixture of this name.
    """

    def __init__(
        self,
        model: dict[str, Any],
        shapes: dict[str, list[int]],
        golden: dict[str, Any] | None,
        shape_hash: Callable[[nn.Module], str],
        outputs: Callable[[nn.Module, int], torch.Tensor],
    ) -> None:
        self.arguments: dict[str, Any] = model["overrides"]
        self.architecture: dict[str, Any] = model["arch"]
        self.measured: dict[str, Any] = model["measured"]
        self.shapes = shapes
        self.golden = golden
        self.shape_hash = shape_hash
        self.outputs = outputs

    def check_counts(self, space: ModelSpace) -> None:
        """Hold parameters, multiply-adds, layers, names and shapes against the record."""
        size = self.measured["input_size"]
        profile = space.profile(self.architecture, input_shape=(3, size, size))
        assert profile.parameters == self.measured["params"]
        assert profile.macs == self.measured["macs_conv_linear"]
        assert profile.count("Conv2d") == self.measured["n_conv"]
        assert profile.count("BatchNorm2d") == self.measured["n_bn"]
        assert profile.count("Linear") == self.measured["n_linear"]
        with torch.device("meta"):
            network = space.freeze(self.architecture)
        assert len(network.state_dict()) == self.measured["state_dict_keys"]
        assert self.shape_hash(network) == self.measured["shape_hash"]
        named = network.named_parameters()
        assert {name: list(parameter.shape) for name, parameter in named} == self.shapes

    def check_outputs(self, space: ModelSpace) -> None:
        """Hold the outputs of the filled network against the record, to a relative 1e-6."""
        assert self.golden, "no outputs of this model are recorded"
        expected = self.golden
        with torch.device("meta"):
            network = space.freeze(self.architecture)
        outputs = self.outputs(network, expected["input_size"]).numpy()
        assert list(outputs.shape) == expected["shape"]
        assert outputs[0, :6].tolist() == pytest.approx(expected["logits0"], rel=1e-6)
        assert outputs[1, :3].tolist() == pytest.approx(expected["logits1"], rel=1e-6)
        assert outputs.mean() == pytest.approx(expected["mean"], rel=1e-6)
        assert outputs.std() == pytest.approx(expected["std"], rel=1e-6)
        assert outputs.argmax(1).tolist() == expected["argmax"]


@pytest.fixture(scope="session")
def searched(
    shared: Path,
    zoo: dict[str, dict[str, Any]],
    shape_hash: Callable[[nn.Module], str],
    outputs: Callable[[nn.Module, int], torch.Tensor],
) -> Callable[[str], Searched]:
    """Gives a searched model, such as `cream-014`."""
    shapes = json.loads((shared / "specs/zoo-shapes.json").read_text())
    golden = json.loads((shared / "specs/hub-golden.json").read_text())["zoo"]
    return lambda name: Searched(
        zoo[name], shapes[name], golden.get(name, {}).get("golden"), shape_hash, outputs
    )
