"""The questions about all architectures of a benchmark at once, and about samples of them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

from pydantic import BaseModel

from bench_client.arguments import BOUNDS, count, plain_arch, plain_filters, refused, text, whole
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
    """Return the best architectures by a metric, the best first: what an oracle would choose.

    Every figure is the mean over the runs of an architecture. NDS ranks what was trained: a network
    with its learning rate and weight decay.

    Args:
        benchmark: Name of the benchmark.
        metric: A statistic of the benchmark's items or, for `nasbench201`, a cost on a device such
            as `edgegpu_latency` (in milliseconds); `bench.benchmark(name).fields` lists them.
        dataset: The data set, where the benchmark has several.
        num_epochs: The training budget, where the benchmark has several.
        n: How many, 1 to 1,000.
        more: Bounds: `max_` or `min_` and the name of any metric, such as `max_flops=100`; for
            `nds` also `model_family`, `proposer` and `generator`.

    Returns:
        At most `n` items; none when nothing is within the bounds.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the data that has a metric, is not there.
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
    """Return the architectures that none beats in one metric without losing in the other.

    Args:
        benchmark: Name of the benchmark.
        x: One metric; the best by it comes first.
        y: The other one.
        dataset: As for `top`.
        num_epochs: As for `top`.
        more: Bounds, as for `top`.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the data that has a metric, is not there.
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
    """Return where an architecture stands among all by a metric; None if it has no value of it.

    Args:
        benchmark: Name of the benchmark: not `nds`, whose networks were trained in several ways.
        arch: The architecture in any of its spellings.
        metric: As for `top`.
        dataset: As for `top`.
        num_epochs: As for `top`.
        more: Other axes of a declared table.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        InvalidRequestError: Another argument is malformed, missing or unknown.
        UnsupportedQuestionError: The question has no meaning for the benchmark.
        BenchmarkNotInstalledError: The benchmark, or the data that has the metric, is not there.
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
    """Return how a metric is distributed over all architectures.

    Args:
        benchmark: Name of the benchmark.
        metric: As for `top`; for `nds` as for `distribution_nds`.
        dataset: As for `top`.
        num_epochs: As for `top`.
        points: Points of the distribution function at most, 1 to 1,000; 100 by default.
        more: Bounds, as for `top`: what is not within them does not count.

    Returns:
        One `Distribution`; for `nds` one `NdsDistribution` a design space.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the data that has a metric, is not there.
    """
    models = yield from known_table(benchmark)
    filters = _filters(models.spec, dataset, num_epochs, more)
    options = {"metric": text("metric", metric), "points": whole("points", points)}
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
    """Return how well two metrics agree over the architectures that have both.

    Args:
        benchmark: Name of the benchmark.
        x: One metric, as for `top`.
        y: The other.
        dataset: As for `top`.
        num_epochs: As for `top`.
        top_k: How many of the best of both are compared.
        resamples: How often architectures are drawn anew, with replacement, for intervals of 95 %;
            0: no intervals.
        resample_seed: Of these draws.
        more: Bounds, as for `top`; and where `y` is taken when not where `x` is: `y_dataset`,
            `y_num_epochs`, or another axis after `y_`.

    Returns:
        Kendall's tau-b, Spearman's rho, Pearson's r, and the overlap of the best.

    Raises:
        InvalidRequestError: An argument is malformed, missing or unknown.
        BenchmarkNotInstalledError: The benchmark, or the data that has a metric, is not there.
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
    """Return architectures drawn uniformly, without repeats, from those that have runs.

    The sample depends on the seed and on nothing else, neither the machine nor the version; a
    longer one starts with the shorter one.

    Args:
        benchmark: Name of the benchmark.
        n: How many, 1 to 10,000.
        seed: From 0 to 2^63 - 1. The same seed gives the same sample: pass another for another.

    Returns:
        Every name of each architecture, or both specifications of a network of NDS.

    Raises:
        InvalidRequestError: There are fewer than `n`, or a number is malformed.
        BenchmarkNotInstalledError: The benchmark is not there.
    """
    options = {"n": count("n", n), "seed": count("seed", seed)}
    models = yield from known_table(benchmark)
    answer = _of(Sampled, models.architecture)
    return (yield from _items("random", answer, benchmark, {}, options))


def neighbors(benchmark: str, arch: Any) -> Steps[Items[Any]]:
    """Return all architectures one edit away, each once, in a fixed order.

    An edit changes one operation of NAS-Bench-201, the channels of one layer of the size space, one
    operation or one edge of a NAS-Bench-101 cell, which stays valid. If A is a neighbor of B, then
    B is one of A.

    Args:
        benchmark: Name of the benchmark.
        arch: The architecture in any of its spellings.

    Returns:
        Names of each, as `random` returns them.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        UnsupportedQuestionError: The architectures of the benchmark have no neighbors: NDS.
        BenchmarkNotInstalledError: The benchmark is not there.
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

    Which metrics can be bounded is known to whoever answers: joined tables have more.

    Args:
        spec: The description of the benchmark.
        dataset: The data set.
        num_epochs: The training budget.
        more: All others.
        another: Whether a second part may be named, `y_` before its axes.

    Raises:
        InvalidRequestError: A name means nothing; it says which are near.
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
    """Return a generic model of a model that is known by name only."""
    return cast("type[BaseModel]", frame[inner])
