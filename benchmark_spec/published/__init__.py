"""Descriptions of the published benchmarks that have code of their own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from benchmark_spec.published.hw_nas_bench import HW_NAS_BENCH
from benchmark_spec.published.nasbench101 import NASBENCH101
from benchmark_spec.published.nats_bench import NASBENCH201, NATSSSS
from benchmark_spec.published.nds import NDS
from benchmark_spec.spaces import Like
from benchmark_spec.spec import BenchmarkSpec, Stat

__all__ = ["HW_NAS_BENCH", "NASBENCH101", "NASBENCH201", "NATSSSS", "NDS", "PUBLISHED"]
__all__ += ["compared_by"]

PUBLISHED: Final[Mapping[str, BenchmarkSpec]] = MappingProxyType(
    {spec.name: spec for spec in (NASBENCH101, NASBENCH201, NATSSSS, NDS, HW_NAS_BENCH)}
)
"""Descriptions by name."""


def compared_by(benchmark: str) -> dict[str, Stat]:
    """Return all statistics of a benchmark's architectures, by name.

    Its own statistics come first, then those of published tables that are joined to it.

    Raises:
        KeyError: The benchmark is not in `PUBLISHED`.
    """
    own = PUBLISHED[benchmark]
    joined = [
        spec
        for spec in PUBLISHED.values()
        if isinstance(spec.space, Like) and spec.space.benchmark == benchmark
    ]
    return {stat.name: stat for spec in (own, *joined) for stat in spec.stats}
