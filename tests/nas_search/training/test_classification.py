"""Training as an evaluator of studies on spaces."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import model_hub
from model_hub.errors import InvalidArgumentError, LabelError
from model_hub.model_space import ModelSpace
from nas_search.contract import Candidate
from nas_search.problems import SpaceProblem
from nas_search.problems.problem import silent
from nas_search.strategies import ASHA, RandomSearch
from nas_search.study import Budget, NothingLearnedWarning, Study
from nas_search.training import Classification, Images, Recipe, split

RECIPE = Recipe(epochs=2, batch_size=24, lr=0.1)


def a_space(**arguments: Any) -> ModelSpace:
    small = {"stem_out_channels": 4, "num_modules_per_stack": 1, "image_size": 8, "num_labels": 4}
    return model_hub.space("NasBench201", **{**small, **arguments})


def a_classification(images: Images, **arguments: Any) -> Classification:
    train, valid, test = split(images, (0.5, 0.3, 0.2), seed=0)
    return Classification(train, valid, **{"recipe": RECIPE, "test": test, **arguments})


def test_a_study_trains_networks_and_reports_every_epoch(images: Images) -> None:
    events: list[tuple[str, Mapping[str, Any]]] = []
    problem = SpaceProblem(
        a_space(),
        a_classification(images),
        objectives=["accuracy", "-macs"],
        bounds={"parameters": (None, 20_000)},
    )
    study = Study(None, problem, RandomSearch(seed=0))
    study.run(Budget(trials=3))
    assert [trial.state for trial in study.trials] == ["ok"] * 3
    for trial in study.trials:
        assert trial.cost == trial.metrics["seconds"] > 0
        assert set(Classification.metrics) <= set(trial.metrics)
    candidate = Candidate(arch=study.trials[0].arch)
    outcome = problem.evaluate(candidate, lambda kind, figures: events.append((kind, figures)))
    same = ("accuracy", "loss", "train_loss", "train_accuracy", "epochs")
    assert all(outcome.metrics[name] == study.trials[0].metrics[name] for name in same)
    assert [(kind, figures["epoch"]) for kind, figures in events] == [("epoch", 1), ("epoch", 2)]
    json.dumps(problem.spec)


def test_figures_depend_on_the_seed(images: Images) -> None:
    space = a_space()
    sample = space.choices.sample(seed=3)
    losses = [
        a_classification(images, seed=seed).evaluate(space, sample, fidelity=1, report=silent)
        for seed in (0, 1, 0)
    ]
    assert losses[0]["train_loss"] == losses[2]["train_loss"] != losses[1]["train_loss"]


def test_a_higher_fidelity_goes_on_from_a_lower(images: Images, tmp_path: Path) -> None:
    space = a_space()
    sample = space.choices.sample(seed=0)
    seen: list[float] = []

    def report(kind: str, figures: Mapping[str, Any]) -> None:
        assert kind == "epoch"
        seen.append(figures["epoch"])

    kept = a_classification(images, checkpoints=tmp_path)
    kept.evaluate(space, sample, fidelity=1, report=report)
    found = kept.evaluate(space, sample, fidelity=2, report=report)
    assert seen == [1, 2]
    whole = a_classification(images).evaluate(space, sample, fidelity=None, report=silent)
    assert (found["loss"], found["train_loss"]) == (whole["loss"], whole["train_loss"])
    assert found["epochs"] == whole["epochs"] == 2
    # Another seed is another training, and is not mixed with this one.
    other = a_classification(images, checkpoints=tmp_path, seed=1)
    problem = SpaceProblem(space, other)
    outcome = problem.evaluate(Candidate(arch=space.choices.to_json(sample)))
    assert outcome.error is not None
    assert "another seed: 0 there, 1 here" in outcome.error


def test_asha_trains_the_better_ones_further(images: Images, tmp_path: Path) -> None:
    recipe = Recipe(epochs=4, batch_size=24, lr=0.1)
    problem = SpaceProblem(
        a_space(),
        a_classification(images, recipe=recipe, checkpoints=tmp_path),
        fidelities=[1, 2, 4],
    )
    study = Study(None, problem, ASHA(seed=0, min_fidelity=1, max_fidelity=4, eta=2))
    study.run(Budget(trials=9))
    assert {trial.fidelity for trial in study.trials} == {1, 2, 4}
    assert all(trial.metrics["epochs"] == trial.fidelity for trial in study.trials)
    # A folder an architecture: those that were trained further went on in theirs.
    assert len(list(tmp_path.iterdir())) == len({trial.arch for trial in study.trials}) < 9


def test_only_final_reads_the_test_images(images: Images) -> None:
    space = a_space()
    sample = dict.fromkeys(space.choices.labels, "conv_3x3")
    figures = a_classification(images).final(space, sample)
    assert {"test_accuracy", "test_top5", "test_loss"} <= set(figures)
    without = a_classification(images, test=None)
    assert without.settings == a_classification(images).settings
    with pytest.raises(InvalidArgumentError, match="no test images"):
        without.final(space, sample)


def test_settings_name_everything_that_makes_the_figures(images: Images) -> None:
    settings = a_classification(images).settings
    others = [
        a_classification(images, seed=1),
        a_classification(images, recipe=Recipe(epochs=3, batch_size=24)),
        Classification(*split(images, (0.5, 0.3), seed=1), recipe=RECIPE),
    ]
    assert all(other.settings != settings for other in others)
    assert a_classification(images, device="meta").settings == settings
    assert json.loads(json.dumps(settings)) == settings


def test_it_arrives_in_another_process_as_it_was(images: Images) -> None:
    ours = a_classification(images)
    theirs = pickle.loads(pickle.dumps(ours))
    assert theirs.settings == ours.settings


def test_bad_data_is_refused_before_anything_is_trained(images: Images) -> None:
    train, valid = split(images, (0.5, 0.5), seed=0)
    with pytest.raises(InvalidArgumentError, match="fewer than a batch"):
        Classification(train, valid, recipe=Recipe(batch_size=200))
    small = Images(torch.zeros(9, 3, 4, 4), torch.zeros(9).long())
    with pytest.raises(InvalidArgumentError, match="valid"):
        Classification(train, small, recipe=RECIPE)
    evaluate = Classification(train, valid, recipe=RECIPE).evaluate
    space = a_space(num_labels=3)
    sample = space.choices.sample(seed=0)
    with pytest.raises(LabelError, match="label 3 has no output"):
        evaluate(space, sample, fidelity=None, report=silent)
    grey = Images(images.pixels[:, :1], images.labels)
    with pytest.raises(InvalidArgumentError, match="1 channels"):
        Classification(grey, grey, recipe=RECIPE).evaluate(
            a_space(), sample, fidelity=None, report=silent
        )
    with pytest.raises(InvalidArgumentError, match="epochs"):
        evaluate(a_space(), sample, fidelity=3, report=silent)


def test_a_training_that_diverges_is_a_failed_trial(images: Images) -> None:
    wild = Recipe(epochs=2, batch_size=24, lr=1e3, momentum=1.0, weight_decay=1e3)
    problem = SpaceProblem(a_space(), a_classification(images, recipe=wild))
    study = Study(None, problem, RandomSearch(seed=0))
    with pytest.warns(NothingLearnedWarning, match="1 of 1 trials failed, 1 by: OutputError"):
        study.run(Budget(trials=1))
    assert study.trials[0].state == "failed"
    assert "OutputError: the loss is" in str(study.trials[0].error)
