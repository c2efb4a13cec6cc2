"""Search on benchmarks, on spaces of the model hub and on functions, and comparison of searches.

    problem = TableProblem(BenchClient.local(), "nasbench201", "cifar100")
    with Study("evolution-0.study", problem, RegularizedEvolution(seed=0)) as study:
        study.run(Budget(trials=200))

Speaks to benchmarks through `bench_client` and to spaces through `model_hub`, loaded with them;
PyTorch loads where a network is made.

domains/     what is drawn from: a benchmark, a space, choices
problems/    objectives and bounds, and who evaluates
strategies/  what to evaluate next
study/       trials that survive, their events, and comparison of runs by regret
specification/  searches as TOML files have them
training/    an evaluator that trains networks: recipes as data, one loop, checkpoints
proxies/     zero-cost scores of untrained networks
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
