"""How NNI's functions ask, and what their answers look like."""

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
"""How several runs of one configuration become one item; NNI says "none" for None, too."""


def answers(
    where: Where,
    ask: Callable[[BenchClient, Reduction | None], Sequence[BaseModel]],
    reduction: NniReduction,
    *,
    include_intermediates: bool,
) -> Iterator[dict[str, Any]]:
    """Yield the runs that a client knows, as dicts.

    Args:
        where: Whom to ask; a client that is not given is opened for this one question.
        ask: Asks it.
        reduction: As the functions take it.
        include_intermediates: Whether intermediate statistics were asked for.
    """
    try:
        with _opened(where) as bench:
            runs = ask(bench, None if reduction == "none" else reduction)
    except InvalidRequestError as error:
        if {str(part) for one in error.errors for part in one.loc[-1:]} == {"num_epochs"}:
            return  # NNI compares with what it has: of another budget there is nothing
        raise
    left_out = None if include_intermediates else {"intermediates"}
    for run in runs:
        yield run.model_dump(exclude=left_out)


@contextmanager
def _opened(where: Where) -> Iterator[BenchClient]:
    bench = client_for(where)
    with nullcontext() if bench is where else bench:
        yield bench
