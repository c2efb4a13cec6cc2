"""Recipes as data, their learning rates, and what does not decay."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

import model_hub
from model_hub.errors import InvalidArgumentError, UnknownNameError
from nas_search.training import Recipe, published_recipe, recipe_names
from nas_search.training.optimizing import learning_rate, optimizer_of


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(epochs=3, optimizer="adamw", lr=1e-3, ema=0.99, cutout=4)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.as_dict()))) == recipe


@pytest.mark.parametrize("name", recipe_names())
def test_published_recipes_can_be_read_and_shortened(name: str) -> None:
    assert published_recipe(name, epochs=2).epochs == 2


def test_published_recipes_have_the_published_figures() -> None:
    nb201 = published_recipe("NasBench201")
    assert (nb201.epochs, nb201.batch_size, nb201.lr, nb201.weight_decay) == (200, 256, 0.1, 5e-4)
    assert nb201.nesterov
    assert nb201.crop == 4
    assert nb201.flip
    darts = published_recipe("DARTS")
    assert (darts.epochs, darts.batch_size, darts.lr, darts.clip_norm) == (600, 96, 0.025, 5)
    assert (darts.drop_path, darts.auxiliary_weight, darts.cutout) == (0.2, 0.4, 16)
    spos = published_recipe("SPOS")
    assert (spos.lr, spos.schedule, spos.label_smoothing) == (0.5, "linear", 0.1)
    assert (spos.brightness, spos.contrast, spos.saturation, spos.hue) == (0.4, 0.4, 0.4, 0.0)
    assert published_recipe("ProxylessNAS").hue == 0.1
    assert (spos.resized_crop, spos.flip) == (0.08, True)


def test_an_unknown_recipe_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="NasBench201"):
        published_recipe("NasBench20")
    with pytest.raises(InvalidArgumentError, match="epochs"):
        published_recipe("DARTS", epoch=3)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sdg"},
        {"schedule": "cos"},
        {"precision": "int8"},
        {"epochs": 0},
        {"batch_size": True},
        {"lr": 0},
        {"lr": float("nan")},
        {"momentum": -0.1},
        {"drop_path": 1.5},
        {"flip": "no"},
        {"flip": 1},
        {"nesterov": 0.0},
        {"min_lr": 1.0},
        {"warmup_epochs": 10},
        {"nesterov": True, "optimizer": "adam"},
        {"nesterov": True, "momentum": 0},
        {"resized_crop": 1.5},
        {"resized_crop": 0.5, "crop": 4},
        {"brightness": -0.1},
        {"hue": 0.6},
    ],
)
def test_a_recipe_refuses_what_means_nothing(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Recipe(**changes)
    assert caught.value.argument in changes


def test_learning_rates_follow_the_schedules() -> None:
    def at(step: int, **changes: Any) -> float:
        return learning_rate(Recipe(epochs=10, lr=1.0, **changes), step, 10)

    assert at(0) == 1.0
    assert at(50) == pytest.approx(0.5)
    assert at(99) < 1e-3
    assert at(50, min_lr=0.2) == pytest.approx(0.6)
    assert at(25, schedule="linear") == pytest.approx(0.75)
    assert at(99, schedule="constant") == 1.0
    assert [at(step, schedule="step", step_epochs=4) for step in (39, 40, 80)] == pytest.approx(
        [1.0, 0.1, 0.01]
    )
    assert at(19, by_epoch=True) == at(10, by_epoch=True) == at(10)
    warm = [at(step, warmup_epochs=2) for step in (0, 9, 19, 20, 60)]
    assert warm == pytest.approx([0.05, 0.5, 1.0, 1.0, 0.5])


def test_what_a_network_names_does_not_decay() -> None:
    space = model_hub.space("ProxylessNAS", num_labels=4, width_mult=0.25)
    network = space.freeze(space.choices.sample(seed=0))
    decayed, spared = optimizer_of(network, Recipe(weight_decay=0.1)).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert list(map(id, spared["params"])) == list(map(id, network.classifier.parameters()))


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", "adamw"])
def test_biases_and_norms_are_spared_where_the_recipe_says_so(optimizer: str) -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    recipe = Recipe(optimizer=optimizer, weight_decay=0.1, decay_all=False)
    decayed, spared = optimizer_of(network, recipe).param_groups
    assert [parameter.dim() for parameter in decayed["params"]] == [2]
    assert [parameter.dim() for parameter in spared["params"]] == [1, 1, 1]
    assert len(optimizer_of(network, Recipe(optimizer=optimizer)).param_groups) == 1
    assert torch.is_tensor(decayed["params"][0])
