"""Everything that can be asked, in one place: the methods of all clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from bench_client.late_imports import LateModule
from bench_client.operations import Operation, Question, Steps, ask

if TYPE_CHECKING:
    from bench_client import (
        artifacts,
        export,
        jobs,
        models,
        nasbench101,
        nasbench201,
        natssss,
        nds,
        oracle,
        submissions,
        tables,
    )
else:
    artifacts = LateModule("bench_client.artifacts")
    export = LateModule("bench_client.export")
    jobs = LateModule("bench_client.jobs")
    models = LateModule("bench_client.models")
    nasbench101 = LateModule("bench_client.nasbench101")
    nasbench201 = LateModule("bench_client.nasbench201")
    natssss = LateModule("bench_client.natssss")
    nds = LateModule("bench_client.nds")
    oracle = LateModule("bench_client.oracle")
    submissions = LateModule("bench_client.submissions")
    tables = LateModule("bench_client.tables")

__all__ = ["Surface"]

_QUERIES: Final[Mapping[str, Callable[[], Callable[..., Steps[list[Any]]]]]] = MappingProxyType(
    {
        "nasbench101": lambda: nasbench101.query_nb101,
        "nasbench201": lambda: nasbench201.query_nb201,
        "natssss": lambda: natssss.query_natssss,
        "nds": lambda: nds.query_nds,
        "hw-nas-bench": lambda: nasbench201.hardware_nb201,
    }
)
"""The query of each benchmark that has its own, by its name."""

_QUERIES_MANY: Final[Mapping[str, Callable[[], Callable[..., Steps[list[Any]]]]]] = (
    MappingProxyType(
        {
            "nasbench101": lambda: nasbench101.query_nb101_many,
            "nasbench201": lambda: nasbench201.query_nb201_many,
            "natssss": lambda: natssss.query_natssss_many,
            "nds": lambda: nds.query_nds_many,
        }
    )
)
"""The query for many architectures of each benchmark that has its own."""


def benchmarks() -> Steps[list[models.BenchmarkInfo]]:
    """Return what there is to know of every installed benchmark."""
    return (yield from ask(Question("benchmarks", models.BenchmarkList))).items


def benchmark(name: str) -> Steps[models.BenchmarkInfo]:
    """Return description, origin and fields, with units, of an installed benchmark.

    Args:
        name: Its name, such as `nasbench201`.

    Raises:
        BenchmarkNotInstalledError: It does not exist or is not installed.
    """
    return (yield from ask(Question("benchmark", models.BenchmarkInfo, name)))


def query(benchmark: str, *filters: Any, **options: Any) -> Steps[list[Any]]:
    """Return what the named benchmark's own query returns for the same arguments.

    `query("nasbench201", arch, 200, "cifar100", reduction="mean")` is
    `query_nb201(arch, 200, "cifar100", reduction="mean")`.

    A declared table is asked by its architecture, its axes in order, and the label of a run.

    Args:
        benchmark: Name of the benchmark.
        filters: The filters of its query, in order.
        options: The filters and options of its query, by name.

    Raises:
        InvalidRequestError: A filter is unknown or malformed.
        BenchmarkNotInstalledError: There is no such benchmark.
    """
    if benchmark not in _QUERIES:
        return (yield from tables.query_table(benchmark, *filters, **options))
    return (yield from _QUERIES[benchmark]()(*filters, **options))


def query_many(
    benchmark: str, archs: Iterable[Any], *filters: Any, **options: Any
) -> Steps[list[Any]]:
    """Return what the named benchmark's own query for many architectures returns.

    `query_many("nasbench201", archs, 200, "cifar100")` is `query_nb201_many(archs, 200,
    "cifar100")`. A declared table is asked by the filters that it declares.

    Args:
        benchmark: Name of the benchmark.
        archs: The architectures, each in any of its spellings.
        filters: The filters of its query, in order.
        options: The filters and options of its query, by name.

    Raises:
        InvalidArchitectureError: Some architectures are malformed; it says which.
        BenchmarkNotInstalledError: There is no such benchmark.
        UnsupportedQuestionError: It has no runs.
    """
    if benchmark in _QUERIES_MANY:
        return (yield from _QUERIES_MANY[benchmark]()(archs, *filters, **options))
    return (yield from tables.query_table_many(benchmark, archs, *filters, **options))


class Surface:
    """The methods that every client has."""

    benchmarks = Operation(lambda: benchmarks)
    benchmark = Operation(lambda: benchmark)
    query = Operation(lambda: query)
    query_many = Operation(lambda: query_many)

    top = Operation(lambda: oracle.top)
    pareto = Operation(lambda: oracle.pareto)
    rank = Operation(lambda: oracle.rank)
    correlation = Operation(lambda: oracle.correlation)
    distribution = Operation(lambda: oracle.distribution)
    random = Operation(lambda: oracle.random)
    neighbors = Operation(lambda: oracle.neighbors)

    query_nb101 = Operation(lambda: nasbench101.query_nb101)
    query_nb101_many = Operation(lambda: nasbench101.query_nb101_many)
    curves_nb101 = Operation(lambda: nasbench101.curves_nb101)
    hash_nb101 = Operation(lambda: nasbench101.hash_nb101)
    hash_nb101_many = Operation(lambda: nasbench101.hash_nb101_many)

    query_nb201 = Operation(lambda: nasbench201.query_nb201)
    query_nb201_many = Operation(lambda: nasbench201.query_nb201_many)
    curves_nb201 = Operation(lambda: nasbench201.curves_nb201)
    describe_nb201 = Operation(lambda: nasbench201.describe_nb201)
    hardware_nb201 = Operation(lambda: nasbench201.hardware_nb201)

    query_natssss = Operation(lambda: natssss.query_natssss)
    query_natssss_many = Operation(lambda: natssss.query_natssss_many)
    curves_natssss = Operation(lambda: natssss.curves_natssss)
    describe_natssss = Operation(lambda: natssss.describe_natssss)

    query_nds = Operation(lambda: nds.query_nds)
    query_nds_many = Operation(lambda: nds.query_nds_many)
    curves_nds = Operation(lambda: nds.curves_nds)
    families_nds = Operation(lambda: nds.families_nds)
    distribution_nds = Operation(lambda: nds.distribution_nds)

    export = Operation(lambda: export.export)
    export_to = Operation(lambda: export.export_to)

    job = Operation(lambda: jobs.job)
    jobs = Operation(lambda: jobs.jobs)
    cancel = Operation(lambda: jobs.cancel)
    wait = Operation(lambda: jobs.wait)
    build = Operation(lambda: submissions.build)
    evaluate = Operation(lambda: submissions.evaluate)
    latency = Operation(lambda: submissions.latency)
    train = Operation(lambda: submissions.train)
    train_supernet = Operation(lambda: submissions.train_supernet)
    workers = Operation(lambda: jobs.workers)
    datasets = Operation(lambda: jobs.datasets)
    checkpoints = Operation(lambda: jobs.checkpoints)
    delete_checkpoint = Operation(lambda: jobs.delete_checkpoint)
    download = Operation(lambda: artifacts.download)
    materialize = Operation(lambda: artifacts.materialize)
