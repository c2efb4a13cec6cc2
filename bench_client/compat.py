"""What the adapters share: whom they ask, and which run answers where a benchmark has several."""

from __future__ import annotations

import os
import random
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from bench_client.clients import BenchClient
from bench_client.run_choice import chosen_run

__all__ = ["RunChoice", "Where", "client_for"]

R = TypeVar("R")

Where: TypeAlias = BenchClient | str | os.PathLike[str] | None
"""A client, the address of a service, a folder of databases, or None for `BenchClient()`."""


def client_for(where: Where) -> BenchClient:
    """Return the client to ask.

    One that is opened here closes its connections when nothing refers to it any more: programs that
    are moved over do not know that there is something to close.

    Args:
        where: A client; text with `://`, the address of a service; other text or a path, the
            folder of the databases; None: `$NASBENCH_URL`, else `http://127.0.0.1:8000`.

    Raises:
        BenchmarkNotInstalledError: The folder holds no database that can be used.
        ImportError: A folder is given and the `local` extra is not installed.
        ValueError: The address is none.
    """
    if isinstance(where, BenchClient):
        return where
    if where is None or (isinstance(where, str) and "://" in where):
        client = BenchClient(where)
    else:
        client = BenchClient.local(where)
    weakref.finalize(client, client._transport.close)  # noqa: SLF001 - `client.close` would keep it
    return client


@dataclass(frozen=True)
class RunChoice:
    """Chooses the run that answers for a configuration that was trained several times.

    With a seed the choice depends on it and on the question alone: the same question has the same
    answer in any order and in any process, and another seed may choose another run. Without one
    each choice is drawn from Python's global generator, with the very draws of the original APIs:
    after `random.seed`, theirs and these choose alike.

    Args:
        seed: Any integer, or None.
    """

    seed: int | None

    def __call__(self, runs: Sequence[R], *question: object) -> R:
        """Return one of the runs.

        Args:
            runs: The runs, in stable order; at least one.
            question: What tells the question apart from others; text and integers.
        """
        if self.seed is None:
            return random.choice(runs)  # noqa: S311 - the draws of the original
        return chosen_run(runs, self.seed, *question)
