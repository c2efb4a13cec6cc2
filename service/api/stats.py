"""The questions that every benchmark answers: one, one for many, and learning curves.

A benchmark's router reads its own filters and hands them over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from benchmark_db.answers import (
    Answer,
    computed_stats_answer,
    intermediate_stats_answer,
    many_computed_stats_answer,
)
from benchmark_db.benchmark import Benchmark
from service.api.parameters import BatchParameters, PageParameters, StatsParameters
from service.api.respond import answer_now, answer_scan, cache_headers

__all__ = [
    "installed",
    "send_computed_stats",
    "send_intermediate_stats",
    "send_many_computed_stats",
]


def installed(request: Request, name: str) -> Benchmark:
    """Return a benchmark of the server.

    Raises:
        UnknownBenchmarkError: It is not installed.
    """
    benchmark: Benchmark = request.app.state.catalog[name]
    return benchmark


async def send_computed_stats(
    request: Request,
    name: str,
    question: StatsParameters,
    filters: Mapping[str, Any],
    *,
    sort: str | None = None,
) -> Response:
    """Answer with what the matching runs recorded.

    Args:
        request: The request.
        name: The benchmark.
        question: How the answer should come.
        filters: Its filters; a question that names an `arch` is answered at once.
        sort: What to sort by, where the benchmark can be sorted.

    Raises:
        BenchmarkDataError: As `Catalog` and `Benchmark.computed_stats`.
    """
    benchmark = installed(request, name)
    compute = partial(
        computed_stats_answer,
        benchmark,
        filters,
        reduction=question.reduction,
        include_intermediates=question.include_intermediates,
        sort=sort,
        limit=question.limit,
        cursor=question.cursor,
    )
    return await _send_page(request, benchmark, filters, compute)


async def send_intermediate_stats(
    request: Request,
    name: str,
    question: PageParameters,
    filters: Mapping[str, Any],
    *,
    sort: str | None = None,
) -> Response:
    """Answer with the learning curves of the matching runs; as `send_computed_stats`."""
    benchmark = installed(request, name)
    compute = partial(
        intermediate_stats_answer,
        benchmark,
        filters,
        reduction=question.reduction,
        sort=sort,
        limit=question.limit,
        cursor=question.cursor,
    )
    return await _send_page(request, benchmark, filters, compute)


async def send_many_computed_stats(
    request: Request,
    name: str,
    question: BatchParameters,
    archs: Sequence[Any],
    filters: Mapping[str, Any],
) -> Response:
    """Answer one question for many architectures, aligned with them.

    Raises:
        BenchmarkDataError: As `Catalog` and `Benchmark.computed_stats_many`.
    """
    benchmark = installed(request, name)
    compute = partial(
        many_computed_stats_answer,
        benchmark,
        archs,
        filters,
        reduction=question.reduction,
        include_intermediates=question.include_intermediates,
    )
    return await answer_scan(request, benchmark, compute)


async def _send_page(
    request: Request,
    benchmark: Benchmark,
    filters: Mapping[str, Any],
    compute: Callable[[], Answer],
) -> Response:
    """Send a page: of one architecture at once, of many rows from a thread."""
    headers = cache_headers(request, benchmark.provenance.content_digest)
    if filters.get("arch") is not None:
        return answer_now(compute(), headers)
    return await answer_scan(request, benchmark, compute, headers)
