"""Searches whose networks the trainer of an installed package trains, in this process or others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lab_trainers import CODE, PACKAGE, VERSION
from training_jobs import ARGUMENTS, write_images

import model_hub
from model_hub.errors import InvalidArgumentError
from nas_search.errors import (
    OtherStudyError,
    OtherTrainerError,
    ProblemError,
    StoppedEarlyError,
    TrainerError,
    UnreportedError,
)
from nas_search.problems import SpaceProblem
from nas_search.specification import Specification
from nas_search.strategies import RandomSearch
from nas_search.study import Budget, NothingLearnedWarning, Study
from nas_search.training import Classification, Images, Recipe, split

RECIPE = Recipe(epochs=3, batch_size=24)
QUICK = {"name": "quick", "options": {"lr": 0.01}}
SPACE = model_hub.space("NasBench201", **ARGUMENTS)
FILE = f"""
[problem]
space = "NasBench201"
arguments = {{ {", ".join(f"{name} = {value}" for name, value in ARGUMENTS.items())} }}
dataset = "tiny"
recipe = {{ epochs = 1, batch_size = 16 }}
trainer = {{ name = "quick", options = {{ lr = 0.01 }} }}
[strategy]
name = "RandomSearch"
[budget]
trials = 1
"""


def trained(images: Images, trainer: Any = QUICK, **arguments: Any) -> Classification:
    train, valid, test = split(images, (0.5, 0.3, 0.2), seed=0)
    given = {"recipe": RECIPE, "test": test, **arguments}
    return Classification(train, valid, trainer=trainer, **given)


def odd(does: str) -> dict[str, Any]:
    return {"name": "odd", "options": {"does": does}}


def study_of(evaluator: Classification, path: Path | None = None, **options: Any) -> Study:
    return Study(path, SpaceProblem(SPACE, evaluator, **options), RandomSearch(seed=0))


@pytest.mark.usefixtures("site")
def test_a_study_has_the_figures_of_its_trainer_in_this_process_and_in_others(
    images: Images, tmp_path: Path
) -> None:
    evaluator = trained(images)
    assert (
        evaluator.settings["trainer"].items()
        >= {
            **QUICK,
            "package": PACKAGE,
            "version": VERSION,
        }.items()
    )
    found = []
    # With a timeout each is evaluated in a process of its own.
    for timeout in (None, 600):
        with study_of(evaluator, tmp_path / f"{timeout}.study") as study:
            study.run(Budget(trials=2), timeout=timeout, order="numbered")
            found.append([(one.arch, one.metrics["loss"], one.error) for one in study.trials])
            assert set(evaluator.metrics) <= set(study.trials[0].metrics)
    assert found[0] == found[1]
    own = trained(images, trainer=None)
    sample = SPACE.choices.from_json(found[0][0][0])
    assert own.final(SPACE, sample)["loss"] != found[0][0][1]
    final = evaluator.final(SPACE, sample)
    assert (final["loss"], 0 <= final["test_accuracy"] <= 100) == (found[0][0][1], True)
    assert "trainer" not in own.settings


def test_a_study_goes_on_by_the_code_that_it_was_begun_with_alone(
    images: Images, tmp_path: Path, site: Path
) -> None:
    path = tmp_path / "edited.study"

    def edit(event: Any) -> None:
        if event.kind == "trial.told":
            (site / "labtrain/__init__.py").write_text(CODE + "# edited")

    with study_of(trained(images), path) as study:
        study.subscribe(edit)
        with pytest.raises(OtherTrainerError, match="the trainer quick here is"):
            study.run(Budget(trials=3))
        assert [one.error for one in study.trials] == [None]
        assert study.given_out  # and is no failure
    with pytest.raises(OtherStudyError, match=r"evaluator\.settings\.trainer\.sha256"):
        study_of(trained(images), path)
    (site / "labtrain/__init__.py").write_text(CODE)
    with study_of(trained(images), path) as study:
        study.run(Budget(trials=2))
        assert [one.error for one in study.trials] == [None, None]


@pytest.mark.usefixtures("site")
def test_an_interrupted_training_goes_on_from_what_the_trainer_reported(
    images: Images, tmp_path: Path
) -> None:
    kept = trained(images, checkpoints=tmp_path / "kept")
    sample = SPACE.choices.sample(seed=0)
    seen: list[int] = []

    def report(_: str, figures: Mapping[str, Any]) -> bool:
        seen.append(figures["epoch"])
        return seen == [1]

    with pytest.raises(StoppedEarlyError):
        kept.evaluate(SPACE, sample, fidelity=None, report=report)
    found = kept.evaluate(SPACE, sample, fidelity=None, report=report)
    assert seen == [1, 2, 3]
    assert found["loss"] == trained(images).train(SPACE, sample)[1].metrics["loss"]
    # Another number of epochs may be trained in another way.
    kept.evaluate(SPACE, sample, fidelity=2, report=report)
    assert seen == [1, 2, 3, 1, 2]
    with pytest.raises(InvalidArgumentError, match="save_steps: a trainer saves only after epochs"):
        trained(images, save_steps=3)


@pytest.mark.usefixtures("site")
def test_what_a_trainer_does_wrong_is_a_failed_trial_that_says_so(images: Images) -> None:
    for does, says in (
        ("raise", "the trainer odd raised KeyError in epoch 1"),
        ("missing", "epoch 1: `accuracy` is missing"),
        ("not finite", "`accuracy` of nan is no percentage"),
        ("nan", "OutputError: the loss is nan"),
        ("short", "reported 2 of 3 epochs"),
    ):
        study = study_of(trained(images, odd(does)))
        with pytest.warns(NothingLearnedWarning, match="1 of 1 trials failed, 1 by: "):
            study.run(Budget(trials=1))
        assert says in str(study.trials[0].error)
        assert "secret" not in str(study.trials[0].error)


@pytest.mark.usefixtures("site")
def test_what_a_trainer_never_reports_ends_the_search_at_once(images: Images) -> None:
    study = study_of(trained(images, odd("nothing wrong")))
    study.run(Budget(trials=1))
    assert study.trials[0].metrics["accuracy"] == 75
    assert "top5" not in study.trials[0].metrics
    for timeout, options in (
        (None, {"objectives": ["top5"]}),
        (600, {"objectives": ["accuracy"], "bounds": {"top5": (90, None)}}),
    ):
        other = study_of(trained(images, odd("nothing wrong")), **options)
        with pytest.raises(UnreportedError, match=r"reports no top5, .* of accuracy, epochs"):
            other.run(Budget(trials=2), timeout=timeout)
        assert not other.trials


@pytest.mark.usefixtures("site")
def test_a_trainer_that_is_none_is_refused_before_anything_is_trained(images: Images) -> None:
    for stated, member in (
        (3, "name"),
        ({"options": {}}, "name"),
        ({"name": "quick", "options": [0.1]}, "options"),
        ({"name": "quick", "options": {"lr": None}}, "options"),
        ({"name": "quick", "options": {"lr": float("nan")}}, "options"),
        ({"name": "quick", "option": {"lr": 1}}, "option"),
    ):
        with pytest.raises(InvalidArgumentError, match=rf"^trainer\.{member}: ") as caught:
            trained(images, stated)
        assert caught.value.argument == f"trainer.{member}"
    with pytest.raises(OtherTrainerError, match=r"no trainer 'quik'; installed are: .*quick"):
        trained(images, "quik")
    with pytest.raises(OtherTrainerError, match="here is"):
        trained(images, {"name": "quick", "sha256": "0" * 64})


def test_a_trainer_that_cannot_be_imported_is_refused(images: Images, site: Path) -> None:
    (site / "labtrain/__init__.py").write_text("import no_such_module")
    with pytest.raises(TrainerError, match="cannot be imported: ModuleNotFoundError"):
        trained(images)


@pytest.mark.usefixtures("site")
def test_a_file_names_the_trainer(tmp_path: Path) -> None:
    write_images(tmp_path / "tiny")
    file = tmp_path / "search.toml"
    file.write_text(FILE)
    specification = Specification.read(file)
    problem = specification.make_problem(None)
    stated = problem.spec["evaluator"]["settings"]["trainer"]
    assert (stated["name"], stated["options"], len(stated["sha256"])) == (
        "quick",
        {"lr": 0.01},
        64,
    )
    study = Study(None, problem, specification.make_strategy(problem))
    study.run(specification.make_budget())
    assert study.trials[0].error is None
    file.write_text(FILE.replace("recipe = {", 'proxies = ["nwot"] #'))
    with pytest.raises(ProblemError, match="scored by proxies, not both"):
        Specification.read(file).make_problem(None)
