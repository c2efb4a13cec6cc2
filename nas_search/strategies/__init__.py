"""Search strategies, which decide what to evaluate next.

The proposals of a strategy depend only on its domain, its settings and the results in their order.
Every strategy works on every domain; `nas_search.study.Study` runs it.
"""

from __future__ import annotations

from nas_search.strategies.asha import ASHA
from nas_search.strategies.baselines import GridSearch, RandomSearch
from nas_search.strategies.bohb import BOHB
from nas_search.strategies.evolution import RegularizedEvolution
from nas_search.strategies.halving import SuccessiveHalving
from nas_search.strategies.hyperband import Hyperband
from nas_search.strategies.local_search import LocalSearch
from nas_search.strategies.nsga2 import NSGA2
from nas_search.strategies.parent_evolution import ParentEvolution
from nas_search.strategies.predictor import Predictor
from nas_search.strategies.proxy_search import ProxySearch
from nas_search.strategies.registry import STRATEGIES, strategy_from
from nas_search.strategies.reinforce import Reinforce
from nas_search.strategies.seeded import SeededStrategy
from nas_search.strategies.spos_evolution import SposEvolution
from nas_search.strategies.tpe import TPE

__all__ = [
    "ASHA",
    "BOHB",
    "NSGA2",
    "STRATEGIES",
    "TPE",
    "GridSearch",
    "Hyperband",
    "LocalSearch",
    "ParentEvolution",
    "Predictor",
    "ProxySearch",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "SeededStrategy",
    "SposEvolution",
    "SuccessiveHalving",
    "strategy_from",
]
