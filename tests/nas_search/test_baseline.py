"""The exact regret of random search, against all draws that there are and against searches."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search import Budget, FiguresProblem, FunctionProblem, Study, random_expectation
from nas_search.errors import PlotError, ProblemError
from nas_search.strategies import RandomSearch
from nas_search.study import front_volume, plot_regret, random_band, regret_bands

QUARTILES = {"lower": Fraction(1, 4), "median": Fraction(1, 2), "upper": Fraction(3, 4)}


def problem_of(values: list[int], objective: str = "value") -> FiguresProblem:
    rows = {(place,): {"value": float(value)} for place, value in enumerate(values)}
    return FiguresProblem({"x": list(range(len(values)))}, rows, objectives=[objective])


@given(st.lists(st.integers(0, 5), min_size=2, max_size=8), st.sampled_from(["value", "-value"]))
def test_quartiles_are_those_of_all_draws(values: list[int], objective: str) -> None:
    problem = problem_of(values, objective)
    numbers = range(1, len(values) + 1)
    band = random_band(problem, [*numbers])
    assert (band.runs, band.clock, band.metric) == (0, "trials", "value")
    sign = -1 if objective == "-value" else 1
    scores = [sign * value for value in values]
    for place, number in enumerate(numbers):
        regrets = sorted(max(scores) - max(drawn) for drawn in combinations(scores, number))
        for name, share in QUARTILES.items():
            # The smallest regret that so large a share of all draws has, or less.
            wanted = regrets[math.ceil(share * len(regrets)) - 1]
            assert getattr(band, name)[place] == wanted


def test_fractions_count_whole_draws_and_nothing_is_drawn_twice() -> None:
    band = random_band(problem_of([3, 1, 2]), [0, 0.5, 1, 1.9, 3, 1000], oracle=4)
    assert band.times == [0, 0.5, 1, 1.9, 3, 1000]
    assert band.median == [None, None, 2, 2, 1, 1]


def test_numbers_that_are_none_or_go_back_are_refused() -> None:
    for trials in ([2, 1], [math.nan], [math.inf]):
        with pytest.raises(ProblemError, match="ascending and finite"):
            random_band(problem_of([1, 2]), trials)
    without: Any = FunctionProblem({"x": [0]}, lambda _: 1.0)
    for of_table in (random_expectation, random_band, front_volume):
        asked: Any = {"value": 0} if of_table is front_volume else 1
        with pytest.raises(ProblemError, match="a FunctionProblem has no table of all metrics"):
            of_table(without, asked)
    beyond = FiguresProblem({"x": [0]}, {(0,): {"value": 1.0}}, bounds={"value": (2, None)})
    with pytest.raises(ProblemError, match="within the bounds"):
        random_band(beyond, [1])


def test_searches_lie_around_it_in_one_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    problem = problem_of([place**2 % 997 for place in range(500)])
    runs = []
    for seed in range(200):
        study = Study(None, problem, RandomSearch(seed=seed))
        study.run(Budget(trials=40))
        runs.append(study.to_run(oracle=problem.optimum(), clock="trials"))
    (found,) = regret_bands(runs, times=[1, 10, 40])
    exact = random_band(problem, found.times)
    # The error of a median of 200 runs is about a tenth of the distance of the quartiles.
    for place in range(3):
        low, middle, high = (exact.lower[place], exact.median[place], exact.upper[place])
        assert None not in (low, middle, high)
        assert abs(found.median[place] - middle) < (high - low) / 3  # type: ignore[operator]
    plot_regret([found, exact], tmp_path / "both.svg")
    assert "random search (exact)" in (tmp_path / "both.svg").read_text()
    seconds = regret_bands([run.model_copy(update={"clock": "seconds"}) for run in runs])
    with pytest.raises(PlotError, match="no axis in common"):
        plot_regret([*seconds, exact], tmp_path / "mixed.svg")
