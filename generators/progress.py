"""How a long job tells what it has done."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "silent"]


class Progress(Protocol):
    """Called after each step of a job."""

    def __call__(self, done: int, total: int) -> None:
        """Say that `done` of `total` steps are done."""


def silent(done: int, total: int) -> None:
    """Say nothing."""
