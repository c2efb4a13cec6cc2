"""The questions about runs that every benchmark answers, each in its own way.

A benchmark with questions written by hand is asked by them, and any other as its description says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench_client.errors import UnsupportedQuestionError
from bench_client.frames import Batch, Items
from bench_client.operations import Steps, called
from bench_client.tables import curves_table, describe_table, query_table, query_table_many
from bench_client.written import written

__all__ = ["curves", "describe", "query", "query_many"]


def query(benchmark: str, *filters: Any, **options: Any) -> Steps[Items[Any]]:
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
    by_hand = written(benchmark)
    if by_hand is None:
        return (yield from query_table(benchmark, *filters, **options))
    return (yield from called(by_hand.query(), *filters, **options))


def query_many(
    benchmark: str, archs: Iterable[Any], *filters: Any, **options: Any
) -> Steps[Batch[Any]]:
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
    by_hand = written(benchmark)
    if by_hand is None or by_hand.query_many is None:
        return (yield from query_table_many(benchmark, archs, *filters, **options))
    return (yield from called(by_hand.query_many(), archs, *filters, **options))


def curves(benchmark: str, *filters: Any, **options: Any) -> Steps[Items[Any]]:
    """Return what the named benchmark's own question about learning curves returns.

    `curves("nasbench201", arch, 200, "cifar100")` is `curves_nb201(arch, 200, "cifar100")`.

    Args:
        benchmark: Name of the benchmark.
        filters: The filters of its query, in order.
        options: The filters of its query by name, and `reduction`.

    Raises:
        InvalidRequestError: A filter is unknown or malformed, or the benchmark has no curves.
        BenchmarkNotInstalledError: There is no such benchmark.
    """
    by_hand = written(benchmark)
    if by_hand is None or by_hand.curves is None:
        return (yield from curves_table(benchmark, *filters, **options))
    return (yield from called(by_hand.curves(), *filters, **options))


def describe(benchmark: str, arch: Any) -> Steps[Any]:
    """Return every name of an architecture, and its equals where a benchmark knows them.

    `describe("nasbench201", arch)` is `describe_nb201(arch)`; of `nasbench101` it is
    `hash_nb101(arch)`.

    Args:
        benchmark: Name of the benchmark, or of a declared table.
        arch: The architecture in any of its spellings.

    Raises:
        InvalidArchitectureError: It is malformed.
        BenchmarkNotInstalledError: There is no such benchmark.
        UnsupportedQuestionError: Nothing is known of its architectures but what was trained: NDS.
    """
    by_hand = written(benchmark)
    if by_hand is None:
        return (yield from describe_table(benchmark, arch))
    if by_hand.describe is None:
        raise UnsupportedQuestionError(
            f"{benchmark} knows no other name of an architecture than the one it is asked by"
        )
    return (yield from by_hand.describe()(arch))
