"""Shared parts of the adapters: the client, and the choice of one of several runs."""

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
    """Return a client for any value of `Where`.

    A client opened here closes its connections when it is garbage collected, because ported
    programs do not close it.

    Args:
        where: A client; text with `://`, the address of a service; other text or a path, the
            folder of the databases; None: `$NASBENCH_URL`, else `http://127.0.0.1:8000`.

    Raises:
        BenchmarkNotInstalledError: The folder holds no usable database.
        ImportError: A folder is given and the `local` extra is not installed.
        ValueError: The address is malformed.
    """
    if isinstance(where, BenchClient):
        return where
    if where is None or (isinstance(where, str) and "://" in where):
        client = BenchClient(where)
    else:
        client = BenchClient.local(where)
    weakref.finalize(client, client._transport.close)  # noqa: SLF001 - `client.close` refers to it
    return client


@dataclass(frozen=True)
class RunChoice:
    """Chooses one run of a configuration that was trained several times.

    With a seed, the choice depends only on seed and query: it is the same in any order and process,
    and another seed may choose another run. Without a seed, each choice is drawn from Python's
    global generator exactly as in the original APIs, so that both choose alike after `random.seed`.

    Args:
        seed: Any integer, or None.
    """

    seed: int | None

    def __call__(self, runs: Sequence[R], *question: object) -> R:
        """Return one of the runs.

        Args:
            runs: The runs, in stable order; at least one.
            question: Key of the query; text and integers.
        """
        if self.seed is None:
            return random.choice(runs)  # noqa: S311 - the draws of the original
        return chosen_run(runs, self.seed, *question)
