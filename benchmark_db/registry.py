"""Registry of the built-in data sets, which have a class each: benchmarks, and tables of costs.

Declared tables are not registered: their files carry their descriptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmark_db.benchmark import Benchmark
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.installed_dataset import InstalledDataset
from benchmark_db.metrics import Metric, metrics_of_spec
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.natssss.benchmark import NatsSss
from benchmark_db.nds.benchmark import Nds
from benchmark_spec import Like, OpenSpace

__all__ = ["BENCHMARKS", "INSTALLABLE", "METRICS", "space_like"]

BENCHMARKS: Final[Mapping[str, type[Benchmark]]] = {
    benchmark.spec.name: benchmark for benchmark in (NasBench101, NasBench201, NatsSss, Nds)
}
"""The built-in benchmarks, by name."""

INSTALLABLE: Final[Mapping[str, type[InstalledDataset]]] = {
    **BENCHMARKS,
    HwNasBench.spec.name: HwNasBench,
}
"""All built-in data sets: the benchmarks, and tables of costs."""

METRICS: Final[Mapping[str, Mapping[str, Metric]]] = {
    name: {
        **metrics_of_spec(benchmark.spec),
        **(
            metrics_of_spec(HwNasBench.spec, joined_to=name, prefixed=False)
            if HwNasBench.joined_to == name
            else {}
        ),
    }
    for name, benchmark in BENCHMARKS.items()
}
"""The metrics of each benchmark by name: statistics of its runs, and costs on devices."""


def space_like(space: Like) -> OpenSpace:
    """Return the space of the benchmark whose architectures a table shares.

    Raises:
        UnusableDatabaseError: There is no such benchmark, or its architectures have no index.
    """
    benchmark = BENCHMARKS.get(space.benchmark)
    found = None if benchmark is None else benchmark.numbered_space()
    if found is None:
        having = [name for name, other in BENCHMARKS.items() if other.numbered_space() is not None]
        raise UnusableDatabaseError(
            f"no table can be like {space.benchmark}; it can be like {', '.join(having)}"
        )
    return found
