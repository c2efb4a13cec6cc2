"""Other tables than CIFAR-10: expectations by another computation, and the order of strategies."""

from __future__ import annotations

import csv
import json
import math
import statistics
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pytest

from bench_client.operations import drive
from nas_search import Budget, FiguresProblem, FunctionProblem, Study, random_expectation
from nas_search.contract import Strategy
from nas_search.domains.walk import refuse
from nas_search.strategies import LocalSearch, RandomSearch, RegularizedEvolution
from nas_search.study import mann_whitney

SEEDS: Final = range(30)
TRIALS: Final = 100
OPERATIONS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


class Table(NamedTuple):
    """A product space whose figures are all published."""

    problem: FiguresProblem
    values: np.ndarray[Any, Any]
    """The objective, an axis a choice."""


def cells(shared: Path, column: str) -> Table:
    """NAS-Bench-201 by a column of its accuracies, read without the library."""
    figures, values = {}, np.empty((len(OPERATIONS),) * 6)
    with (shared / "data/nasbench201/accuracies.csv").open() as file:
        for row in csv.DictReader(file):
            nodes = row["arch"].strip("|").replace("|+|", "|").split("|")
            edges = tuple(edge.partition("~")[0] for edge in nodes)
            figures[edges] = {"accuracy": float(row[column])}
            values[tuple(map(OPERATIONS.index, edges))] = float(row[column])
    choices = {f"edge {place}": OPERATIONS for place in range(6)}
    return Table(FiguresProblem(choices, figures, objectives=["accuracy"]), values)


def blocks(shared: Path) -> Table:
    """NAS-Bench-Macro: eight layers of three blocks each."""
    text = (shared / "data/tables/nas-bench-macro/nas-bench-macro_cifar10.json").read_text()
    rows = json.loads(text)
    values = np.empty((3,) * 8)
    for key, row in rows.items():
        values[tuple(map(int, key))] = row["mean_acc"]
    figures = {
        key: {"accuracy": row["mean_acc"], "parameters": row["params"], "seconds": 60.0}
        for key, row in rows.items()
    }
    choices = {f"layer {place}": ["0", "1", "2"] for place in range(8)}
    problem = FiguresProblem(
        choices, figures, objectives=["accuracy"], bounds={}, known=["parameters"]
    )
    return Table(problem, values)


TABLES: Final[dict[str, Callable[[Path], Table]]] = {
    "cifar100": lambda shared: cells(shared, "cifar100_x_valid_12"),
    "imagenet16-120": lambda shared: cells(shared, "imagenet16_120_x_valid_12"),
    "nas-bench-macro": blocks,
}
STRATEGIES: Final[dict[str, Callable[[int], Strategy]]] = {
    "random": lambda seed: RandomSearch(seed=seed),
    "evolution 10, 3": lambda seed: RegularizedEvolution(
        population_size=10, sample_size=3, seed=seed
    ),
    "evolution 30, 10": lambda seed: RegularizedEvolution(
        population_size=30, sample_size=10, seed=seed
    ),
}


@pytest.fixture(scope="module", params=TABLES)
def table(request: pytest.FixtureRequest, shared: Path) -> Table:
    return TABLES[request.param](shared)


@pytest.mark.parametrize("num_draws", [1, 10, 100])
def test_expectations_are_those_of_the_distribution_function(table: Table, num_draws: int) -> None:
    """P(best <= v) = C(how many are <= v, n) / C(N, n), in fractions, over distinct values."""
    distinct, counts = np.unique(table.values, return_counts=True)
    everything = math.comb(table.values.size, num_draws)
    reached, before, mean, square = 0, Fraction(0), Fraction(0), Fraction(0)
    for value, count in zip(distinct.tolist(), counts.tolist(), strict=True):
        reached += count
        now = Fraction(math.comb(reached, num_draws), everything)
        mean += (now - before) * Fraction(value)
        square += (now - before) * Fraction(value) ** 2
        before = now
    found = random_expectation(table.problem, num_draws)
    assert found.mean == pytest.approx(float(mean), abs=1e-9)
    assert found.std == pytest.approx(math.sqrt(float(square - mean**2)), abs=1e-7)


def test_optima_are_those_of_the_array(table: Table) -> None:
    """Along each axis a better one exists where the largest other value is larger."""
    values = table.values
    stands_out = np.ones(values.shape, dtype=bool)
    for axis in range(values.ndim):
        stands_out &= values >= values.max(axis=axis, keepdims=True)
    domain, figures = table.problem.domain(), table.problem.table()
    higher = {
        arch: max(drive(domain.neighbors(arch), refuse), key=lambda one: figures[one]["accuracy"])
        for arch in figures
    }
    peaks = [a for a, b in higher.items() if figures[b]["accuracy"] <= figures[a]["accuracy"]]
    assert len(peaks) == int(stands_out.sum())
    assert table.problem.optimum() == values.max()
    study = Study(None, table.problem, LocalSearch(num_init=1, seed=0))
    study.run(Budget(until={"accuracy": float(values.max())}))
    assert study.best is not None
    assert study.best.arch in peaks


def test_strategies_stand_in_the_same_order(table: Table) -> None:
    found = {name: [best(table, new(seed)) for seed in SEEDS] for name, new in STRATEGIES.items()}
    random, small, large = found.values()
    assert mann_whitney(small, random).p_greater < 0.001
    assert mann_whitney(large, random).p_greater < 0.001
    assert statistics.mean(large) > statistics.mean(small)
    expected = random_expectation(table.problem, TRIALS)
    error = expected.std / math.sqrt(len(SEEDS))
    assert statistics.mean(random) == pytest.approx(expected.mean, abs=4 * error)


def best(table: Table, strategy: Strategy) -> float:
    study = Study(None, table.problem, strategy)
    study.run(Budget(trials=TRIALS))
    assert study.best is not None
    return study.best.accuracy


def test_a_table_is_the_function_that_looks_it_up(shared: Path) -> None:
    rows = blocks(shared)
    figures = {arch: row["accuracy"] for arch, row in rows.problem.table().items()}
    function = FunctionProblem(
        {f"layer {place}": ["0", "1", "2"] for place in range(8)},
        lambda sample: figures[json.dumps(sample)],
    )
    trials = []
    for problem in (rows.problem, function):
        study = Study(None, problem, STRATEGIES["evolution 10, 3"](0))
        study.run(Budget(trials=60))
        trials.append([(one.arch, one.scores) for one in study.trials])
    assert trials[0] == trials[1]


def test_the_clock_of_a_table_is_that_of_its_seconds(shared: Path) -> None:
    study = Study(None, blocks(shared).problem, RandomSearch())
    study.run(Budget(cost=601), workers=4)
    assert (len(study.trials), study.clock) == (40, 600.0)


def test_what_the_index_says_is_what_the_digits_say(shared: Path) -> None:
    rows = blocks(shared)
    table = rows.problem.table()
    for place, digits in enumerate(product(range(3), repeat=8)):
        if place % 500 == 0:
            sample = {f"layer {layer}": str(digit) for layer, digit in enumerate(digits)}
            assert table[json.dumps(sample)]["accuracy"] == rows.values[digits]
