"""Passing through a whole domain, in the order of its grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from bench_client.operations import drive
from nas_search.contract import Ask, Domain, Proposal
from nas_search.errors import ProblemError

__all__ = ["stated", "walk"]


def stated(arch: str) -> Proposal[str | None]:
    """Propose an architecture that is known without asking."""
    yield from ()
    return arch


def nobody(ask: Ask) -> NoReturn:
    """Refuse to answer.

    Raises:
        ProblemError: Always.
    """
    raise ProblemError(f"this domain asks a benchmark, and none was given ({ask!r:.80})")


def walk(domain: Domain, answer: Callable[[Ask], Any] = nobody) -> Iterator[str]:
    """Yield all architectures of a domain in the order of its grid.

    Args:
        domain: Of which.
        answer: Answers what the domain asks, as `problem.answer` does.

    Raises:
        ProblemError: The domain asks and nobody answers, or it has no grid.
    """
    for step in domain.grid():
        arch = drive(step, answer)
        if arch is not None:
            yield arch
