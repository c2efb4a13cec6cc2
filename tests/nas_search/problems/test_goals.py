from __future__ import annotations

import math
from typing import Any

import pytest

from nas_search.errors import ProblemError
from nas_search.problems import Bound, Goals, Objective
from nas_search.problems.goals import check_known


def test_a_minus_minimises_whatever_the_metric() -> None:
    goals = Goals.of(["a", "-b", "c", "-d"], None, larger_is_better=lambda name: name in "ab")
    assert goals.objectives == (
        Objective("a", maximise=True),
        Objective("b", maximise=False),
        Objective("c", maximise=False),
        Objective("d", maximise=False),
    )
    assert goals.scores({"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}) == (1.0, -2.0, -3.0, -4.0)


def test_goals_are_what_their_specification_says() -> None:
    goals = Goals.of(["a", "-b"], {"c": (None, 2), "a": (1, 3)})
    assert Goals.of_spec(goals.spec) == goals
    assert goals.metrics == ("a", "b", "c")


@pytest.mark.parametrize(
    ("least", "most", "value", "violation"),
    [
        (None, 100, 100, 0.0),
        (None, 100, 150, 0.5),
        (50, None, 25, 0.5),
        (-1, 1, 0, 0.0),
        (None, 0, 3, 3.0),
        (None, -2, -1, 0.5),
    ],
)
def test_violations_are_relative_to_the_bound(
    least: float | None, most: float | None, value: float, violation: float
) -> None:
    bound = Bound("x", least, most)
    assert bound.violation(value) == violation
    assert (bound.broken_by(value) is None) == (violation == 0)


def test_violations_of_all_bounds_are_summed() -> None:
    goals = Goals.of(["a"], {"b": (None, 10), "c": (4, None)})
    assert goals.violation({"a": 0, "b": 15, "c": 2}) == 1.0


@pytest.mark.parametrize("objectives", [[], "accuracy", ["-"], [""], [1], ["a", "-a"]])
def test_objectives_that_mean_nothing_are_refused(objectives: Any) -> None:
    with pytest.raises(ProblemError):
        Goals.of(objectives, None)


@pytest.mark.parametrize(
    "bound", [(None, None), (2, 1), (math.nan, 1), (1,), (1, 2, 3), 5, ("x", None), None]
)
def test_bounds_that_mean_nothing_are_refused(bound: Any) -> None:
    with pytest.raises(ProblemError, match="bound"):
        Goals.of(["a"], {"a": bound})


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"a": 1.0}, "returned no b; it returned a"),
        ({}, "returned no a; it returned nothing"),
        ({"a": math.nan, "b": 1.0}, "returned a = nan"),
        ({"a": 1.0, "b": -math.inf}, "returned b = -inf"),
        ({"a": 1.0, "b": 2.0}, None),
    ],
)
def test_figures_that_cannot_be_judged_are_told(
    metrics: dict[str, float], told: str | None
) -> None:
    found = Goals.of(["a"], {"b": (None, 3)}).lacking(metrics)
    assert found is None if told is None else told in (found or "")


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ProblemError, match="unknown metric 'valid_ac'; is it valid_acc"):
        check_known("metric", ["valid_ac"], ["valid_acc", "test_acc", "flops"])
