"""Complete answers as dicts for JSON, the same for the service and for the client's local mode.

Every answer carries the `provenance` of its figures: the database, whether the figures are real or
synthetic, and the digest that identifies the content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias, cast

from benchmark_db import columns, oracle
from benchmark_db.benchmark import Benchmark
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidArchitectureError, InvalidQuestionError
from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.installed_dataset import InstalledDataset
from benchmark_db.items import Item
from benchmark_db.metrics import BOUND_SIDES
from benchmark_db.nds.benchmark import Nds
from benchmark_db.nds.distribution import families
from benchmark_db.provenance import COMPLETENESS
from benchmark_db.questions import Page
from benchmark_db.run_columns import run_columns

__all__ = [
    "Answer",
    "architecture_answer",
    "architectures_answer",
    "benchmark_answer",
    "benchmarks_answer",
    "column_answer",
    "columns_answer",
    "computed_stats_answer",
    "correlation_answer",
    "density_answer",
    "distribution_answer",
    "drawing_answer",
    "families_answer",
    "hardware_answer",
    "intermediate_stats_answer",
    "many_computed_stats_answer",
    "neighbors_answer",
    "pareto_answer",
    "provenance_mark",
    "random_answer",
    "rank_answer",
    "run_columns_answer",
    "spellings_answer",
    "top_answer",
]

Answer: TypeAlias = dict[str, Any]

_INVALID_ARCHITECTURE: Final = "Invalid architecture"


def provenance_mark(installed: InstalledDataset) -> Answer:
    """Return the short provenance that every answer carries.

    Call it after all figures of an answer have been read.

    Raises:
        UnusableDatabaseError: The file was changed meanwhile, so figures may be of another one.
    """
    installed.database.check_unchanged()
    provenance = installed.provenance
    mark = {
        "benchmark": provenance.benchmark,
        "source": provenance.source_name,
        "synthetic": provenance.synthetic,
        "content_digest": provenance.content_digest,
    }
    if provenance.is_of_a_plan:
        mark |= {name: provenance.contents[name] for name in COMPLETENESS}
    return mark


def computed_stats_answer(
    benchmark: Benchmark, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return a page of statistics; for options and errors see `Benchmark.computed_stats`."""
    return _page_of(benchmark, benchmark.computed_stats(filters, **options))


def intermediate_stats_answer(
    benchmark: Benchmark, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return a page of curves; for options and errors see `Benchmark.intermediate_stats`."""
    return _page_of(benchmark, benchmark.intermediate_stats(filters, **options))


def _page_of(asked: InstalledDataset, page: Page) -> Answer:
    return {
        "items": page.items,
        "next_cursor": page.next_cursor,
        "provenance": provenance_mark(asked),
    }


def many_computed_stats_answer(
    benchmark: Benchmark, archs: Sequence[Any], filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return the statistics of many architectures, aligned with them.

    For options and errors see `Benchmark.computed_stats_many`.
    """
    results = benchmark.computed_stats_many(archs, filters, **options)
    return {
        "results": [
            _error_entry(result) if isinstance(result, InvalidArchitectureError) else result
            for result in results
        ],
        "provenance": provenance_mark(benchmark),
    }


def run_columns_answer(
    benchmark: Benchmark,
    archs: Sequence[Any],
    filters: Mapping[str, Any],
    *,
    reduction: str | None = None,
    include_intermediates: bool = False,
) -> Answer:
    """Return the statistics of many architectures in columns; for errors see `run_columns`.

    Raises:
        InvalidQuestionError: Curves are requested, too.
    """
    if include_intermediates:
        raise InvalidQuestionError(
            "include_intermediates", "columns hold no learning curves: request them as JSON"
        )
    found = run_columns(benchmark, archs, filters, reduction=reduction)
    return {**found, "provenance": provenance_mark(benchmark)}


def architecture_answer(benchmark: Benchmark, arch: Any) -> Answer:
    """Return the representations of an architecture and the properties derived from it alone.

    Raises:
        InvalidArchitectureError: The architecture is malformed or outside the space.
    """
    return benchmark.describe(arch)


def architectures_answer(benchmark: Benchmark, archs: Sequence[Any]) -> Answer:
    """Return `architecture_answer` for many, aligned with them, or the error of a malformed one.

    Raises:
        InvalidQuestionError: There are too many architectures.
    """
    return {
        "results": [
            _error_entry(result) if isinstance(result, InvalidArchitectureError) else result
            for result in benchmark.describe_many(archs)
        ]
    }


def hardware_answer(costs: HwNasBench, filters: Mapping[str, Any], **options: Any) -> Answer:
    """Return a page of hardware costs; for options and errors see `HwNasBench.costs`."""
    return _page_of(costs, costs.costs(filters, **options))


def families_answer(catalog: Catalog) -> Answer:
    """Return the design spaces of NDS.

    Raises:
        UnknownBenchmarkError: NDS is not installed.
    """
    nds = cast("Nds", catalog[Nds.spec.name])
    return _items(nds, families(nds))


def density_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return counts on a grid of two metrics; for options and errors see `oracle.density`.

    `filters` is as for `correlation_answer`.
    """
    which, bounds, other = _split_twice(filters)
    found = oracle.density(catalog, name, which, other=other, bounds=bounds, **options)
    return {**found, "provenance": provenance_mark(catalog[name])}


def distribution_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return the distribution of a metric over architectures, or as the benchmark defines it.

    For options and errors see `oracle.distribution`, or the benchmark's `own_distribution`.
    """
    benchmark = catalog[name]
    if benchmark.own_distribution is not None:
        return _items(benchmark, benchmark.own_distribution(filters=filters, **options))
    which, bounds = _split(filters)
    return _items(benchmark, oracle.distribution(catalog, name, which, bounds=bounds, **options))


def correlation_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return how well two metrics correlate; for options and errors see `oracle.correlation`.

    `filters` may also hold bounds, and filters of the metric `y` alone with the prefix `y_`.
    """
    which, bounds, other = _split_twice(filters)
    items = oracle.correlation(catalog, name, which, other=other, bounds=bounds, **options)
    return _items(catalog[name], items)


def top_answer(catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any) -> Answer:
    """Return the best architectures; for options and errors see `oracle.top`.

    `filters` may also hold bounds.
    """
    which, bounds = _split(filters)
    return _items(catalog[name], oracle.top(catalog, name, which, bounds=bounds, **options))


def pareto_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return the Pareto-optimal architectures; for options and errors see `oracle.pareto`."""
    which, bounds = _split(filters)
    return _items(catalog[name], oracle.pareto(catalog, name, which, bounds=bounds, **options))


def rank_answer(catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any) -> Answer:
    """Return the rank of an architecture; for options and errors see `oracle.rank`."""
    return _items(catalog[name], oracle.rank(catalog, name, filters, **options))


def columns_answer(catalog: Catalog, name: str, filters: Mapping[str, Any]) -> Answer:
    """Return the columns of a benchmark; for errors see `columns.columns`."""
    found = columns.columns(catalog, name, filters)
    return {**found, "provenance": provenance_mark(catalog[name])}


def column_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], *, metric: str
) -> Answer:
    """Return a column, its values as `data`; for errors see `columns.column`."""
    found = columns.column(catalog, name, filters, metric=metric)
    mark = provenance_mark(catalog[name])
    return {**found.described, "provenance": mark, "data": found.values.tobytes()}


