"""A step on copies of the tensors of a path, which moves nothing else in the supernet.

Of a sliced tensor the gradient is that of the whole, so momentum and weight decay move what a path
does not use, too. Copies of what it uses, with their momenta, are those of the frozen network: a
step of them is its step, and its gradients take its memory, not that of the supernet.
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
"""What SGD keeps of a parameter."""


class PathCopy:
    """The network of a path, with copies of its weights and of their momenta.

    Args:
        supernet: Whose.
        path: A sample of its space.
        optimizer: Of the supernet; it keeps the momenta between steps.
        recipe: How the copy is trained, by SGD.
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
        """Put the weights and their momenta into the supernet and its optimizer."""
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
                # The first step of SGD is that of a momentum of 0.
                whole = torch.zeros_like(self._stored[stored])
                self._whole.state[self._parameters[stored]][_MOMENTUM] = whole
            write(whole, view, momentum)

    def _momentum(self, stored: str) -> Tensor | None:
        found: Tensor | None = self._whole.state[self._parameters[stored]].get(_MOMENTUM)
        return found


def refuse_copies(supernet: Supernet, sampler: Sampler, recipe: Recipe, seed: int) -> None:
    """Refuse a training whose steps cannot be those of copies.

    Raises:
        InvalidArgumentError: No tensor is used in part; an update has several paths, whose
            gradients are summed in the whole tensors; the optimizer is not SGD, and counts the
            steps of whole tensors; or weights are averaged.
    """
    reason = None
    if supernet.space.sharing.no_mixture is None:
        reason = (
            f"no tensor of {type(supernet.space).__name__} is used in part: a step moves nothing "
            "that its path does not use as it is"
        )
    elif len(sampler.paths(supernet.space.choices, seed=seed, step=0)) != 1:
        reason = "gradients of several paths are summed in whole tensors: an update needs one path"
    elif recipe.optimizer != "sgd":
        reason = f"{recipe.optimizer} counts the steps of whole tensors: sgd does not"
    elif recipe.ema:
        reason = "a moving average is that of whole tensors: ema must be 0"
    if reason is not None:
        raise InvalidArgumentError("copy_path", reason)
