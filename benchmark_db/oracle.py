"""Questions about all architectures: best, Pareto-optimal, rank, distribution and correlation.

Every figure is the mean over the runs of a candidate. Candidates without a figure are ignored; of
equal ones the smaller index comes first, so that answers are reproducible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark_db.candidates import Candidates
from benchmark_db.catalog import Catalog
from benchmark_db.correlation import correlated
from benchmark_db.density import GridSide, counted
from benchmark_db.distribution import MAX_POINTS, described
from benchmark_db.items import COUNTED, SIZE_SOURCE, Item
from benchmark_db.metrics import Metric, bounds_named, metric_named
from benchmark_db.questions import MAX_LIMIT, checked_count, number

__all__ = ["correlation", "density", "distribution", "pareto", "rank", "top"]


def top(
    catalog: Catalog,
    benchmark: str,
    filters: Mapping[str, Any],
    *,
    metric: str,
    bounds: Mapping[str, Any],
    n: int = 10,
) -> list[Item]:
    """Return the best candidates by a metric, the best first.

    Args:
        catalog: What is installed.
        benchmark: Name of the benchmark.
        filters: The part, as for `Candidates`.
        metric: Name of the metric; the registry knows its direction.
        bounds: Values by `min_` or `max_` and the name of a metric.
        n: Number of candidates, 1 to 1,000; fewer are returned if fewer are within the bounds.

    Raises:
        InvalidQuestionError: An argument is malformed or unknown, or a metric is not recorded.
        UnknownBenchmarkError: The benchmark, or the data set with a metric, is not installed.
        TimeBudgetExceededError: The time budget of the database is spent.
    """
    n = checked_count("n", n, MAX_LIMIT)
    asked = metric_named(catalog.metrics(benchmark), metric)
    limits = bounds_named(catalog.metrics(benchmark), bounds)
    candidates = Candidates(catalog, benchmark, filters)
    losses = candidates.loss(asked, "metric")
    places = _best(losses, candidates.within(limits), n)
    shown_metrics = _unique([asked, *(bound.metric for bound in limits)])
    items = _items(candidates, places, shown_metrics)
    return [
        {"rank": rank, "value": item["metrics"][metric], **item}
        for rank, item in enumerate(items, 1)
    ]


def pareto(
    catalog: Catalog,
    benchmark: str,
    filters: Mapping[str, Any],
    *,
    x: str,
    y: str,
    bounds: Mapping[str, Any],
) -> list[Item]:
    """Return the Pareto-optimal candidates of two metrics.

    Arguments and errors are those of `top`, with two metrics; the best by `x` comes first, and
    candidates that are equal in both are all returned.
    """
    known = catalog.metrics(benchmark)
    first, second = metric_named(known, x, field="x"), metric_named(known, y, field="y")
    limits = bounds_named(known, bounds)
    candidates = Candidates(catalog, benchmark, filters)
    axes = {"x": first, "y": second}
    losses = [candidates.loss(metric, axis) for axis, metric in axes.items()]
    places = _front(losses[0], losses[1], candidates.within(limits))
    metrics = _unique([first, second, *(bound.metric for bound in limits)])
    return _items(candidates, places, metrics)


def rank(
    catalog: Catalog, benchmark: str, filters: Mapping[str, Any], *, arch: Any, metric: str
) -> list[Item]:
    """Return the rank of an architecture among all: one item, or none if it has no figure.

    Errors are those of `top`.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        UnsupportedQuestionError: The benchmark's architectures have no single figure.
    """
    asked = metric_named(catalog.metrics(benchmark), metric)
    candidates = Candidates(catalog, benchmark, filters)
    number = candidates.benchmark.number_of(arch)
    losses = candidates.loss(asked, "metric")
    place = None if number is None else candidates.place_of(number)
    if place is None:
        return []
    if np.isnan(losses[place]):
        return []
    (item,) = _items(candidates, [place], [asked])
    best = np.nanmin(losses)
    return [
        {
            "rank": int((losses < losses[place]).sum()) + 1,
            "of": int((~np.isnan(losses)).sum()),
            "value": item["metrics"][metric],
            "best": float(-best if candidates.metric_in_parts(asked).larger_is_better else best),
            "regret": float(losses[place] - best),
            **{name: item[name] for name in ("config", SIZE_SOURCE) if name in item},
        }
    ]


def distribution(
    catalog: Catalog,
    benchmark: str,
    filters: Mapping[str, Any],
    *,
    metric: str,
    bounds: Mapping[str, Any],
    points: int = 100,
) -> list[Item]:
    """Return the distribution of a metric over the candidates within bounds: one item.

    Arguments and errors are those of `top`; `points` is the most points of the function.
    """
    asked = metric_named(catalog.metrics(benchmark), metric)
    limits = bounds_named(catalog.metrics(benchmark), bounds)
    points = checked_count("points", points, MAX_POINTS)
    candidates = Candidates(catalog, benchmark, filters)
    values = candidates.recorded(asked, "metric")[candidates.within(limits)]
    return [{"metric": metric, **described(values, points)}]


def correlation(
    catalog: Catalog,
    benchmark: str,
    filters: Mapping[str, Any],
    *,
    x: str,
    y: str,
    other: Mapping[str, Any],
    bounds: Mapping[str, Any],
    **counts: int,
) -> list[Item]:
    """Return how well two metrics agree over the candidates within bounds: one item.

    Errors are those of `pareto`.

    Args:
        catalog: What is installed.
        benchmark: Name of the benchmark.
        filters: The part, as for `Candidates`.
        x: One metric.
        y: The other.
        bounds: Values by `min_` or `max_` and the name of a metric.
        other: Filters whose value differs for `y`, so that parts can be compared: 12 epochs with
            200, one data set with another.
        counts: `top_k`, `resamples` and `resample_seed`, as for `correlated`.
    """
    known = catalog.metrics(benchmark)
    first, second = metric_named(known, x, field="x"), metric_named(known, y, field="y")
    limits = bounds_named(known, bounds)
    candidates = Candidates(catalog, benchmark, filters)
    others = candidates.with_filters(other)
    kept = candidates.within(limits)
    found = correlated(
        candidates.recorded(first, "x")[kept],
        candidates.recorded_in(others, second, "y")[kept],
        x_larger=candidates.metric_in_parts(first).larger_is_better,
        y_larger=others.metric_in_parts(second).larger_is_better,
        **counts,
    )
    return [{"x": x, "y": y, **found}]


def density(
    catalog: Catalog,
    benchmark: str,
    filters: Mapping[str, Any],
    *,
    x: str,
    y: str,
    other: Mapping[str, Any],
    bounds: Mapping[str, Any],
    bins: int = 128,
    **sides: Any,
) -> Item:
    """Return the number of candidates within bounds in each cell of a grid over two metrics.

    Arguments and errors are those of `correlation`.

    Args:
        catalog: What is installed.
        benchmark: Name of the benchmark.
        filters: The part, as for `Candidates`.
        x: One metric.
        y: The other.
        bounds: Values by `min_` or `max_` and the name of a metric.
        other: Filters whose value differs for `y`.
        bins: Cells per side.
        sides: `x_log`, `x_from`, `x_to`, and the same for `y`: the sides of the grid.

    Returns:
        What `counted` returns, and for both sides `metric`, `unit` and `part`.
    """
    known = catalog.metrics(benchmark)
    asked = {"x": metric_named(known, x, field="x"), "y": metric_named(known, y, field="y")}
    limits = bounds_named(known, bounds)
    candidates = Candidates(catalog, benchmark, filters)
    others = candidates.with_filters(other)
    found = counted(
        candidates.recorded(asked["x"], "x"),
        candidates.recorded_in(others, asked["y"], "y"),
        candidates.within(limits),
        of_x=_side("x", sides),
        of_y=_side("y", sides),
        bins=bins,
    )
    for name, of in (("x", candidates), ("y", others)):
        meant = of.metric_in_parts(asked[name])
        found[name] |= {"metric": meant.name, "unit": meant.unit, "part": of.named_part()}
    return found


def _side(name: str, given: Mapping[str, Any]) -> GridSide:
    """Return a side of a grid."""
    low, high = (given.get(f"{name}_{end}") for end in ("from", "to"))
    return GridSide(
        name=name,
        log=bool(given.get(f"{name}_log")),
        low=None if low is None else number(f"{name}_from")(low),
        high=None if high is None else number(f"{name}_to")(high),
    )


def _best(losses: NDArray[np.float64], kept: NDArray[np.bool_], n: int) -> list[int]:
    """Return the positions of the n smallest losses, ascending; among equal ones the first."""
    places = np.flatnonzero(kept & ~np.isnan(losses))
    found = losses[places]
    if len(places) > n:
        # Partitioning 400,000 values takes a tenth of the time of sorting them.
        nearly = found <= np.partition(found, n - 1)[n - 1]
        places, found = places[nearly], found[nearly]
    order = np.argsort(found, kind="stable")[:n]
    return [int(place) for place in places[order]]


def _front(
    first: NDArray[np.float64], second: NDArray[np.float64], kept: NDArray[np.bool_]
) -> list[int]:
    """Return the positions of the Pareto front, ordered by the first loss, then by position."""
    places = np.flatnonzero(kept & ~np.isnan(first) & ~np.isnan(second))
    if not len(places):
        return []
    places = places[np.lexsort((places, second[places], first[places]))]
    x, y = first[places], second[places]
    leads = np.r_[True, x[1:] != x[:-1]]
    group = np.cumsum(leads) - 1
    # The second loss is ascending within equal first ones, so that the best leads its group.
    best = y[leads]
    best_before = np.r_[np.inf, np.minimum.accumulate(best)[:-1]]
    undominated = (y == best[group]) & (y < best_before[group])
    return [int(place) for place in places[undominated]]


def _items(candidates: Candidates, places: Sequence[int], metrics: Sequence[Metric]) -> list[Item]:
    columns = {metric.name: candidates.values(metric) for metric in metrics}
    return [
        {
            "metrics": {name: _number(column[place]) for name, column in columns.items()},
            "config": config,
            **({SIZE_SOURCE: COUNTED} if columns.keys() & candidates.counted(place).keys() else {}),
        }
        for place, config in zip(places, candidates.configs(places), strict=True)
    ]


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _unique(metrics: Sequence[Metric]) -> list[Metric]:
    return list({metric.name: metric for metric in metrics}.values())
