"""Events as TensorBoard reads them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nas_search import Budget, FunctionProblem, Study
from nas_search.contract import Candidate
from nas_search.errors import ProblemError
from nas_search.problems.problem import Outcome, Report, silent
from nas_search.strategies import GridSearch, RandomSearch
from nas_search.study import SinkFailedWarning, tensorboard_sink

CHOICES = {"x": list(range(6)), "y": list(range(6))}
REFERENCE = {"gain": 0.0, "loss": 21.0}


def figures(sample: dict[str, Any]) -> dict[str, float]:
    return {"gain": float(sample["x"]), "loss": float(sample["x"] ** 2 - sample["y"])}


class Trained(FunctionProblem):
    """Reports two epochs of each trial, and a step that names its tags."""

    def evaluate(self, candidate: Candidate, report: Report = silent) -> Outcome:
        for epoch in (1, 2):
            curve = {"lr": 0.1 / epoch, "train_loss": 1 / epoch, "accuracy": 50.0 + epoch}
            report("epoch", {"epoch": epoch, **curve, "seconds": 3.0})
        report("step", {"step": 7, "arch/entropy": 0.5})
        return super().evaluate(candidate, report)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    read = EventAccumulator(str(folder))
    read.Reload()
    return {
        tag: [(one.step, pytest.approx(one.value)) for one in read.Scalars(tag)]
        for tag in read.Tags()["scalars"]
    }


def test_trials_the_best_and_the_volume_of_the_front_are_curves(tmp_path: Path) -> None:
    problem = FunctionProblem(CHOICES, figures, objectives=["gain", "-loss"])
    study = Study(None, problem, RandomSearch(), reference=REFERENCE)
    study.subscribe(tensorboard_sink(tmp_path))
    study.run(Budget(trials=36))
    curves = scalars(tmp_path)
    assert set(curves) == {"trial/gain", "trial/loss", "best/gain", "best/loss", "hypervolume"}
    assert [one.loss for one in study.trials] == [value for _, value in curves["trial/loss"]]
    assert [step for step, _ in curves["trial/gain"]] == list(range(36))
    best, (last, volume) = curves["best/gain"], curves["hypervolume"][-1]
    assert best[-1][1] == 5.0
    assert volume == study.hypervolume(REFERENCE) == 75
    assert last == max(one.number for one in study.front)


def test_epochs_of_a_trial_are_a_run_of_their_own(tmp_path: Path) -> None:
    problem = Trained(CHOICES, figures, objectives=["gain"])
    study = Study(None, problem, RandomSearch())
    study.subscribe(tensorboard_sink(tmp_path))
    study.run(Budget(trials=2))
    assert {one.name for one in tmp_path.iterdir() if one.is_dir()} == {"trial-0", "trial-1"}
    assert scalars(tmp_path / "trial-1") == {
        "train/lr": [(1, 0.1), (2, 0.05)],
        "train/loss": [(1, 1.0), (2, 0.5)],
        "valid/accuracy": [(1, 51.0), (2, 52.0)],
        "arch/entropy": [(7, 0.5)],
    }


def test_a_study_that_goes_on_adds_to_its_curves(tmp_path: Path) -> None:
    problem = FunctionProblem(CHOICES, figures, objectives=["gain", "-loss"])
    for trials in (10, 36):
        with Study(tmp_path / "s", problem, RandomSearch(), reference=REFERENCE) as study:
            study.subscribe(tensorboard_sink(tmp_path / "curves"))
            study.run(Budget(trials=trials))
    whole = Study(None, problem, RandomSearch(), reference=REFERENCE)
    whole.run(Budget(trials=36))
    volumes = [
        (event.payload["trial"], event.payload["hypervolume"])
        for event in whole.events()
        if event.kind == "front"
    ]
    assert [step for step, _ in scalars(tmp_path / "curves")["trial/gain"]] == list(range(36))
    assert volumes == scalars(tmp_path / "curves")["hypervolume"]


def test_a_folder_that_is_no_more_ends_the_curves_and_not_the_search(tmp_path: Path) -> None:
    study = Study(None, Trained(CHOICES, figures, objectives=["gain"]), RandomSearch())
    folder = tmp_path / "curves"
    sink = tensorboard_sink(folder)
    shutil.rmtree(folder)
    folder.write_text("a file where the folder was")
    study.subscribe(sink)
    with pytest.warns(SinkFailedWarning) as caught:
        study.run(Budget(trials=5))
    assert len(caught) == 1
    assert len(study.trials) == 5


def test_the_front_is_told_when_it_changes() -> None:
    problem = FunctionProblem(CHOICES, figures, objectives=["gain", "-loss"])
    study = Study(None, problem, GridSearch())
    study.run(Budget(trials=36))
    told = [event.payload for event in study.events() if event.kind == "front"]
    assert told[-1]["trials"] == sorted(one.number for one in study.front)
    assert "hypervolume" not in told[-1]
    alone = Study(None, FunctionProblem(CHOICES, figures, objectives=["gain"]), GridSearch())
    alone.run(Budget(trials=36))
    assert not [event for event in alone.events() if event.kind == "front"]


def test_a_reference_of_other_objectives_is_refused() -> None:
    problem = FunctionProblem(CHOICES, figures, objectives=["gain", "-loss"])
    with pytest.raises(ProblemError, match="one value for each of gain, loss"):
        Study(None, problem, RandomSearch(), reference={"gain": 0})
