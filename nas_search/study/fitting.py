"""Whether a strategy can search a problem, told before the first trial; and what makes a study."""

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
    """Refuse a strategy whose longest evaluations are not the longest of the problem.

    None of its trials would be comparable with others: there would be no best. A class is refused,
    too: nobody has said how it is set.

    Raises:
        ProblemError: It is such a strategy.
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
    """Refuse a strategy that changes or encodes architectures in a way that they do not have.

    Raises:
        ProblemError: It changes what is a list without choices, or encodes what has no paths.
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
    """Return what a strategy proposed.

    Raises:
        StudyError: It is no candidate, `WAIT` or None.
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
    """Return what makes a study, as JSON, with the version that began it and how it was written."""
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
    # Its metadata are a file, which a study of a table would take longer to read than to run.
    try:
        return version(_PROGRAM)
    except PackageNotFoundError:
        return "unknown"
