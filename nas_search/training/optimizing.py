"""Optimizers and learning rate schedules of recipes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from nas_search.recipe import Recipe

__all__ = ["learning_rate", "optimizer_of", "restore", "state_of"]

_SQUARES: Final = 0.999
"""Adam's decay of the mean of squared gradients."""


def optimizer_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimizer of a recipe for the parameters of a network.

    Parameters that the network names in `no_weight_decay()` do not decay, nor, without `decay_all`,
    those with one dimension (biases, norms).
    """
    named = getattr(network, "no_weight_decay", None)
    spared = set(named()) if callable(named) else set()
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            spare = name in spared or (not recipe.decay_all and parameter.dim() <= 1)
            (others if spare else decayed).append(parameter)
    groups: list[dict[str, Any]] = []
    if decayed:
        groups.append({"params": decayed, "weight_decay": recipe.weight_decay})
    if others:
        groups.append({"params": others, "weight_decay": 0.0})
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov
        )
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=recipe.lr, momentum=recipe.momentum)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.lr, betas=(recipe.beta, _SQUARES))


def state_of(part: str, optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """Return the optimizer state as parts of a checkpoint: `part/N` for the N-th parameter."""
    return {
        f"{part}/{place}": {name: tensor for name, tensor in state.items() if tensor is not None}
        for place, state in optimizer.state_dict()["state"].items()
    }


def restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load the state of a checkpoint into an optimizer.

    Args:
        optimizer: An optimizer of the same parameters.
        tensors: The tensors by parameter number and name, `N/name`.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        place, _, name = key.partition("/")
        state.setdefault(int(place), {})[name] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step.

    Args:
        recipe: The recipe.
        step: The number of the step, from 0 through all epochs.
        steps_per_epoch: Steps in an epoch.
    """
    if recipe.by_epoch:
        step, steps_per_epoch = step // steps_per_epoch, 1
    if step < recipe.warmup_epochs * steps_per_epoch:
        return recipe.lr * (step + 1) / (recipe.warmup_epochs * steps_per_epoch)
    epoch = step / steps_per_epoch
    done = (epoch - recipe.warmup_epochs) / (recipe.epochs - recipe.warmup_epochs)
    span = recipe.lr - recipe.min_lr
    match recipe.schedule:
        case "cosine":
            return recipe.min_lr + span * (1 + math.cos(math.pi * done)) / 2
        case "linear":
            return recipe.min_lr + span * (1 - done)
        case "step":
            periods = (epoch - recipe.warmup_epochs) // recipe.step_epochs
            return float(recipe.lr * recipe.step_factor**periods)
        case _:
            return recipe.lr
