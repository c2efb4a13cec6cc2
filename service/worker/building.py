"""Builds the PyTorch network of a request and loads its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

import model_hub
from model_hub import zoo
from model_hub.errors import ModelHubError, TooLargeError
from model_hub.model_space import ModelSpace, TokenSpace
from model_hub.protocols import EvaluationProtocol
from model_hub.zoo.checkpoints import read_safetensors, write_safetensors
from service.worker.work import WorkError, Workplace

__all__ = ["BuiltNetwork", "build_network", "write_weights"]

_SHOWN_NAMES: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltNetwork:
    """A network in evaluation mode on the CPU, with its description.

    Args:
        network: The network with its weights.
        space: Its model space.
        arch: Its sample in the space.
        stated: Metadata of a weight file, from which the network can be rebuilt.
        input_shape: Shape of an input, without the batch dimension.
        protocol: Its evaluation protocol; None if it has none.
    """

    network: nn.Module
    space: ModelSpace
    arch: Mapping[str, Any]
    stated: Mapping[str, Any]
    input_shape: tuple[int, ...]
    protocol: EvaluationProtocol | None

    def example(self, batch_size: int) -> Tensor:
        """Return a batch of random numbers or token ids, the same for every call."""
        source = torch.Generator().manual_seed(0)
        shape = (batch_size, *self.input_shape)
        if not isinstance(self.space, TokenSpace):
            return torch.randn(shape, generator=source)
        tables = [m for m in self.network.modules() if isinstance(m, nn.Embedding)]
        least = min(table.num_embeddings for table in tables)
        # 0 is padding.
        return torch.randint(1, least, shape, generator=source)


def build_network(spec: Mapping[str, Any], workplace: Workplace) -> BuiltNetwork:
    """Build the network of a canonical request; see docs/api.md.

    Args:
        spec: The request; `network` and `input_shape` (if present) are used.
        workplace: Finds uploaded weights.

    Raises:
        WorkError: The weights are missing or belong to another network, or the network is too
            large.
    """
    stated = spec["network"]
    try:
        built = _searched(stated) if stated["model"] else _of_space(stated, workplace)
    except TooLargeError as error:
        raise WorkError("too-large", str(error)) from error
    except ModelHubError as error:
        raise WorkError("invalid-network", str(error)) from error
    shape = spec.get("input_shape")
    return built if shape is None else replace(built, input_shape=tuple(shape))


def write_weights(path: Path, tensors: Mapping[str, Tensor], stated: Mapping[str, Any]) -> None:
    """Write a weight file, with the metadata from which the network can be rebuilt."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in stated.items()
    }
    write_safetensors(path, tensors, texts)


def _searched(stated: Mapping[str, Any]) -> BuiltNetwork:
    name = stated["model"]
    record = zoo.record(name)
    if not zoo.weights_path(name).is_file():
        raise WorkError("missing-weights", _missing_weights_message(record))
    try:
        network = zoo.load(name)
    except zoo.ZooError as error:
        raise WorkError("unusable-weights", _without_path(error, name)) from error
    plain = record.to_dict()
    return BuiltNetwork(
        network=network,
        space=model_hub.space(record.space, **record.arguments),
        arch=record.architecture,
        stated={
            "model": name,
            "space": record.space,
            "arguments": plain["arguments"],
            "arch": plain["architecture"],
        },
        input_shape=record.protocol.input_shape,
        protocol=record.protocol,
    )


def _of_space(stated: Mapping[str, Any], workplace: Workplace) -> BuiltNetwork:
    space = model_hub.space(stated["space"], **stated["arguments"])
    torch.manual_seed(stated["seed"])
    network = space.freeze(stated["arch"]).eval()
    digest = stated["checkpoint"]
    if digest is not None:
        _load(network, digest, workplace)
    return BuiltNetwork(
        network=network,
        space=space,
        arch=stated["arch"],
        stated={name: stated[name] for name in ("space", "arguments", "arch")},
        input_shape=tuple(space.input_shape),
        protocol=None,
    )


def _load(network: nn.Module, digest: str, workplace: Workplace) -> None:
    """Load uploaded weights into a network; names and shapes must match exactly."""
    path = workplace.checkpoint(digest)
    if not path.is_file():
        raise WorkError("missing-checkpoint", f"the worker cannot reach the checkpoint {digest}")
    try:
        tensors, _ = read_safetensors(path)
    except zoo.CheckpointError as error:
        raise WorkError("damaged-checkpoint", f"the checkpoint {digest} is damaged") from error
    wanted = network.state_dict()
    wrong = [
        *(f"{name} is missing" for name in wanted.keys() - tensors.keys()),
        *(f"{name} is not in the network" for name in tensors.keys() - wanted.keys()),
        *(
            f"{name} is {_shape(tensors[name])}, not {_shape(wanted[name])}"
            for name in wanted.keys() & tensors.keys()
            if tensors[name].shape != wanted[name].shape
        ),
    ]
    if wrong:
        shown = "; ".join(sorted(wrong)[:_SHOWN_NAMES])
        raise WorkError(
            "other-network",
            f"the checkpoint {digest} belongs to another network: {shown}"
            + (f" and {len(wrong) - _SHOWN_NAMES} more" if len(wrong) > _SHOWN_NAMES else ""),
        )
    network.load_state_dict(tensors)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _missing_weights_message(record: zoo.Record) -> str:
    files = "; or ".join(
        f"{file.file} from {file.url}" if file.url else f"{file.file} of {record.origin}"
        for file in record.weights
    )
    return (
        f"no worker that took the job has the weights of {record.name}. Get "
        f"{files or record.origin}; then `nbs zoo convert FILE --model {record.name}` on the "
        "worker's machine"
    )


def _without_path(error: Exception, name: str) -> str:
    """Return the message of an error about weights, without the worker's path."""
    return str(error).replace(str(zoo.weights_path(name)), f"{name}.safetensors")
