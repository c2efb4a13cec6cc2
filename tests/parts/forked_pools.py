"""Pools of forked processes that end by themselves."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.pool import Pool
from typing import Any, Final

__all__ = ["FORK", "forked_pool"]

FORK: Final = multiprocessing.get_context("fork")


@contextmanager
def forked_pool(
    processes: int, initializer: Callable[..., object] | None = None, initargs: tuple[Any, ...] = ()
) -> Iterator[Pool]:
    """Run a pool of forked processes, which end when they have done their tasks.

    `Pool` itself ends them by SIGTERM. Where coverage is measured that is handled in Python, and a
    process that has just begun to wait for its next task never comes to it.
    """
    pool = FORK.Pool(processes, initializer, initargs)
    try:
        yield pool
    finally:
        pool.close()
        pool.join()
