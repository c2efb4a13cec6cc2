"""Architecture search on benchmarks, on search spaces of the model hub, and on functions.

    problem = TableProblem(BenchClient.local(), "nasbench201", "cifar100")
    with Study("evolution-0.study", problem, RegularizedEvolution(seed=0)) as study:
        study.run(Budget(trials=200))

Benchmarks are queried through `bench_client`, search spaces come from `model_hub`. PyTorch is
imported only when a network is built.

domains/     sets of architectures: of a benchmark, of a search space, of given choices
problems/    objectives, bounds and evaluation
strategies/  search strategies
study/       searches stored in files, their events, and comparison of runs by regret
specification/  searches described by TOML files
training/    an evaluator that trains networks: recipes, training loop, checkpoints
proxies/     zero-cost scores of untrained networks
oneshot/     supernets with shared weights, and searches on them
"""

from __future__ import annotations

from nas_search.problems import (
    DeclaredProblem,
    FiguresProblem,
    FunctionProblem,
    ServiceTraining,
    SpaceProblem,
    TableProblem,
    random_expectation,
)
from nas_search.study import Budget, Study, StudyFile

__all__ = [
    "Budget",
    "DeclaredProblem",
    "FiguresProblem",
    "FunctionProblem",
    "ServiceTraining",
    "SpaceProblem",
    "Study",
    "StudyFile",
    "TableProblem",
    "random_expectation",
]
