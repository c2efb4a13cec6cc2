"""Whether a strategy can search a problem, told before the first trial."""

from __future__ import annotations

from nas_search.contract import Domain, Strategy
from nas_search.errors import ProblemError
from nas_search.problems.problem import Problem

__all__ = ["check_choices", "check_fidelities"]


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
