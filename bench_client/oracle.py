"""Queries over all architectures of a benchmark, such as rankings, and samples of them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

from pydantic import BaseModel

from bench_client.arguments import BOUNDS, count, integer, plain_arch, plain_filters, refused, text
from bench_client.frames import Items
from bench_client.models.oracle import (
    Correlation,
    Distribution,
    Found,
    Ranked,
    Sampled,
    Standing,
    TradeOff,
)
from bench_client.operations import Question, Steps, Topic, ask
from bench_client.pages import item_model
from bench_client.tables import known_table
from benchmark_spec import BenchmarkSpec

__all__ = ["correlation", "distribution", "neighbors", "pareto", "random", "rank", "top"]


def top(
    benchmark: str,
    *,
    metric: str,
    dataset: str | None = None,
    num_epochs: int | None = None,
    n: int = 10,
    **more: Any,
) -> Steps[Items[Ranked[Any]]]:
    """Return the best architectures of a benchmark by a metric, best first.

    Values are means over the runs of an architecture. For NDS the ranked items are trained
    configurations: a network with its learning rate and weight decay.

    Args:
        benchmark: Name of the benchmark.
        metric: A statistic of the benchmark's items or, for `nasbench201`, a cost on a device such
            as `edgegpu_latency` (in milliseconds); `bench.benchmark(name).fields` lists them.
        dataset: The data set, if the benchmark has several.
        num_epochs: The training budget in epochs, if the benchmark has several.
        n: Number of architectures, 1 to 1,000.
        more: Bounds: `max_` or `min_` before the name of any metric, such as `max_flops=100`; for
            `nds` also `model_family`, `proposer` and `generator`.

    Returns:
        At most `n` items; none if no architecture is within the bounds.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the table with a metric, is not installed.
    """
    options = {"metric": text("metric", metric), "n": count("n", n)}
    models = yield from known_table(benchmark)
    filters = _filters(models.spec, dataset, num_epochs, more)
    answer = _of(Found, _of(Ranked, models.config))
    return (yield from _items("top", answer, benchmark, filters, options))


def pareto(
    benchmark: str,
    *,
    x: str,
    y: str,
    dataset: str | None = None,
    num_epochs: int | None = None,
    **more: Any,
) -> Steps[Items[TradeOff[Any]]]:
    """Return the Pareto front of two metrics: the architectures that no other one dominates.

    Args:
        benchmark: Name of the benchmark.
        x: First metric; items are sorted by it, best first.
        y: Second metric.
        dataset: As for `top`.
        num_epochs: As for `top`.
        more: Bounds, as for `top`.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the table with a metric, is not installed.
    """
    models = yield from known_table(benchmark)
    filters = _filters(models.spec, dataset, num_epochs, more)
    answer = _of(Found, _of(TradeOff, models.config))
    sides = {"x": text("x", x), "y": text("y", y)}
    return (yield from _items("pareto", answer, benchmark, filters, sides))


def rank(
    benchmark: str,
    arch: Any,
    *,
    metric: str,
    dataset: str | None = None,
    num_epochs: int | None = None,
    **more: Any,
) -> Steps[Standing[Any] | None]:
    """Return the rank of an architecture among all by a metric; None if it has no value.

    Args:
        benchmark: Name of the benchmark; not `nds`, whose networks were trained in several ways.
        arch: Architecture in any spelling.
        metric: As for `top`.
        dataset: As for `top`.
        num_epochs: As for `top`.
        more: Values of other axes of a declared table.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        InvalidRequestError: Another argument is malformed, missing or unknown.
        UnsupportedQuestionError: The benchmark does not support ranks.
        BenchmarkNotInstalledError: The benchmark, or the table with the metric, is not installed.
    """
    options = {"arch": plain_arch(arch), "metric": text("metric", metric)}
    models = yield from known_table(benchmark)
    filters = _filters(models.spec, dataset, num_epochs, more)
    answer = _of(Found, _of(Standing, models.config))
    items = yield from _items("rank", answer, benchmark, filters, options)
    return items[0] if items else None


def distribution(
    benchmark: str,
    *,
    metric: str,
    dataset: str | None = None,
    num_epochs: int | None = None,
    points: int | None = None,
    **more: Any,
) -> Steps[Items[Any]]:
    """Return the distribution of a metric over all architectures.

    Args:
        benchmark: Name of the benchmark.
        metric: As for `top`; for `nds` as for `distribution_nds`.
        dataset: As for `top`.
        num_epochs: As for `top`.
        points: Maximum number of points of the distribution function, 1 to 1,000; 100 by default.
        more: Bounds, as for `top`; architectures outside them are left out.

    Returns:
        One `Distribution`; for `nds` one `NdsDistribution` per design space.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the table with a metric, is not installed.
    """
    models = yield from known_table(benchmark)
    filters = _filters(models.spec, dataset, num_epochs, more)
    options = {"metric": text("metric", metric), "points": integer("points", points)}
    answer = models.distribution or Found[Distribution]
    return (yield from _items("distribution", answer, benchmark, filters, options))


def correlation(
    benchmark: str,
    *,
    x: str,
    y: str,
    dataset: str | None = None,
    num_epochs: int | None = None,
    top_k: int = 100,
    resamples: int = 0,
    resample_seed: int = 0,
    **more: Any,
) -> Steps[Correlation]:
    """Return rank and linear correlations of two metrics over the architectures that have both.

    Args:
        benchmark: Name of the benchmark.
        x: First metric, as for `top`.
        y: Second metric.
        dataset: As for `top`.
        num_epochs: As for `top`.
        top_k: Size of the two sets of best architectures whose overlap is reported.
        resamples: Number of bootstrap resamples for 95 % intervals; 0: no intervals.
        resample_seed: Seed of the resampling.
        more: Bounds, as for `top`; and axis values of `y` if they differ from those of `x`:
            `y_dataset`, `y_num_epochs`, or another axis after `y_`.

    Returns:
        Kendall's tau-b, Spearman's rho, Pearson's r, and the overlap of the best.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the table with a metric, is not installed.
    """
    spec = (yield from known_table(benchmark)).spec
    filters = _filters(spec, dataset, num_epochs, more, another=True)
    counts = {"top_k": top_k, "resamples": resamples, "resample_seed": resample_seed}
    sides = {"x": text("x", x), "y": text("y", y)}
    options = {**sides, **{name: count(name, value) for name, value in counts.items()}}
    items = yield from _items("correlation", Found[Correlation], benchmark, filters, options)
    (found,) = items
    return cast("Correlation", found)


def random(benchmark: str, *, n: int = 1, seed: int = 0) -> Steps[Items[Any]]:
    """Return architectures drawn uniformly without replacement from those that have runs.

    The sample depends only on the seed, not on the machine or the version; a larger sample starts
    with the smaller one.

    Args:
        benchmark: Name of the benchmark.
        n: Number of architectures, 1 to 10,000.
        seed: Seed of the sample, 0 to 2^63 - 1.

    Returns:
        All spellings of each architecture, or both specifications of a network of NDS.

    Raises:
        InvalidRequestError: There are fewer than `n` architectures, or a number is malformed.
        BenchmarkNotInstalledError: The benchmark is not installed.
    """
    options = {"n": count("n", n), "seed": count("seed", seed)}
    models = yield from known_table(benchmark)
    answer = _of(Sampled, models.architecture)
    return (yield from _items("random", answer, benchmark, {}, options))


def neighbors(benchmark: str, arch: Any) -> Steps[Items[Any]]:
    """Return all architectures one edit away from an architecture, each once, in a fixed order.

    An edit changes one operation of a NAS-Bench-201 cell, the channels of one layer of the size
    space, or one operation or edge of a NAS-Bench-101 cell, which stays valid. The relation is
    symmetric.

    Args:
        benchmark: Name of the benchmark.
        arch: Architecture in any spelling.

    Returns:
        All spellings of each neighbour, as `random` returns them.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        UnsupportedQuestionError: The benchmark defines no neighbours: NDS.
        BenchmarkNotInstalledError: The benchmark is not installed.
    """
    options = {"arch": plain_arch(arch)}
    models = yield from known_table(benchmark)
    answer = _of(Found, models.architecture)
    return (yield from _items("neighbors", answer, benchmark, {}, options))


def _items(
    topic: Topic,
    answer: type[BaseModel],
    benchmark: str,
    filters: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Steps[Items[Any]]:
    question = Question(topic, answer, benchmark, filters, options)
    found: Any = yield from ask(question)
    return Items(found.items, item_model(question))


def _filters(
    spec: BenchmarkSpec,
    dataset: str | None,
    num_epochs: int | None,
    more: Mapping[str, Any],
    *,
    another: bool = False,
) -> dict[str, Any]:
    """Return filters and bounds by name.

    The metrics of bounds are checked by the server or local database only, because joined tables
    add metrics.

    Args:
        spec: Description of the benchmark.
        dataset: The data set.
        num_epochs: The training budget.
        more: All other filters and bounds.
        another: Whether axis names with `y_` before them are allowed.

    Raises:
        InvalidRequestError: A name is unknown; the message lists similar ones.
    """
    axes = [axis.name for axis in spec.axes]
    known = [*axes, *(f"y_{axis}" for axis in axes if another)]
    for name in more:
        if name not in known and not name.startswith(BOUNDS):
            bounds = (f"{side}{stat.name}" for side in BOUNDS for stat in spec.stats)
            near = get_close_matches(name, [*known, *bounds], n=3)
            told = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(known)}"
            raise refused(name, f"{spec.name} has no filter {name!r:.80}; {told}")
    return plain_filters(dataset, num_epochs, more)


def _of(frame: Any, inner: type[BaseModel]) -> type[BaseModel]:
    """Parametrise a generic model with a model that is only known at run time."""
    return cast("type[BaseModel]", frame[inner])
