"""Leaves out of the measuring of coverage what prepares tests or repeats what is measured.

Measured code takes two to four times as long where it counts and compares, and so does code of
libraries beside it. What makes the databases that tests ask has tests of its own, in which it is
measured; so has what is tried thousands of times. What is reported as covered is covered either
way: leaving out can only lower the figure, whose floor stands in pyproject.toml.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

__all__ = ["MEASURED", "first_measured", "measured_environment", "unmeasured"]

_Item = TypeVar("_Item")

MEASURED: Final = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage has a process measured that this one starts."""

_withheld: dict[str, str] = {}


@contextmanager
def unmeasured() -> Iterator[None]:
    """Measure no coverage in this thread, nor in threads and processes started meanwhile."""
    coverage = sys.modules.get("coverage")
    current = None if coverage is None else coverage.Coverage.current()
    if current is None or MEASURED not in os.environ:
        yield
        return
    # `Coverage.start` warns of all modules that are there already, and patches `os` once more.
    current._collector.stop()
    _withheld[MEASURED] = os.environ.pop(MEASURED)
    try:
        yield
    finally:
        os.environ[MEASURED] = _withheld.pop(MEASURED)
        current._collector.start()


def first_measured(items: Iterable[_Item]) -> Iterator[_Item]:
    """Yield all items; measure no coverage of what a loop does with the second and later ones."""
    rest = iter(items)
    yield next(rest)
    with unmeasured():
        yield from rest


def measured_environment() -> dict[str, str]:
    """Return the environment of a process that is to be measured wherever it is started from."""
    return {**os.environ, **_withheld}
