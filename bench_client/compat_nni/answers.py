"""Queries and results in the form of NNI's functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel

from bench_client.arguments import Reduction
from bench_client.clients import BenchClient
from bench_client.compat import Where, client_for
from bench_client.errors import InvalidRequestError

__all__ = ["NniReduction", "answers"]

NniReduction: TypeAlias = Reduction | Literal["none"] | None
"""How several runs of one configuration become one item; "none" means None, as in NNI."""


def answers(
    where: Where,
    ask: Callable[[BenchClient, Reduction | None], Sequence[BaseModel]],
    reduction: NniReduction,
    *,
    include_intermediates: bool,
) -> Iterator[dict[str, Any]]:
    """Yield the runs of a query as dicts.

    Args:
        where: The client; if another value is given, a client is opened for this query.
        ask: Performs the query.
        reduction: Reduction as in NNI's functions.
        include_intermediates: Whether to include intermediate statistics.
    """
    try:
        with _opened(where) as bench:
            runs = ask(bench, None if reduction == "none" else reduction)
    except InvalidRequestError as error:
        if {str(part) for one in error.errors for part in one.loc[-1:]} == {"num_epochs"}:
            return  # NNI yields nothing for unknown budgets
        raise
    left_out = None if include_intermediates else {"intermediates"}
    for run in runs:
        yield run.model_dump(exclude=left_out)


@contextmanager
def _opened(where: Where) -> Iterator[BenchClient]:
    bench = client_for(where)
    with nullcontext() if bench is where else bench:
        yield bench
