"""Rules that end trainings early."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from evaluations import CHOICES, Curved, Pairs, total

from nas_search.errors import ProblemError
from nas_search.problems import FunctionProblem, SpaceProblem
from nas_search.strategies import ASHA, GridSearch, RandomSearch, RegularizedEvolution
from nas_search.study import (
    Budget,
    Curves,
    HalvingRule,
    MedianRule,
    State,
    StoppingRule,
    Study,
    StudyFile,
)


def problem(**options: Any) -> SpaceProblem:
    return SpaceProblem(Pairs(), Curved(), objectives=["score"], **options)  # type: ignore[arg-type]


def test_a_trial_ends_where_its_best_is_below_the_median_of_running_averages() -> None:
    curves = {0: {1: 1.0, 2: 3.0}, 1: {1: 2.0, 2: 4.0}, 2: {1: 9.0, 2: 9.0}, 3: {1: 1.0, 2: 1.9}}
    rule = MedianRule(min_trials=3)

    def stops(epoch: int, rule: StoppingRule = rule, **values: float) -> bool:
        own = {int(name[1:]): value for name, value in values.items()}
        return rule.stops(3, epoch, {**curves, 3: own}, ended=lambda one: one < 3)

    # Averages to epoch 1 are 1, 2, 9, and to epoch 2 they are 2, 3, 9.
    assert stops(1, e1=1.9)
    assert not stops(1, e1=2.0)
    assert stops(2, e1=2.0, e2=2.9)
    assert not stops(2, e1=3.0, e2=0.1)
    assert not stops(1, MedianRule(min_trials=4), e1=0.0)
    assert not stops(1, MedianRule(min_trials=3, min_epochs=2), e1=0.0)
    assert stops(2, MedianRule(min_trials=3, min_epochs=2), e1=0.0, e2=0.0)


def test_a_rung_keeps_the_best_third_of_what_reached_it() -> None:
    rule = HalvingRule(min_epochs=2, eta=3)
    curves = {trial: {1: 0.0, 2: float(trial), 6: float(trial)} for trial in range(6)}
    kept = [t for t in range(6) if not rule.stops(t, 2, curves, ended=lambda _: False)]
    assert kept == [4, 5]
    few = {trial: curves[trial] for trial in (0, 5)}
    assert not rule.stops(0, 2, few, ended=lambda _: False)
    for epoch in (1, 3, 4, 5):
        padded = {0: {epoch: 0.0}, 1: {epoch: 1.0}, 2: {epoch: 2.0}}
        assert not rule.stops(0, epoch, padded, ended=lambda _: False)
    assert rule.stops(0, 6, curves, ended=lambda _: False)


@pytest.mark.parametrize("options", [{}, {"workers": 2, "order": "numbered"}])
def test_stopped_trials_have_the_figures_so_far_and_are_replayed(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    path = tmp_path / "rule.study"

    def study() -> Study:
        return Study(path, problem(), RandomSearch(seed=2))

    with study() as begun:
        begun.run(Budget(trials=8), stop=MedianRule(min_trials=2), **options)
    with study() as going_on:
        going_on.run(Budget(trials=16), stop=MedianRule(min_trials=2), **options)
        trials = going_on.trials
        kinds = [event.kind for event in going_on.events()]
    stopped = [one for one in trials if one.state is State.STOPPED]
    assert len(stopped) >= 3
    assert kinds.count("trial.stopped") == len(stopped)
    for one in stopped:
        epochs = one.metrics["epoch"]
        assert epochs < 10
        assert one.cost == epochs
        assert one.scores == ()
        assert one.metrics["score"] == pytest.approx(sum(one.sample.values()) * epochs / 10)
    whole = [one for one in trials if one.state is State.OK]
    assert all(one.cost == 10 for one in whole)
    seen = StudyFile(path)
    assert seen.best is not None
    assert seen.best.metrics["score"] == max(one.metrics["score"] for one in whole)
    assert [one.state for one in seen.trials] == [one.state for one in trials]


def test_processes_stop_what_this_process_would_have_stopped() -> None:
    def run(**options: Any) -> list[tuple[str, State, float]]:
        study = Study(None, problem(), GridSearch(shuffled=True, seed=4))
        study.run(Budget(trials=12), stop=HalvingRule(), order="numbered", **options)
        return [(one.arch, one.state, one.cost) for one in study.trials]

    here = run()
    assert {state for _, state, _ in here} == {State.OK, State.STOPPED}
    # With a timeout each is evaluated in a process of its own.
    assert run(timeout=600) == here


def test_strategies_learn_nothing_from_what_was_stopped() -> None:
    strategy = RegularizedEvolution(population_size=6, sample_size=3, seed=1)
    study = Study(None, problem(), strategy)
    study.run(Budget(trials=40), stop=MedianRule(min_trials=3))
    parents = {one.candidate.parent for one in study.trials} - {None}
    assert parents
    assert all(study.trials[int(one)].state is State.OK for one in parents if one is not None)
    rungs = Study(None, problem(fidelities=[1, 3, 9]), ASHA(seed=0))
    rungs.run(Budget(trials=40), stop=MedianRule(min_trials=3))
    assert any(one.state is State.STOPPED for one in rungs.trials)


def test_figures_that_are_smaller_are_better_where_the_rule_says_so() -> None:
    found = []
    for metric in (None, "score", "-loss"):
        study = Study(None, problem(), RandomSearch(seed=2))
        study.run(Budget(trials=12), stop=MedianRule(metric=metric, min_trials=2))
        found.append([one.state for one in study.trials])
    assert found[0] == found[1]
    assert State.STOPPED in found[2]
    backwards = Study(None, problem(), RandomSearch(seed=2))
    backwards.run(Budget(trials=12), stop=MedianRule(metric="loss", min_trials=2))
    assert [one.state for one in backwards.trials] != found[2]


def test_what_is_no_number_is_the_worst() -> None:
    curves: Curves = {0: {1: -math.inf}, 1: {1: 0.5}, 2: {1: 0.7}}
    assert MedianRule(min_trials=2).stops(0, 1, curves, ended=lambda one: one > 0)


def test_rules_that_cannot_be_followed_are_refused() -> None:
    with pytest.raises(ProblemError, match="which report their epochs"):
        Study(None, FunctionProblem(CHOICES, total), GridSearch()).run(
            Budget(trials=1), stop=MedianRule()
        )
    with pytest.raises(ProblemError, match=r"by accuracy, .* one of epoch, loss, score"):
        Study(None, problem(), GridSearch()).run(
            Budget(trials=1), stop=MedianRule(metric="accuracy")
        )
    for wrong in (MedianRule, "median"):
        with pytest.raises(ProblemError, match="is no rule"):
            Study(None, problem(), GridSearch()).run(Budget(trials=1), stop=wrong)  # type: ignore[arg-type]
    for options in ({"min_trials": 0}, {"min_epochs": 0}):
        with pytest.raises(ValueError, match="min_"):
            MedianRule(**options)
    with pytest.raises(ValueError, match="eta"):
        HalvingRule(eta=1)
