"""Scores of networks by the names of proxies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import nn

from model_hub.arguments import one_of
from model_hub.counting import Profile, profile
from model_hub.errors import InvalidArgumentError, LabelError
from model_hub.model_space import ModelSpace
from nas_search.proxies import gradients, separation
from nas_search.proxies.gradients import Batch

__all__ = ["Batch", "proxy_names", "score", "score_network"]

_LEAST_IMAGES: Final = 2
_IMAGE_DIMENSIONS: Final = 4


def params(network: nn.Module, batch: Batch) -> float:
    """Return the number of parameters. Larger is better. A baseline; needs no data."""
    return float(_profile(network, batch).parameters)


def flops(network: nn.Module, batch: Batch) -> float:
    """Return the multiply-adds for one image, which papers call FLOPs. Larger is better.

    A baseline; needs only the shape of the data.
    """
    return float(_profile(network, batch).macs)


def _profile(network: nn.Module, batch: Batch) -> Profile:
    return profile(network, tuple(batch[0].shape[1:]))


_PROXIES: Final[Mapping[str, Callable[[nn.Module, Batch], float]]] = MappingProxyType(
    {
        "params": params,
        "flops": flops,
        "l2_norm": gradients.l2_norm,
        "plain": gradients.plain,
        "grad_norm": gradients.grad_norm,
        "snip": gradients.snip,
        "grasp": gradients.grasp,
        "fisher": gradients.fisher,
        "jacov": separation.jacov,
        "nwot": separation.nwot,
        "synflow": gradients.synflow,
    }
)


def proxy_names() -> tuple[str, ...]:
    """Return the names of all proxies."""
    return tuple(_PROXIES)


def score(
    space: ModelSpace,
    sample: dict[str, Any],
    batch: Batch,
    names: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Score the untrained network of a sample.

    Args:
        space: A space of image networks.
        sample: A sample of the space.
        batch: Inputs (batch, channels, height, width) and labels (batch,); papers use 128 images.
        names: The proxies; None: all. Larger is better for all of them.
        seed: Seed of the initial weights and of random layers in training mode.

    Raises:
        InvalidArgumentError: There is no such proxy, or the images do not fit the space.
        LabelError: A label has no output.
    """
    inputs, labels = batch
    if inputs.dim() != _IMAGE_DIMENSIONS:
        raise InvalidArgumentError("batch", "inputs must be (batch, channels, height, width)")
    space.accepted_input(tuple(inputs.shape[1:]), argument="batch")
    num_labels = getattr(space, "num_labels", None)
    if num_labels is not None and labels.numel() and int(labels.max()) >= num_labels:
        most = int(labels.max())
        raise LabelError(f"label {most} has no output: the space has {num_labels} labels")
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = space.freeze(sample).to(inputs.device)
    return score_network(network, batch, names, seed=seed)


def score_network(
    network: nn.Module, batch: Batch, names: Sequence[str] | None = None, *, seed: int = 0
) -> dict[str, float]:
    """Score a network with its present weights, without changing it.

    Args:
        network: Maps images to logits, or to a tuple that begins with them.
        batch: Inputs (batch, channels, height, width) and labels (batch,), on its device.
        names: The proxies; None: all. Larger is better for all of them.
        seed: Seed of random layers in training mode, such as dropout.

    Raises:
        InvalidArgumentError: There is no such proxy, or there are fewer than two images.
    """
    inputs, labels = batch
    if len(inputs) < _LEAST_IMAGES or labels.shape != inputs.shape[:1]:
        raise InvalidArgumentError("batch", "it needs two or more images with one label each")
    found: dict[str, float] = {}
    gpus = [inputs.device] if inputs.is_cuda else []
    for name in _PROXIES if names is None else names:
        function = _PROXIES[one_of("names", name, proxy_names())]
        with torch.random.fork_rng(gpus):
            torch.manual_seed(seed)
            found[name] = function(gradients.training_copy(network), batch)
    return found
