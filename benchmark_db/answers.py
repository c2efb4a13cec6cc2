"""Complete answers as dicts for JSON; the service sends them, and local mode reads the same ones.

Every answer carries the `provenance` of its numbers: which database they come from, whether they
are real, and the digest that identifies its content.
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
    """Return the few words on the origin of its numbers that every answer carries.

    Called once all numbers of an answer have been read.

    Raises:
        UnusableDatabaseError: They may not be of this origin: the file was changed meanwhile.
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
    """Return a page of computed statistics; options and errors are `Benchmark.computed_stats`'s."""
    return _page_of(benchmark, benchmark.computed_stats(filters, **options))


def intermediate_stats_answer(
    benchmark: Benchmark, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return a page of curves; options and errors are those of `Benchmark.intermediate_stats`."""
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

    Options and errors are those of `Benchmark.computed_stats_many`.
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
    """Return the statistics of many architectures in columns; errors are those of `run_columns`.

    Raises:
        InvalidQuestionError: Curves are wanted, too.
    """
    if include_intermediates:
        raise InvalidQuestionError(
            "include_intermediates", "columns hold no learning curves: ask for them as JSON"
        )
    found = run_columns(benchmark, archs, filters, reduction=reduction)
    return {**found, "provenance": provenance_mark(benchmark)}


def architecture_answer(benchmark: Benchmark, arch: Any) -> Answer:
    """Return the names of an architecture and what follows from it alone.

    Raises:
        InvalidArchitectureError: It is malformed or outside the space.
    """
    return benchmark.describe(arch)


def architectures_answer(benchmark: Benchmark, archs: Sequence[Any]) -> Answer:
    """Return `architecture_answer` for many, aligned with them, a malformed one as its error.

    Raises:
        InvalidQuestionError: They are too many.
    """
    return {
        "results": [
            _error_entry(result) if isinstance(result, InvalidArchitectureError) else result
            for result in benchmark.describe_many(archs)
        ]
    }


def hardware_answer(costs: HwNasBench, filters: Mapping[str, Any], **options: Any) -> Answer:
    """Return a page of hardware costs; options and errors are those of `HwNasBench.costs`."""
    return _page_of(costs, costs.costs(filters, **options))


def families_answer(catalog: Catalog) -> Answer:
    """Return the design spaces of NDS.

    Raises:
        UnknownBenchmarkError: It is not installed.
    """
    nds = cast("Nds", catalog[Nds.spec.name])
    return _items(nds, families(nds))


def density_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return counts on a grid of two metrics; options and errors are those of `oracle.density`.

    `filters` is as for `correlation_answer`.
    """
    which, bounds, other = _split_twice(filters)
    found = oracle.density(catalog, name, which, other=other, bounds=bounds, **options)
    return {**found, "provenance": provenance_mark(catalog[name])}


def distribution_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return how a metric is distributed: over the architectures, unless a benchmark says how else.

    Options and errors are those of `oracle.distribution`, or of the benchmark's own.
    """
    benchmark = catalog[name]
    if benchmark.own_distribution is not None:
        return _items(benchmark, benchmark.own_distribution(filters=filters, **options))
    which, bounds = _split(filters)
    return _items(benchmark, oracle.distribution(catalog, name, which, bounds=bounds, **options))


def correlation_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return how two metrics agree; options and errors are those of `oracle.correlation`.

    `filters` holds bounds, too, and with `y_` before their names the filters of the metric `y`.
    """
    which, bounds, other = _split_twice(filters)
    items = oracle.correlation(catalog, name, which, other=other, bounds=bounds, **options)
    return _items(catalog[name], items)


def top_answer(catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any) -> Answer:
    """Return the best architectures; options and errors are those of `oracle.top`.

    `filters` holds bounds, too.
    """
    which, bounds = _split(filters)
    return _items(catalog[name], oracle.top(catalog, name, which, bounds=bounds, **options))


def pareto_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return the undominated architectures; options and errors are those of `oracle.pareto`."""
    which, bounds = _split(filters)
    return _items(catalog[name], oracle.pareto(catalog, name, which, bounds=bounds, **options))


def rank_answer(catalog: Catalog, name: str, filters: Mapping[str, Any], **options: Any) -> Answer:
    """Return where an architecture stands; options and errors are those of `oracle.rank`."""
    return _items(catalog[name], oracle.rank(catalog, name, filters, **options))


def columns_answer(catalog: Catalog, name: str, filters: Mapping[str, Any]) -> Answer:
    """Return the columns of a benchmark; errors are those of `columns.columns`."""
    found = columns.columns(catalog, name, filters)
    return {**found, "provenance": provenance_mark(catalog[name])}


def column_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], *, metric: str
) -> Answer:
    """Return a column, its values as `data`; errors are those of `columns.column`."""
    found = columns.column(catalog, name, filters, metric=metric)
    mark = provenance_mark(catalog[name])
    return {**found.described, "provenance": mark, "data": found.values.tobytes()}


def spellings_answer(
    catalog: Catalog, name: str, filters: Mapping[str, Any], *, numbers: Sequence[int]
) -> Answer:
    """Return how architectures are spelled; errors are those of `columns.spellings`."""
    found = columns.spellings(catalog, name, filters, numbers=numbers)
    return _items(catalog[name], found)


def drawing_answer(benchmark: Benchmark, arch: Any) -> Answer:
    """Return how an architecture is drawn; errors are those of `Benchmark.drawn`."""
    drawing = benchmark.drawn(arch)
    benchmark.database.check_unchanged()
    return drawing


def random_answer(benchmark: Benchmark, *, n: int = 1, seed: int = 0) -> Answer:
    """Return a sample of architectures; errors are those of `Benchmark.sample`."""
    return {**_items(benchmark, benchmark.sample(n, seed)), "seed": seed}


def neighbors_answer(benchmark: Benchmark, arch: Any) -> Answer:
    """Return the architectures one edit away; errors are those of `Benchmark.neighbors`."""
    return _items(benchmark, benchmark.neighbors(arch))


def benchmark_answer(catalog: Catalog, name: str) -> Answer:
    """Return what there is to know of an installed benchmark: description and provenance.

    Raises:
        UnknownBenchmarkError: It is not installed.
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
    """Return what there is to know of every installed benchmark."""
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
    """Return what `_split` does, and the filters that the metric `y` has otherwise."""
    which, bounds = _split(filters)
    other = {key.removeprefix("y_"): which.pop(key) for key in list(which) if key.startswith("y_")}
    return which, bounds, other


def _error_entry(error: InvalidArchitectureError) -> Answer:
    return {"error": {"title": _INVALID_ARCHITECTURE, "status": 422, "detail": error.message}}
