"""Scores of the network of a sample, by the names of proxies."""

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
    """Return the multiply-adds of an image, which papers call FLOPs. Larger is better.

    A baseline; needs no data but their shape.
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
    """Score the network of a sample, as it is initialised.

    Args:
        space: A space of images.
        sample: Of it.
        batch: Inputs (batch, channels, height, width) and labels (batch,); papers take 128 images.
        names: Proxies; None: all. Of each, larger is better.
        seed: Of the initial weights and of what layers draw in training mode.

    Raises:
        InvalidArgumentError: There is no such proxy, or the space takes no such images.
        LabelError: A label has no output.
    """
    inputs, labels = batch
    if inputs.dim() != _IMAGE_DIMENSIONS:
        raise InvalidArgumentError("batch", "inputs are (batch, channels, height, width)")
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
    """Score a network with the weights it has; it is not changed.

    Args:
        network: Maps images to logits, or to a tuple that begins with them.
        batch: Inputs (batch, channels, height, width) and labels (batch,), on its device.
        names: Proxies; None: all. Of each, larger is better.
        seed: Of what layers draw in training mode, as dropout does.

    Raises:
        InvalidArgumentError: There is no such proxy, or there are fewer than two images.
    """
    inputs, labels = batch
    if len(inputs) < _LEAST_IMAGES or labels.shape != inputs.shape[:1]:
        raise InvalidArgumentError("batch", "wanted are two or more images with a label each")
    found: dict[str, float] = {}
    gpus = [inputs.device] if inputs.is_cuda else []
    for name in _PROXIES if names is None else names:
        function = _PROXIES[one_of("names", name, proxy_names())]
        with torch.random.fork_rng(gpus):
            torch.manual_seed(seed)
            found[name] = function(gradients.own(network), batch)
    return found
