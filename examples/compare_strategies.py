"""Compares five strategies on NAS-Bench-201 with the exact expectation of random search.

    NASBENCH_URL=http://127.0.0.1:8000 python examples/compare_strategies.py
    NASBENCHMARK_DIR=data python examples/compare_strategies.py

The first queries a service (`make serve`), the second database files (`nbs sample --convert`).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from bench_client import BenchClient
from nas_search import Budget, Study, TableProblem, random_expectation
from nas_search.contract import Strategy
from nas_search.strategies import (
    LocalSearch,
    Predictor,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
)
from nas_search.study import compare_runs

SEEDS = 3
TRIALS = 30

STRATEGIES: dict[str, Callable[[int], Strategy]] = {
    "random": lambda seed: RandomSearch(seed=seed),
    "evolution": lambda seed: RegularizedEvolution(population_size=10, sample_size=3, seed=seed),
    "local search": lambda seed: LocalSearch(num_init=5, seed=seed),
    "REINFORCE": lambda seed: Reinforce(learning_rate=0.1, seed=seed),
    "predictor": lambda seed: Predictor(seed=seed),
}


def main() -> None:
    """Run every strategy with every seed; print results and significant differences."""
    with BenchClient() if "NASBENCH_URL" in os.environ else BenchClient.local() as bench:
        problem = TableProblem(bench, "nasbench201", "cifar10-valid")
        problem.load()
        runs = []
        for name, new in STRATEGIES.items():
            for seed in range(SEEDS):
                study = Study(None, problem, new(seed))
                study.run(Budget(trials=TRIALS))
                runs.append(study.to_run(oracle=problem.optimum(), name=name, clock="trials"))
        print(compare_runs(runs))
        draws = min(TRIALS, len(problem.table()))
        expected = random_expectation(problem, draws)
        print(f"{draws} random draws, exactly: {expected.mean:.3f} ± {expected.std:.3f}")


if __name__ == "__main__":
    main()
