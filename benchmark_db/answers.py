"""Whole answers, ready for JSON: what the service sends and what local mode reads.

Every answer carries the `provenance` of its numbers: which database they come from, whether they
are real, and the digest that identifies its content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from benchmark_db.benchmark import Benchmark
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidArchitectureError

__all__ = [
    "Answer",
    "benchmark_answer",
    "benchmarks_answer",
    "computed_stats_answer",
    "intermediate_stats_answer",
    "many_computed_stats_answer",
    "provenance_mark",
]

Answer: TypeAlias = dict[str, Any]

_INVALID_ARCHITECTURE: Final = "Invalid architecture"


def provenance_mark(benchmark: Benchmark) -> Answer:
    """Return the few words on its origin that every answer of a benchmark carries."""
    provenance = benchmark.provenance
    return {
        "benchmark": provenance.benchmark,
        "source": provenance.source_name,
        "synthetic": provenance.synthetic,
        "content_digest": provenance.content_digest,
    }


def computed_stats_answer(
    benchmark: Benchmark, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return a page of computed statistics; options and errors are `Benchmark.computed_stats`'s."""
    page = benchmark.computed_stats(filters, **options)
    return {
        "items": page.items,
        "next_cursor": page.next_cursor,
        "provenance": provenance_mark(benchmark),
    }


def intermediate_stats_answer(
    benchmark: Benchmark, filters: Mapping[str, Any], **options: Any
) -> Answer:
    """Return a page of curves; options and errors are those of `Benchmark.intermediate_stats`."""
    page = benchmark.intermediate_stats(filters, **options)
    return {
        "items": page.items,
        "next_cursor": page.next_cursor,
        "provenance": provenance_mark(benchmark),
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


def benchmark_answer(catalog: Catalog, name: str) -> Answer:
    """Return what there is to know of an installed benchmark: description and provenance.

    Raises:
        UnknownBenchmarkError: It is not installed.
    """
    benchmark = catalog[name]
    return {
        **asdict(benchmark.description),
        "provenance": asdict(benchmark.provenance),
    }


def benchmarks_answer(catalog: Catalog) -> Answer:
    """Return what there is to know of every installed benchmark."""
    return {"items": [benchmark_answer(catalog, name) for name in catalog.installed]}


def _error_entry(error: InvalidArchitectureError) -> Answer:
    return {"error": {"title": _INVALID_ARCHITECTURE, "status": 422, "detail": error.message}}
