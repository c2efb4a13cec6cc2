"""Registry of metrics: every number that architectures can be ranked, bounded or compared by.

A metric is data: which benchmark it belongs to, its unit, which way is better, and where its number
lies. Statistics of runs and costs on devices are the same kind of thing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from benchmark_db.benchmark import Benchmark
from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.hw_nas_bench.tables import METRICS as COSTS
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.natssss.benchmark import NatsSss
from benchmark_db.nds.benchmark import Nds
from benchmark_db.questions import number

__all__ = ["BOUND_SIDES", "METRICS", "Bound", "Metric", "bounds_named", "metric_named"]


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
    Nds.description.name: _of_runs(Nds),
}
"""The metrics of each benchmark, by name."""

BOUND_SIDES: Final = ("min", "max")
"""What a bound's name starts with, before the metric's."""


class Bound(NamedTuple):
    """What a metric must be to count: at least (`min`) or at most (`max`) a number."""

    metric: Metric
    side: str
    value: float


def metric_named(benchmark: str, name: Any, *, field: str = "metric") -> Metric:
    """Return a metric of a benchmark.

    Args:
        benchmark: Name of the benchmark.
        name: Name of the metric.
        field: Which field of the question gives it.

    Raises:
        InvalidQuestionError: The benchmark has no metrics, or none of this name.
    """
    metrics = METRICS.get(benchmark, {})
    if not isinstance(name, str) or name not in metrics:
        known = f"known are {', '.join(metrics)}" if metrics else f"{benchmark} has none"
        raise InvalidQuestionError(field, f"unknown metric {shown(name)}; {known}")
    return metrics[name]


def bounds_named(benchmark: str, given: Mapping[str, Any]) -> list[Bound]:
    """Return the bounds that a question sets.

    Args:
        benchmark: Name of the benchmark.
        given: Numbers by `min_` or `max_` and the name of a metric; None is no bound.

    Raises:
        InvalidQuestionError: There is no such bound, or its value is no finite number.
    """
    bounds = []
    for name, value in given.items():
        side, _, metric = name.partition("_")
        if side not in BOUND_SIDES:
            raise InvalidQuestionError(
                name, f"unknown field {shown(name)}; a bound is min_ or max_ and a metric"
            )
        bound = Bound(metric_named(benchmark, metric, field=name), side, 0.0)
        if value is not None:
            bounds.append(bound._replace(value=number(name)(value)))
    return bounds
