"""Leaves out of the measuring of coverage what prepares tests or repeats what is measured.

Measured code takes two to four times as long where it counts and compares. What makes the
databases that tests ask has tests of its own, in which it is measured; so has what is tried
thousands of times.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["unmeasured"]


@contextmanager
def unmeasured() -> Iterator[None]:
    """Measure no coverage in this thread, nor in threads that are started meanwhile."""
    coverage = sys.modules.get("coverage")
    current = None if coverage is None else coverage.Coverage.current()
    if current is None:
        yield
        return
    # `Coverage.start` warns of all modules that are there already, and patches `os` once more.
    current._collector.stop()
    try:
        yield
    finally:
        current._collector.start()
