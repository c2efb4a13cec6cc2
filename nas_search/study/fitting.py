"""Whether a strategy can search a problem, told before the first trial; and what makes a study."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from nas_search.contract import Domain, Strategy
from nas_search.errors import ProblemError
from nas_search.problems.problem import Problem

__all__ = ["check_choices", "check_fidelities", "spec_of"]

_PROGRAM: Final = "nas-bench-service"


def check_fidelities(problem: Problem, strategy: Strategy) -> None:
    """Refuse a strategy whose longest evaluations are not the longest of the problem.

    None of its trials would be comparable with others: there would be no best.
    """
    wanted: tuple[int, ...] = getattr(strategy, "fidelities", ())
    offered = tuple(problem.fidelities)
    if wanted and (not set(wanted) <= set(offered) or wanted[-1] != offered[-1]):
        raise ProblemError(
            f"{strategy.name} evaluates at the fidelities {list(wanted)}, and the problem has "
            f"{list(offered)}: make it with fidelities={list(wanted)}, or change "
            "min_fidelity, max_fidelity or eta of the strategy"
        )


def check_choices(domain: Domain, strategy: Strategy) -> None:
    """Refuse a strategy that changes architectures where they are a list without choices."""
    if not domain.labels and not getattr(strategy, "draws_alone", True):
        raise ProblemError(
            f"{strategy.name} changes architectures, and the {domain.size} of this problem are a "
            "list without choices, in which hardly two are neighbors: RandomSearch, GridSearch and "
            'ProxySearch with then="stop" search it'
        )


def spec_of(
    problem: Problem, strategy: Strategy, specification: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what makes a study, as JSON, with the version that began it and how it was written."""
    try:
        program = version(_PROGRAM)
    except PackageNotFoundError:
        program = "unknown"
    return {
        "versions": {_PROGRAM: program},
        "problem": problem.spec,
        "strategy": {
            "name": strategy.name,
            "settings": {"seed": strategy.seed, **strategy.settings},
        },
        **({} if specification is None else {"specification": dict(specification)}),
    }
