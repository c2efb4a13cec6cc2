"""The published benchmarks whose tables have classes of their own, one module each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from benchmark_spec.published.hw_nas_bench import HW_NAS_BENCH
from benchmark_spec.published.nasbench101 import NASBENCH101
from benchmark_spec.published.nats_bench import NASBENCH201, NATSSSS
from benchmark_spec.published.nds import NDS
from benchmark_spec.spec import BenchmarkSpec

__all__ = ["PUBLISHED"]

PUBLISHED: Final[Mapping[str, BenchmarkSpec]] = MappingProxyType(
    {spec.name: spec for spec in (NASBENCH101, NASBENCH201, NATSSSS, NDS, HW_NAS_BENCH)}
)
"""By name."""
