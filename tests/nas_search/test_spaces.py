"""Strategies on every space of the model hub, and what loads with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from statistics import mean
from typing import Any, Final

import pytest

import model_hub
from model_hub.model_space import ModelSpace
from nas_search import Budget, FunctionProblem, Study
from nas_search.strategies import RandomSearch, RegularizedEvolution

CELLS: Final = {"width": 8, "num_cells": 3}
SMALL: Final[dict[str, dict[str, Any]]] = {
    "AmoebaNet": CELLS,
    "AutoFormer": {"img_size": 32, "search_depth": (2, 3, 4)},
    "DARTS": CELLS,
    "ENAS": CELLS,
    "NASNet": CELLS,
    "NasBench101": {"num_modules_per_stack": 1},
    "NasBench201": {"num_modules_per_stack": 1},
    "PNAS": CELLS,
    "ResidualBasic": {"depths": ((1, 2, 3),) * 3},
    "ResidualBottleneck": {"depths": ((1, 2, 3),) * 3},
    "Vanilla": {"depths": ((1, 2, 3),) * 3},
}
"""Arguments that make the networks of a space small; the defaults for those that are not here."""

FAST_INPUTS: Final[dict[int, tuple[int, ...]]] = {1: (16,), 3: (3, 32, 32)}
"""Sizes that every network takes, for ids and for images."""

POPULATION: Final = 6


def macs_of(space: ModelSpace) -> Callable[[dict[str, Any]], float]:
    shape = FAST_INPUTS[len(space.input_shape)]
    return lambda sample: float(space.profile(sample, input_shape=shape).macs)


@pytest.mark.parametrize("name", model_hub.space_names())
def test_evolution_ends_with_smaller_networks_of_every_space_than_it_began_with(name: str) -> None:
    space = model_hub.space(name, **SMALL.get(name, {}))
    problem = FunctionProblem(space.choices, macs_of(space), objectives=["-macs"])
    strategy = RegularizedEvolution(population_size=POPULATION, sample_size=4)
    study = Study(None, problem, strategy)
    study.run(Budget(trials=24))
    values = [trial.macs for trial in study.trials]
    assert len(values) == 24
    assert mean(values[-POPULATION:]) < mean(values[:POPULATION])


@pytest.mark.parametrize("name", model_hub.space_names())
def test_random_search_evaluates_different_networks_of_every_space(name: str) -> None:
    space = model_hub.space(name, **SMALL.get(name, {}))
    study = Study(None, FunctionProblem(space.choices, macs_of(space)), RandomSearch())
    study.run(Budget(trials=4))
    assert len({trial.arch for trial in study.trials}) == 4
    assert min(trial.value for trial in study.trials) > 0


def test_searches_on_tables_load_neither_pytorch_nor_the_hub() -> None:
    code = """
import sys
for blocked in ("torch", "model_hub", "optuna", "pandas"):
    sys.modules[blocked] = None
import nas_search, nas_search.study, nas_search.strategies, nas_search.domains
from nas_search import Budget, FunctionProblem, Study
study = Study(None, FunctionProblem({"x": [1, 2]}, len), nas_search.strategies.RandomSearch())
study.run(Budget(trials=2))
print(study.best.value)
"""
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1.0\n"
