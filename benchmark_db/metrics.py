"""Metrics: every number that architectures can be ranked, bounded or compared by.

A metric is data: which benchmark it belongs to, its unit, which way is better, and where its number
lies. Statistics of runs, costs on devices and columns of joined tables are the same kind of thing
here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.questions import near_and_known, number
from benchmark_spec import BenchmarkSpec, Like
from benchmark_spec.declaration import shipped_declarations

__all__ = ["BOUND_SIDES", "Bound", "Metric", "bounds_named", "joined_metrics", "metric_named"]
__all__ += ["metrics_of_spec"]

_LISTED_BY: Final = "`nbs info BENCHMARK`, bench.columns or GET /v1/BENCHMARK/columns"
"""Where all metrics of a benchmark are told."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Something by which architectures are compared.

    Attributes:
        name: Its name, the same everywhere.
        benchmark: Whose architectures have it.
        unit: Its unit, as the wire names it.
        larger_is_better: Which way is better.
        lies_in: Name of the published data that holds its numbers: the benchmark itself, or a
            table that is joined to it.
        column: Its name there.
        by: Where unit and direction depend on an axis: both by axis and value.
        fixed: Values of axes of a joined table that its benchmark has not, such as a device.
    """

    name: str
    benchmark: str
    unit: str
    larger_is_better: bool
    lies_in: str
    column: str
    by: Mapping[str, Mapping[Any, tuple[str, bool]]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    fixed: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def within(self, part: Mapping[str, Any]) -> Metric:
        """Return the metric with unit and direction of a part, whose values are given by axis."""
        for axis, values in self.by.items():
            if part.get(axis) in values:
                unit, larger = values[part[axis]]
                return replace(self, unit=unit, larger_is_better=larger)
        return self


_COMMON_AXES: Final = ("dataset", "num_epochs")
"""Axes of which the benchmarks have their own, by the same names."""


def metrics_of_spec(
    spec: BenchmarkSpec, *, joined_to: str | None = None, prefixed: bool = True
) -> Mapping[str, Metric]:
    """Return the metrics of a benchmark or table.

    Args:
        spec: Its description.
        joined_to: The benchmark whose metrics they become, as `TABLE.STATISTIC`, or
            `TABLE.STATISTIC.VALUE` for each value of an axis such as a device; None: its own.
        prefixed: Whether the name of the table is a part of theirs there.
    """
    metrics = {}
    # A benchmark's questions name its own axes: for each value of another one there is a metric.
    others = [axis for axis in spec.axes if joined_to and axis.name not in _COMMON_AXES]
    fixed = [
        dict(zip((axis.name for axis in others), values, strict=True))
        for values in product(*(axis.values for axis in others))
    ]
    for stat, values in product(spec.stats, fixed):
        prefix = () if joined_to is None or not prefixed else (spec.name,)
        name = ".".join((*prefix, stat.name, *map(str, values.values())))
        by: dict[str, dict[Any, tuple[str, bool]]] = {}
        for axis in spec.axes:
            units, betters = stat.unit_by.get(axis.name, {}), stat.better_by.get(axis.name, {})
            differing = {
                value: (
                    units.get(str(value), stat.unit),
                    betters.get(str(value), stat.better) == "larger",
                )
                for value in axis.values
                if str(value) in units or str(value) in betters
            }
            if differing:
                by[axis.name] = differing
        metrics[name] = Metric(
            name=name,
            benchmark=joined_to or spec.name,
            unit=stat.unit,
            larger_is_better=stat.better == "larger",
            lies_in=spec.name,
            column=stat.name,
            by=by,
            fixed=values,
        )
    return metrics


def joined_metrics(benchmark: str, specs: Iterable[BenchmarkSpec]) -> dict[str, Metric]:
    """Return the metrics that declared tables add to a benchmark, by name."""
    return {
        name: metric
        for spec in specs
        if isinstance(spec.space, Like) and spec.space.benchmark == benchmark
        for name, metric in metrics_of_spec(spec, joined_to=benchmark).items()
    }


BOUND_SIDES: Final = ("min", "max")
"""What a bound's name starts with, before the metric's."""


class Bound(NamedTuple):
    """What a metric must be to count: at least (`min`) or at most (`max`) a number."""

    metric: Metric
    side: str
    value: float


def metric_named(metrics: Mapping[str, Metric], name: Any, *, field: str = "metric") -> Metric:
    """Return a metric of a benchmark.

    Args:
        metrics: The metrics of the benchmark, by name.
        name: Name of the metric.
        field: Which field of the question gives it.

    Raises:
        InvalidQuestionError: There is none of this name.
    """
    if isinstance(name, str) and name in metrics:
        return metrics[name]
    table = name.partition(".")[0] if isinstance(name, str) else ""
    installed = any(metric.lies_in == table for metric in metrics.values())
    if not installed and table in shipped_declarations():
        raise InvalidQuestionError(
            field,
            f"metric {shown(name)} is of {table}, which is not installed: make its database with "
            f"`nbs generate {table} RAW` (a server notices it within seconds)",
        )
    told = near_and_known(name, metrics, listed_by=_LISTED_BY)
    raise InvalidQuestionError(field, f"unknown metric {shown(name)}; {told}")


def bounds_named(metrics: Mapping[str, Metric], given: Mapping[str, Any]) -> list[Bound]:
    """Return the bounds that a question sets.

    Args:
        metrics: The metrics of the benchmark, by name.
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
        bound = Bound(metric_named(metrics, metric, field=name), side, 0.0)
        if value is not None:
            bounds.append(bound._replace(value=number(name)(value)))
    return bounds