def spellings_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], *, numbers: Sequence[int]
) -> Answer:
    """Return the architecture strings of some indices; for errors see `columns.spellings`."""
    found = columns.spellings(catalog, name, filters, numbers=numbers)
    return _items(catalog[name], found)


def drawing_answer(benchmark: Benchmark, arch: Any) -> Answer:
    """Return the drawing of an architecture; for errors see `Benchmark.drawn`."""
    drawing = benchmark.drawn(arch)
    benchmark.database.check_unchanged()
    return drawing


def random_answer(benchmark: Benchmark, *, n: int = 1, seed: int = 0) -> Answer:
    """Return a random sample of architectures; for errors see `Benchmark.sample`."""
    return {**_items(benchmark, benchmark.sample(n, seed)), "seed": seed}


def neighbors_answer(benchmark: Benchmark, arch: Any) -> Answer:
    """Return the architectures one edit away; for errors see `Benchmark.neighbors`."""
    return _items(benchmark, benchmark.neighbors(arch))


def benchmark_answer(catalog: Catalog, name: str) -> Answer:
    """Return the description and the provenance of an installed benchmark.

    Raises:
        UnknownBenchmarkError: The benchmark is not installed.
    """
    installed = catalog.entry(name)
    spec = installed.spec
    return {
        "name": spec.name,
        "title": spec.title,
        "citation": spec.citation,
        "licence": spec.licence,
        "datasets": spec.datasets,
        "budgets": spec.budgets,
        "num_architectures": installed.num_architectures,
        "notes": spec.notes,
        "joined_to": installed.joined_to,
        "questions": installed.questions(spec),
        "provenance": asdict(installed.provenance),
        **({"spec": spec.json()} if installed.is_declared else {}),
    }


def benchmarks_answer(catalog: Catalog) -> Answer:
    """Return the description and the provenance of every installed benchmark."""
    return {"items": [benchmark_answer(catalog, name) for name in catalog.installed]}


def _items(installed: InstalledDataset, items: list[Item]) -> Answer:
    return {"items": items, "provenance": provenance_mark(installed)}


def _split(filters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the filters that select candidates, and the bounds on their metrics."""
    bounds = {
        name: value for name, value in filters.items() if name.partition("_")[0] in BOUND_SIDES
    }
    return {name: value for name, value in filters.items() if name not in bounds}, bounds


def _split_twice(
    filters: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return what `_split` returns, and the filters whose value differs for the metric `y`."""
    which, bounds = _split(filters)
    other = {key.removeprefix("y_"): which.pop(key) for key in list(which) if key.startswith("y_")}
    return which, bounds, other


def _error_entry(error: InvalidArchitectureError) -> Answer:
    return {"error": {"title": _INVALID_ARCHITECTURE, "status": 422, "detail": error.message}}
