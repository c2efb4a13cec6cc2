"""What architectures are compared by: figures of their runs and costs on devices alike.

A metric is data: which benchmark it belongs to, its unit, which way is better, and where its number
lies. Questions that rank, filter or trade off architectures take any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark_db.benchmark import Benchmark
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.hw_nas_bench.tables import METRICS as COSTS
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.natssss.benchmark import NatsSss
from benchmark_db.ordering import Order
from benchmark_db.published import Published
from benchmark_db.questions import choice, known_filters
from benchmark_db.reduction import reduce_values
from benchmark_db.run_source import Selection

__all__ = ["METRICS", "Metric", "metric_named", "metric_values"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Something by which architectures are compared.

    Attributes:
        name: Its name, the same everywhere.
        benchmark: Whose architectures have it.
        unit: Its unit, as the wire names it.
        larger_is_better: Which way is better.
        lies_in: Name of the published data that holds its numbers: the benchmark itself, or a
            table of costs that is joined to it.
    """

    name: str
    benchmark: str
    unit: str
    larger_is_better: bool
    lies_in: str


class _Quantity(NamedTuple):
    unit: str
    larger_is_better: bool


_ACCURACY: Final = _Quantity("percent", larger_is_better=True)
_LOSS: Final = _Quantity("cross-entropy", larger_is_better=False)
_SECONDS: Final = _Quantity("seconds", larger_is_better=False)
_MILLIONS: Final = _Quantity("millions", larger_is_better=False)

_QUANTITIES: Final[Mapping[str, _Quantity]] = {
    "acc": _ACCURACY,
    "loss": _LOSS,
    "parameters": _MILLIONS,
    "flops": _MILLIONS,
    "latency": _SECONDS,
    "time": _SECONDS,
}
"""By the last word of a statistic's name."""

_COST_QUANTITIES: Final[Mapping[str, _Quantity]] = {
    "latency": _Quantity("milliseconds", larger_is_better=False),
    "energy": _Quantity("millijoules", larger_is_better=False),
    "intensity": _Quantity("FLOP/byte", larger_is_better=True),
}
"""By the last word of a cost's name."""


def _of_runs(benchmark: type[Benchmark]) -> dict[str, Metric]:
    name = benchmark.description.name
    return _metrics(benchmark.stats, name, name, _QUANTITIES)


def _metrics(
    names: tuple[str, ...], benchmark: str, lies_in: str, quantities: Mapping[str, _Quantity]
) -> dict[str, Metric]:
    metrics = {}
    for name in names:
        quantity = quantities[name.rpartition("_")[-1]]
        metrics[name] = Metric(
            name=name,
            benchmark=benchmark,
            unit=quantity.unit,
            larger_is_better=quantity.larger_is_better,
            lies_in=lies_in,
        )
    return metrics


_HARDWARE: Final = _metrics(
    COSTS, NasBench201.description.name, HwNasBench.description.name, _COST_QUANTITIES
)

METRICS: Final[Mapping[str, Mapping[str, Metric]]] = {
    NasBench101.description.name: _of_runs(NasBench101),
    NasBench201.description.name: {**_of_runs(NasBench201), **_HARDWARE},
    NatsSss.description.name: _of_runs(NatsSss),
}
"""The metrics of each benchmark whose architectures are numbered, by name."""


def metric_named(benchmark: str, name: str) -> Metric:
    """Return a metric of a benchmark.

    Raises:
        InvalidQuestionError: The benchmark has no metrics, or none of this name.
    """
    metrics = METRICS.get(benchmark, {})
    if name not in metrics:
        known = f"known are {', '.join(metrics)}" if metrics else f"{benchmark} has none"
        raise InvalidQuestionError("metric", f"unknown metric {shown(name)}; {known}")
    return metrics[name]


def metric_values(
    catalog: Catalog, metric: Metric, *, dataset: str | None = None, num_epochs: int | None = None
) -> NDArray[np.float64]:
    """Return a metric of every architecture of its benchmark.

    Args:
        catalog: Where it is installed.
        metric: The metric.
        dataset: Trained on what; None where the benchmark has one data set.
        num_epochs: Training budget, in epochs; costs on devices do not depend on it.

    Returns:
        float64 of shape (size of the space,): at the place of an architecture's number the mean
        over its runs, exactly as `reduction=mean` gives it; NaN where nothing is recorded.

    Raises:
        InvalidQuestionError: The data set or the budget is missing or unknown.
        UnknownBenchmarkError: The data that holds the numbers is not installed.
        TimeBudgetExceededError: The time budget of the database is spent.
    """
    published = catalog.entry(metric.lies_in)
    where = _selected(published, dataset, num_epochs)
    (key,) = (column for column in published.key_columns if column not in where)
    order = Order(published.key_columns)
    query = published.source.query((key, metric.name), order, Selection(frozenset(where)))
    rows = published.database.rows(published.database.compile(query), where)
    values = np.full(published.description.num_architectures or 0, np.nan)
    for number, runs in groupby(rows, key=itemgetter(0)):
        mean = reduce_values([value for _, value in runs], "mean")
        if mean is not None:
            values[number] = mean
    return values


def _selected(
    published: Published, dataset: str | None, num_epochs: int | None
) -> Mapping[str, Any]:
    """Return the columns, with their values, that leave one figure an architecture and run."""
    asked = {"dataset": dataset, "num_epochs": num_epochs}
    if dataset is not None and "dataset" not in published.filters:
        choice("dataset", dict.fromkeys(published.description.datasets, 0))(dataset)
    filters = {name: asked[name] for name in asked if name in published.filters}
    where = known_filters(filters, published.filters)
    for name, value in filters.items():
        if value is None:
            raise InvalidQuestionError(
                name, f"say which {name}: {published.description.title} differs by it"
            )
    return where
