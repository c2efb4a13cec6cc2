"""Steps on copies of what a path uses: those of the frozen network, which move nothing else."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from patterned_images import cell_space, halves, patterned
from torch import Tensor

import model_hub
from model_hub.errors import InvalidArgumentError
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from nas_search.oneshot import FairPaths, Supernet, UniformPaths, train_supernet
from nas_search.oneshot.samplers import Batches
from nas_search.training import Recipe, Trainer

from .conftest import SPACES

RECIPE = Recipe(epochs=2, batch_size=8, lr=0.02, momentum=0.9, weight_decay=0.01, clip_norm=5)


@dataclass(frozen=True)
class OnePath:
    """Draws one path, always the same."""

    path: dict[str, Any]
    batches: Batches = "shared"

    @property
    def settings(self) -> dict[str, Any]:
        """Its name and its path."""
        return {"name": "OnePath", "path": self.path}

    def check(self, choices: SearchSpace) -> None:
        """Refuse nothing."""

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[dict[str, Any], ...]:
        """Return the path."""
        del choices, seed, step
        return (self.path,)


def widths() -> ModelSpace:
    return model_hub.space("NatsSss", candidates=(4, 6, 8), num_labels=4)


def state_of(supernet: Supernet) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in supernet.state_dict().items()}


@pytest.mark.parametrize("name", ["mobilenetv3-gates", "autoformer", "natssss"])
def test_steps_are_those_of_the_frozen_network_and_move_nothing_else(name: str) -> None:
    known, arguments, side = SPACES[name]
    assert isinstance(known, str)
    space = model_hub.space(known, **arguments)
    images = patterned(24, side)
    sample = space.choices.sample(3)
    supernet = Supernet(space, seed=0)
    published, expected = copy.deepcopy(supernet), copy.deepcopy(supernet)
    network = supernet.extract(sample)
    Trainer(network, images, RECIPE).run()
    expected.absorb(sample, network.state_dict())
    train_supernet(supernet, (images, images), OnePath(sample), recipe=RECIPE, copy_path=True)
    wanted, found = state_of(expected), state_of(supernet)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())
    assert all(one.grad is None for one in supernet.parameters())
    # Without copies the rest of the tensors moves, too.
    train_supernet(published, (images, images), OnePath(sample), recipe=RECIPE)
    moved = state_of(published)
    assert not all(torch.equal(moved[name], tensor) for name, tensor in wanted.items())


def test_an_interrupted_training_goes_on_with_the_momenta_of_all_paths(tmp_path: Path) -> None:
    data = halves(48, side=8)
    whole, resumed = Supernet(widths(), seed=1), Supernet(widths(), seed=2)
    options: dict[str, Any] = {"recipe": RECIPE, "copy_path": True}
    train_supernet(whole, data, UniformPaths(), **options)
    begun = Supernet(widths(), seed=1)
    train_supernet(
        begun, data, UniformPaths(), checkpoint=tmp_path, report=lambda _: True, **options
    )
    train_supernet(resumed, data, UniformPaths(), checkpoint=tmp_path, **options)
    ended = state_of(resumed)
    assert all(torch.equal(ended[name], tensor) for name, tensor in state_of(whole).items())


@pytest.mark.parametrize(
    ("space", "sampler", "changes", "message"),
    [
        (cell_space, UniformPaths(), {}, "NasBench201 slices no tensors"),
        (widths, FairPaths(), {}, "an update needs one path"),
        (widths, UniformPaths(), {"optimizer": "adamw"}, "adamw counts"),
        (widths, UniformPaths(), {"ema": 0.9}, "ema must be 0"),
    ],
)
def test_steps_that_cannot_be_those_of_copies_are_refused(
    space: Any, sampler: Any, changes: dict[str, Any], message: str
) -> None:
    recipe = Recipe.from_dict({**RECIPE.as_dict(), **changes})
    with pytest.raises(InvalidArgumentError, match=message):
        train_supernet(Supernet(space()), halves(), sampler, recipe=recipe, copy_path=True)
