"""Inherited weights: recalibration that leaves no trace, and searches with any strategy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from patterned_images import cell_space, halves, mobile_space
from torch import nn

import model_hub
from model_hub.errors import InvalidArgumentError
from nas_search.oneshot import Inherited, Supernet, UniformPaths, recalibrate, train_supernet
from nas_search.problems import SpaceProblem
from nas_search.problems.problem import silent
from nas_search.strategies import RandomSearch, RegularizedEvolution, SposEvolution
from nas_search.study import Budget, Study
from nas_search.training import Images, Recipe

RECIPE = Recipe(epochs=6, batch_size=40, lr=0.05)


@pytest.fixture(scope="module")
def trained() -> tuple[Supernet, tuple[Images, Images]]:
    data = halves()
    supernet = Supernet(cell_space())
    train_supernet(supernet, data, UniformPaths(), recipe=RECIPE)
    return supernet, data


def figures(evaluator: Inherited, space: Any, sample: dict[str, Any]) -> dict[str, float]:
    return dict(evaluator.evaluate(space, sample, fidelity=None, report=silent))


def test_what_was_evaluated_before_does_not_matter(trained: Any) -> None:
    supernet, data = trained
    space = supernet.space
    evaluator = Inherited(supernet, data, batches=2, batch_size=40)
    one, other = space.choices.sample(1), space.choices.sample(2)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    first = figures(evaluator, space, one)
    assert figures(evaluator, space, other) != first
    assert figures(evaluator, space, one) == first
    assert all(torch.equal(before[name], now) for name, now in supernet.state_dict().items())
    reseeded = Inherited(supernet, data, batches=2, batch_size=40, seed=1)
    assert figures(reseeded, space, one) != first


def test_statistics_are_the_mean_over_batches_or_move_by_a_momentum() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(192, 4))
    train, _ = halves()
    recalibrate(network, train, batches=4, batch_size=30)
    inputs = train.normalised(train.pixels, torch.float32)
    norm = network[0]
    assert isinstance(norm, nn.BatchNorm2d)
    # Four batches of 30 are all 120 images, so the mean of means is the mean.
    torch.testing.assert_close(norm.running_mean, inputs.mean((0, 2, 3)))
    assert norm.momentum == 0.1
    recalibrate(network, train, batches=1, batch_size=120, momentum=0.1)
    torch.testing.assert_close(norm.running_mean, 0.1 * inputs.mean((0, 2, 3)))
    with pytest.raises(InvalidArgumentError, match="fewer than a batch"):
        recalibrate(network, train, batch_size=121)


def test_recalibrated_weights_are_those_of_the_network_recalibrated_alone(trained: Any) -> None:
    supernet, data = trained
    space = supernet.space
    sample = space.choices.sample(5)
    network = supernet.extract(sample)
    recalibrate(network, data[0], batches=5, batch_size=40)
    inputs = data[1].normalised(data[1].pixels, torch.float32)
    with torch.no_grad():
        right = (network.eval()(inputs).argmax(1) == data[1].labels).double().mean()
    evaluator = Inherited(supernet, data, batches=5, batch_size=40)
    assert figures(evaluator, space, sample)["accuracy"] == pytest.approx(100 * float(right))


@pytest.mark.parametrize(
    "strategy",
    [
        lambda: RandomSearch(seed=0),
        lambda: RegularizedEvolution(population_size=6, sample_size=3, seed=0),
        lambda: SposEvolution(
            population_size=6, num_parents=3, num_mutants=3, num_crossovers=3, seed=0
        ),
    ],
)
def test_any_strategy_searches_within_bounds_and_goes_on(
    trained: Any, strategy: Any, tmp_path: Path
) -> None:
    supernet, data = trained
    space = supernet.space
    most = float(space.profile(space.choices.default).macs) * 1.5

    def study() -> Study:
        problem = SpaceProblem(
            space,
            Inherited(supernet, data, batches=2),
            objectives=["accuracy"],
            bounds={"macs": (None, most)},
        )
        return Study(tmp_path / "one.study", problem, strategy())

    with study() as first:
        first.run(Budget(trials=7))
    with study() as again:
        again.run(Budget(trials=13))
        trials = again.trials
        assert len(trials) == 13
        best = again.best
    assert best is not None
    for trial in trials:
        assert space.profile(json.loads(trial.arch)).macs <= most
    network = supernet.extract(json.loads(best.arch))
    assert sum(one.numel() for one in network.parameters()) > 0


def test_settings_tell_weights_and_images_apart(trained: Any) -> None:
    supernet, data = trained
    settings = Inherited(supernet, data).settings
    assert json.loads(json.dumps(settings)) == settings
    assert Inherited(Supernet(cell_space()), data).settings["weights"] != settings["weights"]
    assert Inherited(supernet, data[::-1]).settings["train"] != settings["train"]


def test_a_space_that_is_not_the_supernets_is_refused(trained: Any) -> None:
    supernet, data = trained
    with pytest.raises(InvalidArgumentError, match="the supernet belongs to"):
        figures(Inherited(supernet, data), model_hub.space("NasBench201"), {})


def test_depths_are_inherited_too() -> None:
    data = halves(80, side=32)
    space = mobile_space()
    supernet = Supernet(space)
    train_supernet(supernet, data, UniformPaths(), recipe=Recipe(epochs=1, batch_size=20, lr=0.05))
    evaluator = Inherited(supernet, data, batches=2, batch_size=20)
    for seed in range(2):
        assert 0 <= figures(evaluator, space, space.choices.sample(seed))["accuracy"] <= 100
