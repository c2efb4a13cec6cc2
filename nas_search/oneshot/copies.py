"""Optimizer steps on copies of the weights of a path, which change nothing else in the supernet.

The gradient of a sliced tensor has the shape of the whole tensor, so momentum and weight decay also
change the parts that a path does not use. Copies of the used parts, with their momenta, form the
stand-alone network of the path. A step on them is the step of that network, and its gradients need
only the memory of that network.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from model_hub.errors import InvalidArgumentError
from model_hub.memory import META
from nas_search.oneshot.samplers import Path, Sampler
from nas_search.oneshot.supernet import Supernet
from nas_search.oneshot.views import read, write
from nas_search.recipe import Recipe
from nas_search.training.optimizing import optimizer_of

__all__ = ["PathCopy", "refuse_copies"]

_MOMENTUM: Final = "momentum_buffer"
"""The name of SGD's state of a parameter."""


class PathCopy:
    """The network of a path, with copies of its weights and of their momenta.

    Args:
        supernet: The supernet.
        path: A sample of its space.
        optimizer: The optimizer of the supernet, which keeps the momenta between steps.
        recipe: The recipe for the copy; its optimizer is SGD.
    """

    def __init__(
        self, supernet: Supernet, path: Path, optimizer: torch.optim.Optimizer, recipe: Recipe
    ) -> None:
        with META:
            self.network = supernet.space.freeze(path)
        self._stored = supernet.state_of_network()
        self._places = dict(supernet.places_of(path, self.network))
        copies = {
            name: read(self._stored[stored], view, shape)
            for name, (stored, view, shape) in self._places.items()
        }
        self.network.load_state_dict(copies, assign=True)
        self.network.train()
        self.optimizer = optimizer_of(self.network, recipe)
        self._whole = optimizer
        self._parameters = dict(supernet.network.named_parameters())
        for name, parameter in self.network.named_parameters():
            stored, view, shape = self._places[name]
            momentum = self._momentum(stored)
            if momentum is not None:
                self.optimizer.state[parameter][_MOMENTUM] = read(momentum, view, shape)

    def write_back(self) -> None:
        """Write the weights and their momenta back to the supernet and its optimizer."""
        for name, tensor in self.network.state_dict().items():
            stored, view, _ = self._places[name]
            write(self._stored[stored], view, tensor)
        for name, parameter in self.network.named_parameters():
            momentum = self.optimizer.state[parameter].get(_MOMENTUM)
            if momentum is None:
                continue
            stored, view, _ = self._places[name]
            whole = self._momentum(stored)
            if whole is None:
                # SGD has no momentum before its first step, which equals a momentum of 0.
                whole = torch.zeros_like(self._stored[stored])
                self._whole.state[self._parameters[stored]][_MOMENTUM] = whole
            write(whole, view, momentum)

    def _momentum(self, stored: str) -> Tensor | None:
        found: Tensor | None = self._whole.state[self._parameters[stored]].get(_MOMENTUM)
        return found


def refuse_copies(supernet: Supernet, sampler: Sampler, recipe: Recipe, seed: int) -> None:
    """Raise if a training cannot use copies.

    Raises:
        InvalidArgumentError: The space does not slice tensors; an update has several paths, whose
            gradients are summed in the whole tensors; the optimizer is not SGD and counts steps
            per whole tensor; or the recipe has a moving average.
    """
    reason = None
    if supernet.space.sharing.no_mixture is None:
        reason = (
            f"{type(supernet.space).__name__} slices no tensors, so its steps already change only "
            "the weights of their path"
        )
    elif len(sampler.paths(supernet.space.choices, seed=seed, step=0)) != 1:
        reason = "gradients of several paths are summed in whole tensors: an update needs one path"
    elif recipe.optimizer != "sgd":
        reason = f"{recipe.optimizer} counts steps per whole tensor: use sgd"
    elif recipe.ema:
        reason = "a moving average covers whole tensors: ema must be 0"
    if reason is not None:
        raise InvalidArgumentError("copy_path", reason)
