"""The questions that every benchmark answers: one, one for many, and learning curves.

What a question selects and how its answer should come are read by the benchmark's router and handed
over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response

from benchmark_db.answers import (
    Answer,
    computed_stats_answer,
    intermediate_stats_answer,
    many_computed_stats_answer,
)
from benchmark_db.benchmark import Benchmark
from benchmark_db.items import Item
from service.http.respond import answer_now, answer_scan, cache_headers

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
    request: Request, name: str, filters: Mapping[str, Any], options: Mapping[str, Any]
) -> Response:
    """Answer with what the matching runs recorded.

    Args:
        request: The request.
        name: The benchmark.
        filters: What selects runs; a question that names an `arch` is answered at once.
        options: How the answer should come: options of `Benchmark.computed_stats`.

    Raises:
        BenchmarkDataError: As `Catalog` and `Benchmark.computed_stats`.
    """
    benchmark = installed(request, name)
    compute = partial(computed_stats_answer, benchmark, filters, **options)
    return await _send_page(request, benchmark, filters, compute)


async def send_intermediate_stats(
    request: Request, name: str, filters: Mapping[str, Any], options: Mapping[str, Any]
) -> Response:
    """Answer with the learning curves of the matching runs; as `send_computed_stats`."""
    benchmark = installed(request, name)
    compute = partial(intermediate_stats_answer, benchmark, filters, **options)
    return await _send_page(request, benchmark, filters, compute)


async def send_many_computed_stats(
    request: Request,
    name: str,
    archs: Sequence[Any],
    filters: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Response:
    """Answer one question for many architectures, aligned with them.

    Raises:
        BenchmarkDataError: As `Catalog` and `Benchmark.computed_stats_many`.
    """
    benchmark = installed(request, name)
    compute = partial(
        many_computed_stats_answer, benchmark, archs, filters, **options, made_into=_in_json
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


def _in_json(item: Item) -> orjson.Fragment:
    """Return an item as it is sent."""
    # A copy, because what orjson returns keeps the two kilobytes it was written into.
    return orjson.Fragment(bytes(memoryview(orjson.dumps(item))))
