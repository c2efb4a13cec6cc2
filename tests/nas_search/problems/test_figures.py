"""Problems on a table of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas_search import Budget, FiguresProblem, Study, random_expectation
from nas_search.contract import Candidate
from nas_search.errors import NoFeasibleError, OtherStudyError, ProblemError
from nas_search.strategies import GridSearch, RandomSearch, RegularizedEvolution
from nas_search.study import State

CHOICES = {"kernel": [3, 5, 7], "width": [8, 16]}
FIGURES = {
    (kernel, width): {"value": float(kernel * width), "parameters": float(kernel**2 * width)}
    for kernel in (3, 5, 7)
    for width in (8, 16)
}


def found(problem: FiguresProblem) -> list[float]:
    study = Study(None, problem, RandomSearch())
    study.run(Budget(trials=20))
    return sorted(one.value for one in study.trials)


def test_everything_is_found_and_looked_up() -> None:
    problem = FiguresProblem(CHOICES, FIGURES)
    assert found(problem) == sorted(row["value"] for row in FIGURES.values())
    assert problem.optimum() == 112
    assert FiguresProblem(CHOICES, FIGURES, objectives=["-value"]).optimum() == 24
    assert random_expectation(problem, 6).mean == 112
    outcome = problem.evaluate(Candidate(arch=json.dumps({"kernel": 9, "width": 8})))
    assert outcome.error == "the table has no such architecture"


def test_what_is_not_there_and_what_is_out_of_bounds_is_never_drawn() -> None:
    few = dict(list(FIGURES.items())[:4])
    assert found(FiguresProblem(CHOICES, few)) == [24, 40, 48, 80]
    bounds = {"parameters": (None, 300)}
    problem = FiguresProblem(CHOICES, FIGURES, bounds=bounds, known=["parameters"])
    assert found(problem) == [24, 40, 48]
    grid = Study(None, problem, GridSearch())
    grid.run(Budget(trials=20))
    assert [one.value for one in grid.trials] == [24, 48, 40]
    measured = Study(None, FiguresProblem(CHOICES, FIGURES, bounds=bounds), RandomSearch())
    measured.run(Budget(trials=20))
    assert sum(one.state is State.INFEASIBLE for one in measured.trials) == 3
    none = FiguresProblem(CHOICES, FIGURES, bounds={"parameters": (None, 1)}, known=["parameters"])
    with pytest.raises(NoFeasibleError, match="parameters: 6, the nearest 72 where the bound is 1"):
        found(none)


def test_a_study_knows_its_table_by_the_content(tmp_path: Path) -> None:
    def run(figures: dict[Any, Any]) -> None:
        strategy = RegularizedEvolution(population_size=2, sample_size=1)
        with Study(tmp_path / "s", FiguresProblem(CHOICES, figures), strategy) as study:
            study.run(Budget(trials=5))

    run(FIGURES)
    run(dict(reversed(FIGURES.items())))
    with pytest.raises(OtherStudyError, match="content_digest"):
        run(FIGURES | {(3, 8): {"value": 25.0, "parameters": 72.0}})


@pytest.mark.parametrize(
    ("figures", "options", "told"),
    [
        ({}, {}, "there are no figures"),
        ({(3,): {"value": 1.0}}, {}, "has 1 values; there are 2 choices"),
        ({(4, 8): {"value": 1.0}}, {}, "is no architecture"),
        (FIGURES, {"objectives": ["valeu"]}, "unknown figure 'valeu'; is it value"),
        (FIGURES, {"known": ["flops"]}, "unknown figure 'flops'"),
    ],
)
def test_figures_that_mean_nothing_are_refused(
    figures: Any, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ProblemError, match=told):
        FiguresProblem(CHOICES, figures, **options)
