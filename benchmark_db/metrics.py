"""Metrics: every figure by which architectures can be ranked, bounded or compared.

A metric is described by its benchmark, its unit, its direction and the place of its values.
Statistics of runs, costs on devices and columns of joined tables are all metrics.
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
"""Commands and routes that list all metrics of a benchmark."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A quantity by which architectures are compared.

    Attributes:
        name: Its name, the same everywhere.
        benchmark: The benchmark of the architectures.
        unit: Its unit, as in answers.
        larger_is_better: Its direction.
        lies_in: Name of the data set that holds its values: the benchmark itself, or a table that
            is joined to it.
        column: Name of its column there.
        by: Units and directions by axis and value, where they depend on an axis.
        fixed: Values of axes of a joined table that its benchmark lacks, such as a device.
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
        """Return the metric with its unit and direction in a part, given by axis."""
        for axis, values in self.by.items():
            if part.get(axis) in values:
                unit, larger = values[part[axis]]
                return replace(self, unit=unit, larger_is_better=larger)
        return self


_COMMON_AXES: Final = ("dataset", "num_epochs")
"""Axes that benchmarks and joined tables share by name."""


def metrics_of_spec(
    spec: BenchmarkSpec, *, joined_to: str | None = None, prefixed: bool = True
) -> Mapping[str, Metric]:
    """Return the metrics of a benchmark or table.

    Args:
        spec: Its description.
        joined_to: The benchmark whose metrics they become, as `TABLE.STATISTIC`, or
            `TABLE.STATISTIC.VALUE` for each value of an axis such as a device; None if they stay
            those of the table.
        prefixed: Whether these names start with the name of the table.
    """
    metrics = {}
    # Questions name the axes of the benchmark; each value of another axis makes a metric.
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
"""Prefixes of the names of bounds, before the metric's name."""


class Bound(NamedTuple):
    """A bound of a metric: at least (`min`) or at most (`max`) a value."""

    metric: Metric
    side: str
    value: float


def metric_named(metrics: Mapping[str, Metric], name: Any, *, field: str = "metric") -> Metric:
    """Return a metric of a benchmark.

    Args:
        metrics: The metrics of the benchmark, by name.
        name: Name of the metric.
        field: The field of the question that names it, for the error.

    Raises:
        InvalidQuestionError: The name is unknown.
    """
    if isinstance(name, str) and name in metrics:
        return metrics[name]
    table = name.partition(".")[0] if isinstance(name, str) else ""
    installed = any(metric.lies_in == table for metric in metrics.values())
    if not installed and table in shipped_declarations():
        raise InvalidQuestionError(
            field,
            f"metric {shown(name)} belongs to {table}, which is not installed: make its database "
            f"with `nbs generate {table} RAW` (a server notices it within seconds)",
        )
    told = near_and_known(name, metrics, listed_by=_LISTED_BY)
    raise InvalidQuestionError(field, f"unknown metric {shown(name)}; {told}")


def bounds_named(metrics: Mapping[str, Metric], given: Mapping[str, Any]) -> list[Bound]:
    """Return the bounds that a question sets.

    Args:
        metrics: The metrics of the benchmark, by name.
        given: Values by `min_` or `max_` and the name of a metric; None means no bound.

    Raises:
        InvalidQuestionError: There is no such bound, or its value is not a finite number.
    """
    bounds = []
    for name, value in given.items():
        side, _, metric = name.partition("_")
        if side not in BOUND_SIDES:
            raise InvalidQuestionError(
                name, f"unknown field {shown(name)}; a bound is min_ or max_ followed by a metric"
            )
        bound = Bound(metric_named(metrics, metric, field=name), side, 0.0)
        if value is not None:
            bounds.append(bound._replace(value=number(name)(value)))
    return bounds
