"""The published order of strategies, on the published accuracies of all of NAS-Bench-201."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Final

import pytest

from bench_client import BenchClient
from nas_search import Budget, Study, TableProblem
from nas_search.contract import Strategy
from nas_search.strategies import LocalSearch, RandomSearch, RegularizedEvolution
from nas_search.study import mann_whitney

SEEDS: Final = range(200)
TRIALS: Final = 100

STRATEGIES: Final[dict[str, Callable[[int], Strategy]]] = {
    "random": lambda seed: RandomSearch(seed=seed),
    "local": lambda seed: LocalSearch(num_init=1, seed=seed),
    "evolution 10, 3": lambda seed: RegularizedEvolution(
        population_size=10, sample_size=3, seed=seed
    ),
    "evolution 30, 10": lambda seed: RegularizedEvolution(
        population_size=30, sample_size=10, seed=seed
    ),
}
# Mean accuracy on the test images of CIFAR-10 at 200 epochs of what is best by the signal: 500 runs
# of other implementations on the same table, whose standard errors are 0.01 to 0.03.
MEANS: Final = {
    12: {"random": 93.74, "local": 93.96, "evolution 10, 3": 93.98, "evolution 30, 10": 94.10},
    200: {"random": 93.80, "local": 94.04, "evolution 10, 3": 94.08, "evolution 30, 10": 94.15},
}


@pytest.mark.parametrize("num_epochs", MEANS)
def test_strategies_find_what_is_published_in_the_published_order(
    published: BenchClient, num_epochs: int
) -> None:
    signal = TableProblem(published, "nasbench201", "cifar10-valid", num_epochs=num_epochs)
    signal.load()
    final = TableProblem(published, "nasbench201", "cifar10-valid").table()
    found = {
        name: [final[best(signal, new(seed))]["ori_test_acc"] for seed in SEEDS]
        for name, new in STRATEGIES.items()
    }
    for name, values in found.items():
        assert statistics.mean(values) == pytest.approx(MEANS[num_epochs][name], abs=0.08), name
    random, small, large = (
        found[name] for name in ("random", "evolution 10, 3", "evolution 30, 10")
    )
    assert mann_whitney(small, random).p_greater < 0.001
    # By the longer signal they differ by a quarter of their spread.
    assert mann_whitney(large, small).p_greater < (0.001 if num_epochs == 12 else 0.05)


def best(problem: TableProblem, strategy: Strategy) -> str:
    study = Study(None, problem, strategy)
    study.run(Budget(trials=TRIALS))
    assert study.best is not None
    return study.best.arch
