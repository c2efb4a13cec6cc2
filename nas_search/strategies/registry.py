"""The strategies by name, for specifications of searches and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

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
from nas_search.strategies.reinforce import Reinforce
from nas_search.strategies.seeded import SeededStrategy
from nas_search.strategies.spos_evolution import SposEvolution
from nas_search.strategies.tpe import TPE

__all__ = ["STRATEGIES", "strategy_from"]

STRATEGIES: Final[Mapping[str, type[SeededStrategy]]] = MappingProxyType(
    {
        strategy.name: strategy
        for strategy in (
            RandomSearch,
            GridSearch,
            LocalSearch,
            RegularizedEvolution,
            SposEvolution,
            ParentEvolution,
            NSGA2,
            Reinforce,
            TPE,
            SuccessiveHalving,
            ASHA,
            Hyperband,
            BOHB,
            Predictor,
            ProxySearch,
        )
    }
)
"""The strategy classes by class name."""


def strategy_from(name: str, settings: Mapping[str, Any] | None = None) -> SeededStrategy:
    """Return a new strategy by name.

    Args:
        name: A key of `STRATEGIES`.
        settings: Arguments by name; missing ones take their defaults.

    Raises:
        ValueError: The name or a setting is unknown, or a value is out of range.
        TypeError: A value has the wrong type, or a score or regressor is not a Python object.
    """
    if name not in STRATEGIES:
        raise ValueError(f"there is no strategy {name!r:.80}{_nearest(name, STRATEGIES)}")
    strategy = STRATEGIES[name]
    known = {field.name: field for field in fields(strategy) if field.init}
    given = dict(settings or {})
    for setting, value in given.items():
        if setting not in known:
            raise ValueError(f"{name} has no setting {setting!r:.80}{_nearest(setting, known)}")
        default = known[setting].default
        if _is_number(default) and not _is_number(value):
            raise TypeError(f"{setting} of {name} is {value!r:.80}; it must be a number")
        if isinstance(default, int) and isinstance(value, float):
            raise TypeError(f"{setting} of {name} is {value!r:.80}; it must be an integer")
        if isinstance(default, bool) and not isinstance(value, bool):
            raise TypeError(f"{setting} of {name} is {value!r:.80}; it must be true or false")
    if strategy is ProxySearch and not callable(given.get("score")):
        raise TypeError(
            "ProxySearch takes a function as `score`; specifications of searches name a proxy or a "
            "metric"
        )
    if strategy is Predictor and isinstance(given.get("regressor"), str):
        raise TypeError("Predictor takes a Python object as `regressor`, not its name")
    return strategy(**given)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _nearest(name: str, known: Iterable[str]) -> str:
    by_lower = {text.lower(): text for text in known}
    close = get_close_matches(str(name)[:80].lower(), by_lower, n=3, cutoff=0.5)
    if close:
        return f"; the nearest are {', '.join(by_lower[text] for text in close)}"
    return f"; there are {', '.join(by_lower.values())}"
