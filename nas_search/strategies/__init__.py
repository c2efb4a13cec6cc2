"""Search strategies over a simulated clock.

simulation = bench.simulate("nasbench201", "cifar10-valid", 200, budget=200_000)
search(RegularizedEvolution(seed=0), bench, simulation)
print(simulation.best)
"""

from __future__ import annotations

from nas_search.strategies.random_search import RandomSearch
from nas_search.strategies.regularized_evolution import RegularizedEvolution
from nas_search.strategies.searching import search, search_async
from nas_search.strategies.space import ServedSpace
from nas_search.strategies.strategy import Proposal, Strategy

__all__ = [
    "Proposal",
    "RandomSearch",
    "RegularizedEvolution",
    "ServedSpace",
    "Strategy",
    "search",
    "search_async",
]
