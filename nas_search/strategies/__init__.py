"""Search strategies: over a simulated clock, or with an evaluation of one's own.

simulation = bench.simulate("nasbench201", "cifar10-valid", 200, budget=200_000)
search(RegularizedEvolution(seed=0), bench, simulation)
print(simulation.best)

`search_choices` runs them on a space of the model hub.
"""

from __future__ import annotations

from nas_search.strategies.hub_search import HubSpace, Trial, search_choices
from nas_search.strategies.random_search import RandomSearch
from nas_search.strategies.registry import STRATEGIES, strategy_from
from nas_search.strategies.regularized_evolution import RegularizedEvolution
from nas_search.strategies.searching import search, search_async
from nas_search.strategies.space import ServedSpace
from nas_search.strategies.strategy import NothingLearnedWarning, Proposal, Space, Strategy

__all__ = [
    "STRATEGIES",
    "HubSpace",
    "NothingLearnedWarning",
    "Proposal",
    "RandomSearch",
    "RegularizedEvolution",
    "ServedSpace",
    "Space",
    "Strategy",
    "Trial",
    "search",
    "search_async",
    "search_choices",
    "strategy_from",
]
