"""Everything that can be asked, in one place: the methods of all clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from bench_client import hw_nas_bench, nasbench101, nasbench201, natssss, nds, oracle
from bench_client.errors import BenchmarkNotInstalledError
from bench_client.models import BenchmarkInfo, BenchmarkList
from bench_client.operations import Operation, Question, Steps, ask

__all__ = ["Surface"]

_QUERIES: Final[Mapping[str, Callable[..., Steps[list[Any]]]]] = MappingProxyType(
    {
        "nasbench101": nasbench101.query_nb101,
        "nasbench201": nasbench201.query_nb201,
        "natssss": natssss.query_natssss,
        "nds": nds.query_nds,
        "hw-nas-bench": hw_nas_bench.hardware_nb201,
    }
)
"""The query of each benchmark, by its name."""


def benchmarks() -> Steps[list[BenchmarkInfo]]:
    """Return what there is to know of every installed benchmark."""
    return (yield from ask(Question("benchmarks", BenchmarkList))).items


def benchmark(name: str) -> Steps[BenchmarkInfo]:
    """Return description, origin and fields, with units, of an installed benchmark.

    Args:
        name: Its name, such as `nasbench201`.

    Raises:
        BenchmarkNotInstalledError: It does not exist or is not installed.
    """
    return (yield from ask(Question("benchmark", BenchmarkInfo, name)))


def query(benchmark: str, *filters: Any, **options: Any) -> Steps[list[Any]]:
    """Return what the named benchmark's own query returns for the same arguments.

    `query("nasbench201", arch, 200, "cifar100", reduction="mean")` is
    `query_nb201(arch, 200, "cifar100", reduction="mean")`.

    Args:
        benchmark: Name of the benchmark.
        filters: The filters of its query, in order.
        options: The filters and options of its query, by name.

    Raises:
        BenchmarkNotInstalledError: This client knows no benchmark of this name.
    """
    if benchmark not in _QUERIES:
        known = ", ".join(_QUERIES)
        raise BenchmarkNotInstalledError(
            f"this client knows no benchmark {benchmark!r:.80}; known are {known}"
        )
    return (yield from _QUERIES[benchmark](*filters, **options))


class Surface:
    """The methods that every client has."""

    benchmarks = Operation(benchmarks)
    benchmark = Operation(benchmark)
    query = Operation(query)

    top = Operation(oracle.top)
    pareto = Operation(oracle.pareto)
    rank = Operation(oracle.rank)
    distribution = Operation(oracle.distribution)
    random = Operation(oracle.random)
    neighbors = Operation(oracle.neighbors)

    query_nb101 = Operation(nasbench101.query_nb101)
    query_nb101_many = Operation(nasbench101.query_nb101_many)
    curves_nb101 = Operation(nasbench101.curves_nb101)
    hash_nb101 = Operation(nasbench101.hash_nb101)
    hash_nb101_many = Operation(nasbench101.hash_nb101_many)

    query_nb201 = Operation(nasbench201.query_nb201)
    query_nb201_many = Operation(nasbench201.query_nb201_many)
    curves_nb201 = Operation(nasbench201.curves_nb201)
    describe_nb201 = Operation(nasbench201.describe_nb201)
    hardware_nb201 = Operation(hw_nas_bench.hardware_nb201)

    query_natssss = Operation(natssss.query_natssss)
    query_natssss_many = Operation(natssss.query_natssss_many)
    curves_natssss = Operation(natssss.curves_natssss)
    describe_natssss = Operation(natssss.describe_natssss)

    query_nds = Operation(nds.query_nds)
    query_nds_many = Operation(nds.query_nds_many)
    curves_nds = Operation(nds.curves_nds)
    families_nds = Operation(nds.families_nds)
    distribution_nds = Operation(nds.distribution_nds)
