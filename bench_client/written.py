"""Registry of the benchmarks with hand-written models and queries.

They are hand-written so that editors and type checkers know their signatures. Everything else is in
the benchmarks' descriptions (`benchmark_spec.published`), as for declared tables. A new one needs a
module of models, a module of queries, and its entries here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bench_client.arguments import checked_name
from bench_client.late_imports import LateModule
from bench_client.operations import Operation, Steps

if TYPE_CHECKING:
    from bench_client import hw_nas_bench, nasbench101, nasbench201, natssss, nds
    from bench_client.frames import Batch, Items
    from bench_client.models.described import TableModels
else:
    hw_nas_bench = LateModule("bench_client.hw_nas_bench")
    nasbench101 = LateModule("bench_client.nasbench101")
    nasbench201 = LateModule("bench_client.nasbench201")
    natssss = LateModule("bench_client.natssss")
    nds = LateModule("bench_client.nds")

__all__ = ["Written", "WrittenQuestions", "written"]


class Written(NamedTuple):
    """A benchmark with hand-written models and queries, all imported on first use.

    Attributes:
        module: Module of its models.
        query: Returns its query for runs.
        query_many: Returns its query for the runs of many architectures; None if it has no runs.
        curves: Returns its query for learning curves; None if it has no runs.
        describe: Returns its query for the spellings of an architecture; None if there is only one.
    """

    module: Any
    query: Callable[[], Callable[..., Steps[Items[Any]]]]
    query_many: Callable[[], Callable[..., Steps[Batch[Any]]]] | None = None
    curves: Callable[[], Callable[..., Steps[Items[Any]]]] | None = None
    describe: Callable[[], Callable[..., Steps[Any]]] | None = None

    @property
    def models(self) -> TableModels:
        """The models of the benchmark."""
        found: TableModels = self.module.MODELS
        return found


_WRITTEN: Final[Mapping[str, Written]] = MappingProxyType(
    {
        "nasbench101": Written(
            LateModule("bench_client.models.nasbench101"),
            lambda: nasbench101.query_nb101,
            lambda: nasbench101.query_nb101_many,
            lambda: nasbench101.curves_nb101,
            lambda: nasbench101.hash_nb101,
        ),
        "nasbench201": Written(
            LateModule("bench_client.models.nasbench201"),
            lambda: nasbench201.query_nb201,
            lambda: nasbench201.query_nb201_many,
            lambda: nasbench201.curves_nb201,
            lambda: nasbench201.describe_nb201,
        ),
        "natssss": Written(
            LateModule("bench_client.models.natssss"),
            lambda: natssss.query_natssss,
            lambda: natssss.query_natssss_many,
            lambda: natssss.curves_natssss,
            lambda: natssss.describe_natssss,
        ),
        "nds": Written(
            LateModule("bench_client.models.nds"),
            lambda: nds.query_nds,
            lambda: nds.query_nds_many,
            lambda: nds.curves_nds,
        ),
        "hw-nas-bench": Written(
            LateModule("bench_client.models.hw_nas_bench"),
            lambda: hw_nas_bench.hardware_nb201,
        ),
    }
)


def written(benchmark: str) -> Written | None:
    """Return the hand-written parts of a benchmark; None for a declared table.

    Raises:
        BenchmarkNotInstalledError: The name is not a string.
    """
    return _WRITTEN.get(checked_name(benchmark))


class WrittenQuestions:
    """Client methods about a single benchmark."""

    query_nb101 = Operation(lambda: nasbench101.query_nb101)
    query_nb101_many = Operation(lambda: nasbench101.query_nb101_many)
    curves_nb101 = Operation(lambda: nasbench101.curves_nb101)
    hash_nb101 = Operation(lambda: nasbench101.hash_nb101)
    hash_nb101_many = Operation(lambda: nasbench101.hash_nb101_many)

    query_nb201 = Operation(lambda: nasbench201.query_nb201)
    query_nb201_many = Operation(lambda: nasbench201.query_nb201_many)
    curves_nb201 = Operation(lambda: nasbench201.curves_nb201)
    describe_nb201 = Operation(lambda: nasbench201.describe_nb201)
    hardware_nb201 = Operation(lambda: hw_nas_bench.hardware_nb201)

    query_natssss = Operation(lambda: natssss.query_natssss)
    query_natssss_many = Operation(lambda: natssss.query_natssss_many)
    curves_natssss = Operation(lambda: natssss.curves_natssss)
    describe_natssss = Operation(lambda: natssss.describe_natssss)

    query_nds = Operation(lambda: nds.query_nds)
    query_nds_many = Operation(lambda: nds.query_nds_many)
    curves_nds = Operation(lambda: nds.curves_nds)
    families_nds = Operation(lambda: nds.families_nds)
    distribution_nds = Operation(lambda: nds.distribution_nds)
