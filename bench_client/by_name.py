"""Queries about the runs of any benchmark, by its name.

Benchmarks with hand-written queries (`bench_client.written`) use those; all others use the queries
made from their descriptions (`bench_client.tables`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench_client.errors import UnsupportedQuestionError
from bench_client.frames import Batch, Items
from bench_client.operations import Steps, call_with_hints
from bench_client.tables import curves_table, describe_table, query_table, query_table_many
from bench_client.written import written

__all__ = ["curves", "describe", "query", "query_many"]


def query(benchmark: str, *filters: Any, **options: Any) -> Steps[Items[Any]]:
    """Return the runs of a benchmark that match, or one item per configuration if reduced.

    `query("nasbench201", arch, 200, "cifar100", reduction="mean")` is
    `query_nb201(arch, 200, "cifar100", reduction="mean")`. The filters of a declared table are the
    architecture, its axes in order, and the label of a run.

    Args:
        benchmark: Name of the benchmark.
        filters: Filters of the benchmark, in order.
        options: Filters and options of the benchmark, by name.

    Raises:
        InvalidRequestError: A filter is unknown or malformed.
        BenchmarkNotInstalledError: There is no benchmark of this name.
    """
    by_hand = written(benchmark)
    if by_hand is None:
        return (yield from query_table(benchmark, *filters, **options))
    return (yield from call_with_hints(by_hand.query(), *filters, **options))


def query_many(
    benchmark: str, archs: Iterable[Any], *filters: Any, **options: Any
) -> Steps[Batch[Any]]:
    """Return the result of `query` for each of many architectures, in the same order.

    `query_many("nasbench201", archs, 200, "cifar100")` is `query_nb201_many(archs, 200,
    "cifar100")`. The filters of a declared table are its axes in order, and the label of a run.

    Args:
        benchmark: Name of the benchmark.
        archs: Architectures in any spelling.
        filters: Filters of the benchmark after the architecture, in order.
        options: Filters and options of the benchmark, by name.

    Raises:
        InvalidArchitectureError: Some architectures are malformed; see the error's `positions`.
        BenchmarkNotInstalledError: There is no benchmark of this name.
        UnsupportedQuestionError: The benchmark has no runs.
    """
    by_hand = written(benchmark)
    if by_hand is None or by_hand.query_many is None:
        return (yield from query_table_many(benchmark, archs, *filters, **options))
    return (yield from call_with_hints(by_hand.query_many(), archs, *filters, **options))


def curves(benchmark: str, *filters: Any, **options: Any) -> Steps[Items[Any]]:
    """Return the learning curves of the runs that match, as columns: one list per statistic.

    `curves("nasbench201", arch, 200, "cifar100")` is `curves_nb201(arch, 200, "cifar100")`.

    Args:
        benchmark: Name of the benchmark.
        filters: Filters of the benchmark, in order.
        options: Filters of the benchmark by name, and `reduction`.

    Raises:
        InvalidRequestError: A filter is unknown or malformed, or the benchmark has no curves.
        BenchmarkNotInstalledError: There is no benchmark of this name.
    """
    by_hand = written(benchmark)
    if by_hand is None or by_hand.curves is None:
        return (yield from curves_table(benchmark, *filters, **options))
    return (yield from call_with_hints(by_hand.curves(), *filters, **options))


def describe(benchmark: str, arch: Any) -> Steps[Any]:
    """Return all spellings of an architecture, and the isomorphic ones if the benchmark has them.

    `describe("nasbench201", arch)` is `describe_nb201(arch)`; `describe("nasbench101", arch)` is
    `hash_nb101(arch)`.

    Args:
        benchmark: Name of the benchmark, or of a declared table.
        arch: Architecture in any spelling.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        BenchmarkNotInstalledError: There is no benchmark of this name.
        UnsupportedQuestionError: Architectures of the benchmark have one spelling only: NDS.
    """
    by_hand = written(benchmark)
    if by_hand is None:
        return (yield from describe_table(benchmark, arch))
    if by_hand.describe is None:
        raise UnsupportedQuestionError(
            f"architectures of {benchmark} have only one spelling, so there is nothing to describe"
        )
    return (yield from by_hand.describe()(arch))
