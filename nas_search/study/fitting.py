"""Checks that a strategy can search a problem, before the first trial; and the spec of a study."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from nas_search.contract import Candidate, Domain, Strategy, Wait
from nas_search.domains import PathEncoding
from nas_search.errors import ProblemError, StudyError
from nas_search.problems.problem import Problem

__all__ = ["check_choices", "check_strategy", "checked_proposal", "spec_of"]

_PROGRAM: Final = "nas-bench-service"


def check_strategy(problem: Problem, strategy: Strategy) -> None:
    """Raise if the fidelities of a strategy do not fit the problem, or it is a class.

    The highest fidelities of both have to be equal: only trials at the full fidelity are ranked,
    and the study would have no best trial.

    Raises:
        ProblemError: The strategy is a class, or its fidelities do not fit.
    """
    if isinstance(strategy, type):
        raise ProblemError(
            f"{strategy.__name__} is a class: make one, such as {strategy.__name__}(seed=0)"
        )
    wanted: tuple[int, ...] = getattr(strategy, "fidelities", ())
    offered = tuple(problem.fidelities)
    if wanted and (not set(wanted) <= set(offered) or wanted[-1] != offered[-1]):
        raise ProblemError(
            f"{strategy.name} evaluates at the fidelities {list(wanted)}, and the problem has "
            f"{list(offered)}: make it with fidelities={list(wanted)}, or change "
            "min_fidelity, max_fidelity or eta of the strategy"
        )


def check_choices(domain: Domain, strategy: Strategy) -> None:
    """Raise if a strategy needs choices or paths that the architectures of a domain lack.

    Raises:
        ProblemError: The strategy changes architectures and the domain is a list without choices,
            or it encodes paths and the architectures have none.
    """
    if getattr(strategy, "encoding", None) == "paths":
        PathEncoding(domain)
    if not domain.labels and not getattr(strategy, "draws_alone", True):
        raise ProblemError(
            f"{strategy.name} changes architectures, and the {domain.size} of this problem are a "
            "list without choices, in which hardly two are neighbors: RandomSearch, GridSearch and "
            'ProxySearch with then="stop" search it'
        )


def checked_proposal(strategy: Strategy, proposed: object) -> Candidate | Wait | None:
    """Return the proposal of a strategy, after checking its type.

    Raises:
        StudyError: It is neither a candidate nor `WAIT` nor None.
    """
    if isinstance(proposed, Candidate) and isinstance(proposed.arch, str):
        return proposed
    if proposed is None or isinstance(proposed, Wait):
        return proposed
    raise StudyError(
        f"{strategy.name} proposed {proposed!r:.80}: it may propose a Candidate whose arch is "
        "text, WAIT, or None at its end"
    )


def spec_of(
    problem: Problem, strategy: Strategy, specification: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the JSON that identifies a study, with the version that began it."""
    return {
        "versions": {_PROGRAM: _program()},
        "problem": problem.spec,
        "strategy": {
            "name": strategy.name,
            "settings": {"seed": strategy.seed, **strategy.settings},
        },
        **({} if specification is None else {"specification": dict(specification)}),
    }


@cache
def _program() -> str:
    # Cached: reading the metadata takes longer than a short study of a table.
    try:
        return version(_PROGRAM)
    except PackageNotFoundError:
        return "unknown"
