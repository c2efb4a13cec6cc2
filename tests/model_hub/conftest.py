"""The golden figures of the hub, and how weights are filled to meet them."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map_only

from model_hub.model_space import ModelSpace
from model_hub.shapes import run_on_meta


def filled(network: nn.Module) -> nn.Module:
    """Fill a network, for evaluation, by the names of its tensors (specification, section 10.2).

    It may lie on the meta device: nothing is left of what a network is initialised with.
    """
    network = network.double().to_empty(device="cpu").eval()
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        random = np.random.RandomState(zlib.crc32(name.encode()))
        z = np.asarray(random.standard_normal(tuple(tensor.shape)))
        if name.endswith("running_var"):
            z = 1 + 0.1 * np.abs(z)
        elif name.endswith("running_mean"):
            z = 0.1 * z
        elif tensor.dim() <= 1:
            z = 0.1 * z + name.endswith("weight")
        else:
            z = z * np.sqrt(1 / np.prod(tensor.shape[1:]))
        tensor.copy_(torch.from_numpy(z))
    return network


def outputs_of(network: nn.Module, size: int) -> torch.Tensor:
    """Return the outputs of the filled network for the two golden images of `size` pixels."""
    images = np.random.RandomState(0).standard_normal((2, 3, size, size))
    with torch.no_grad():
        outputs: torch.Tensor = filled(network)(torch.from_numpy(images))
    return outputs


def shape_hash_of(network: nn.Module) -> str:
    """Return the hash of all shapes of parameters (the specification, section 10.1)."""
    shapes = sorted("x".join(map(str, parameter.shape)) for parameter in network.parameters())
    return hashlib.sha256("\n".join(shapes).encode()).hexdigest()[:16]


class Golden:
    """Recorded samples of a space and what their networks must come to.

    Args:
        record: An entry of hub-golden.json under `spaces`.
    """

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.samples: list[dict[str, Any]] = record["samples"]

    def check_labels(self, space: ModelSpace) -> None:
        """Hold labels, candidates and raw size against the record."""
        recorded = [entry[:3:2] for entry in self.record["labels"] if len(entry) == 4]
        stated = [[c.label, list(c.candidates)] for c in space.choices.choices]
        assert stated == recorded
        assert space.choices.raw_size == int(self.record["raw_size"])

    def check_counts(self, space: ModelSpace, unused_parameters: tuple[int, ...] = (0, 0)) -> None:
        """Hold parameters, multiply-adds, layers, names and shapes against the record.

        `unused_parameters` are those of each sample that the record counts and nothing uses; the
        recorded numbers of layers and names then say nothing.
        """
        for golden, unused in zip(self.samples, unused_parameters, strict=True):
            profile = space.profile(golden["sample"])
            assert profile.parameters == golden["params"] - unused
            assert profile.macs == golden["macs"]
            if not unused:
                with torch.device("meta"):
                    network = space.freeze(golden["sample"])
                assert profile.count("Conv2d") == golden["n_conv"]
                assert profile.count("BatchNorm2d") == golden["n_bn"]
                assert profile.count("Linear") == golden["n_linear"]
                assert len(network.state_dict()) == golden["state_keys"]
                assert shape_hash_of(network) == golden["shape_hash"]

    def check_outputs(self, space: ModelSpace) -> None:
        """Hold the outputs of filled networks against the record, to a relative 1e-6."""
        for golden in self.samples:
            expected = golden["golden"]
            with torch.device("meta"):
                network = space.freeze(golden["sample"])
            outputs = outputs_of(network, expected["input_size"]).numpy()
            assert list(outputs.shape) == expected["shape"]
            assert outputs[0, :6].tolist() == pytest.approx(expected["logits0"], rel=1e-6)
            assert outputs[1, :3].tolist() == pytest.approx(expected["logits1"], rel=1e-6)
            assert outputs.mean() == pytest.approx(expected["mean"], rel=1e-6)
            assert outputs.std() == pytest.approx(expected["std"], rel=1e-6)
            assert outputs.argmax(1).tolist() == expected["argmax"]


@pytest.fixture(scope="session")
def golden(shared: Path) -> Callable[[str], Golden]:
    """Gives the recorded figures of a configuration, such as `DARTS-imagenet`."""
    records = json.loads((shared / "specs/hub-golden.json").read_text())["spaces"]
    return lambda name: Golden(records[name])


@pytest.fixture(scope="session")
def zoo(shared: Path) -> dict[str, dict[str, Any]]:
    """The searched models of zoo-archs.json, by name."""
    models: dict[str, dict[str, Any]] = json.loads((shared / "specs/zoo-archs.json").read_text())
    return models["models"]


@pytest.fixture(scope="session")
def shape_hash() -> Callable[[nn.Module], str]:
    """See `shape_hash_of`."""
    return shape_hash_of


@pytest.fixture(scope="session")
def outputs() -> Callable[[nn.Module, int], torch.Tensor]:
    """See `outputs_of`."""
    return outputs_of


def train(network: nn.Module, size: int, steps: int = 8) -> None:
    """Train on four random images until the loss falls; every parameter has a gradient."""
    torch.manual_seed(0)
    images, labels = torch.randn(4, 3, size, size), torch.tensor([0, 1, 0, 1])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(
            parameter.grad is not None and parameter.grad.isfinite().all()
            for parameter in network.parameters()
        )
        optimizer.step()
        losses.append(loss.item())
        if losses[-1] < losses[0]:
            return
    pytest.fail(f"the loss never falls below the first: {losses}")


@pytest.fixture(scope="session")
def trains() -> Callable[..., None]:
    """Checks that a network trains; see `train`."""
    return train


def check_freezing(space: ModelSpace, sample: dict[str, Any]) -> None:
    """Every way to a network gives the same weights, and the same norms, for the same seed."""
    states, norms = [], []
    for arguments in ({}, {"strict": False}):
        torch.manual_seed(0)
        network = space.freeze(sample, **arguments)
        states.append(network.state_dict())
        norms.append([m.extra_repr() for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
    torch.manual_seed(0)
    direct = space._network(space.choices.resolve(sample))
    states.append(direct.state_dict())
    for state in states[1:]:
        assert state.keys() == states[0].keys()
        assert all(torch.equal(state[name], states[0][name]) for name in state)
    assert norms[0] == norms[1]


@pytest.fixture(scope="session")
def freezes_alike() -> Callable[..., None]:
    """See `check_freezing`."""
    return check_freezing


def agree_on_meta(func: Any, *args: Any) -> None:
    """Compare with the real operation on the CPU, errors among its results."""
    on_meta = tree_map_only(torch.Tensor, lambda t: t.to("meta"), args)
    try:
        expected = func(*args)
    except RuntimeError:
        try:
            func(*on_meta)
        except (RuntimeError, ValueError):  # PyTorch does not find every error without numbers
            with pytest.raises((RuntimeError, ValueError)):
                run_on_meta(func, on_meta, {})
        return
    found = run_on_meta(func, on_meta, {})
    for theirs, ours in zip(tree_leaves(expected), tree_leaves(found), strict=True):
        assert ours.device.type == "meta"
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)


@pytest.fixture(scope="session")
def agree() -> Callable[..., None]:
    """See `agree_on_meta`."""
    return agree_on_meta
