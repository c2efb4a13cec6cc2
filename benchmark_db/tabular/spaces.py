"""Spaces of tables that measure the architectures of another benchmark."""

from __future__ import annotations

from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.registry import BENCHMARKS
from benchmark_spec import Like, OpenSpace

__all__ = ["space_like"]


def space_like(space: Like) -> OpenSpace:
    """Return the space of the benchmark that a table is like.

    Raises:
        UnusableDatabaseError: There is no such benchmark, or its architectures have no numbers.
    """
    benchmark = BENCHMARKS.get(space.benchmark)
    found = None if benchmark is None else benchmark.numbered_space()
    if found is None:
        having = [name for name, other in BENCHMARKS.items() if other.numbered_space() is not None]
        raise UnusableDatabaseError(
            f"no table can be like {space.benchmark}; it can be like {', '.join(having)}"
        )
    return found
