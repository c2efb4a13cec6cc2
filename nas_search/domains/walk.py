"""Iteration over a whole domain, in the order of its grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from bench_client.operations import drive
from nas_search.contract import Ask, Domain, Proposal
from nas_search.errors import ProblemError

__all__ = ["stated", "walk"]


def stated(arch: str) -> Proposal[str | None]:
    """Return a proposal of a known architecture, which asks nothing."""
    yield from ()
    return arch


def refuse(ask: Ask) -> NoReturn:
    """Raise, as there is no client to answer.

    Raises:
        ProblemError: Always.
    """
    raise ProblemError(f"this domain asks a benchmark, and none was given ({ask!r:.80})")


def walk(domain: Domain, answer: Callable[[Ask], Any] = refuse) -> Iterator[str]:
    """Yield all architectures of a domain in the order of its grid.

    Args:
        domain: The domain.
        answer: Answers questions of the domain, as `problem.answer` does.

    Raises:
        ProblemError: The domain asks a benchmark and `answer` is missing, or it has no grid.
    """
    for step in domain.grid():
        arch = drive(step, answer)
        if arch is not None:
            yield arch
