"""Commands about a whole space: best architectures, trade-offs, ranks, samples, neighbors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import typer

from bench_client.table_version import TableName
from service.cli.options import (
    AsJson,
    Benchmark,
    DataDirectory,
    Dataset,
    Epochs,
    Least,
    Most,
    OtherMetric,
    Url,
    bounds,
    client,
    named_values,
)
from service.cli.output import print_items, print_json, wants_json

__all__ = ["correlation", "distribution", "neighbors", "pareto", "random", "rank", "top"]

Arch: TypeAlias = Annotated[str, typer.Argument(help="The architecture, as for `nbs query`.")]
Metric: TypeAlias = Annotated[
    str, typer.Option(help="A statistic, or a cost such as edgegpu_latency.")
]
Where: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Another axis of a declared table, such as task=normal; may be repeated."),
]


def top(  # noqa: PLR0913 - the options of the question
    benchmark: Benchmark,
    *,
    metric: Metric,
    dataset: Dataset = None,
    num_epochs: Epochs = None,
    n: Annotated[int, typer.Option("-n", "--number", min=1, max=1000, help="How many.")] = 10,
    least: Least = None,
    most: Most = None,
    where: Where = None,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show the best architectures by a metric, the mean over their runs, within bounds."""
    with client(url, data) as bench:
        items = bench.top(
            TableName(benchmark),
            metric=metric,
            dataset=dataset,
            num_epochs=num_epochs,
            n=n,
            **bounds(least, most),
            **named_values(where),
        )
    _print(items, f"{benchmark}: best {metric}", as_json=as_json)


def pareto(  # noqa: PLR0913 - the options of the question
    benchmark: Benchmark,
    *,
    x: Annotated[str, typer.Option(help="One metric; results are sorted by it, best first.")],
    y: OtherMetric,
    dataset: Dataset = None,
    num_epochs: Epochs = None,
    least: Least = None,
    most: Most = None,
    where: Where = None,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show the Pareto front of two metrics: architectures that no other dominates."""
    with client(url, data) as bench:
        items = bench.pareto(
            TableName(benchmark),
            x=x,
            y=y,
            dataset=dataset,
            num_epochs=num_epochs,
            **bounds(least, most),
            **named_values(where),
        )
    _print(items, f"{benchmark}: {x} against {y}", as_json=as_json)


def rank(  # noqa: PLR0913 - the options of the question
    benchmark: Benchmark,
    arch: Arch,
    *,
    metric: Metric,
    dataset: Dataset = None,
    num_epochs: Epochs = None,
    where: Where = None,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show the rank of an architecture by a metric, and its regret."""
    with client(url, data) as bench:
        standing = bench.rank(
            TableName(benchmark),
            arch,
            metric=metric,
            dataset=dataset,
            num_epochs=num_epochs,
            **named_values(where),
        )
    _print([] if standing is None else [standing], f"{benchmark}: {metric}", as_json=as_json)


def distribution(  # noqa: PLR0913 - the options of the question
    benchmark: Benchmark,
    *,
    metric: Metric,
    dataset: Dataset = None,
    num_epochs: Epochs = None,
    points: Annotated[int | None, typer.Option(min=1, max=1000, help="Most points.")] = None,
    least: Least = None,
    most: Most = None,
    where: Where = None,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show the distribution of a metric over all architectures; its points as JSON only."""
    with client(url, data) as bench:
        items = bench.distribution(
            TableName(benchmark),
            metric=metric,
            dataset=dataset,
            num_epochs=num_epochs,
            points=points,
            **bounds(least, most),
            **named_values(where),
        )
    _print(items, f"{benchmark}: {metric}", as_json=as_json)


def correlation(  # noqa: PLR0913 - the options of the question
    benchmark: Benchmark,
    *,
    x: Annotated[str, typer.Option(help="One metric.")],
    y: OtherMetric,
    dataset: Dataset = None,
    num_epochs: Epochs = None,
    top_k: Annotated[int, typer.Option(min=1, help="Size of the compared top sets.")] = 100,
    resamples: Annotated[
        int, typer.Option(min=0, max=1000, help="Bootstrap resamples for intervals.")
    ] = 0,
    resample_seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    least: Least = None,
    most: Most = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Another axis, or one of y, such as y_num_epochs=200; may be repeated."),
    ] = None,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show the correlation of two metrics: Kendall, Spearman, Pearson, overlap of the best."""
    with client(url, data) as bench:
        found = bench.correlation(
            TableName(benchmark),
            x=x,
            y=y,
            dataset=dataset,
            num_epochs=num_epochs,
            top_k=top_k,
            resamples=resamples,
            resample_seed=resample_seed,
            **bounds(least, most),
            **named_values(where),
        )
    _print([found], f"{benchmark}: {x} and {y}", as_json=as_json)


def random(
    benchmark: Benchmark,
    *,
    n: Annotated[
        int, typer.Option("-n", "--number", min=1, max=10_000, help="How many distinct ones.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show architectures drawn uniformly from those that have runs."""
    with client(url, data) as bench:
        items = bench.random(TableName(benchmark), n=n, seed=seed)
    _print(items, f"{benchmark}: {len(items)} of seed {seed}", as_json=as_json)


def neighbors(
    benchmark: Benchmark,
    arch: Arch,
    *,
    url: Url = None,
    data: DataDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show all architectures one edit away from one."""
    with client(url, data) as bench:
        items = bench.neighbors(TableName(benchmark), arch)
    _print(items, f"{benchmark}: {len(items)} neighbors", as_json=as_json)


def _print(items: Sequence[Any], title: str, *, as_json: bool) -> None:
    dumped = [item.model_dump() for item in items]
    if wants_json(asked=as_json):
        print_json(dumped)
    elif dumped:
        print_items(list(map(_row, dumped)), title)
    else:
        print_items([], f"{title}: nothing")


def _row(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as a table row: its own numbers, then its configuration; no nested values."""
    metrics = item.get("metrics", {})
    # The value that an item is ranked by is also among its metrics, under the metric's name.
    own = {name: value for name, value in item.items() if name != "value" or not metrics}
    parts = [own, metrics, item.get("config", {})]
    return {
        name: value
        for part in parts
        for name, value in part.items()
        if not isinstance(value, dict | list)
    }
