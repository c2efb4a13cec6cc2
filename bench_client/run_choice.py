"""Reproducible choice of one of several runs of a configuration, by seed."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

__all__ = ["chosen_run"]

R = TypeVar("R")


def chosen_run(runs: Sequence[R], seed: int, *question: object) -> R:
    """Return one of the runs, the same for the same seed and query in every process.

    The choice uses a digest, because Python's hashes differ between processes and its random
    generators between versions.

    Args:
        runs: The runs, in stable order; at least one.
        seed: Any integer; another may choose another run.
        question: Key of the query; text and integers.
    """
    key = "/".join(map(str, (seed, *question)))
    number = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
    return runs[number % len(runs)]
