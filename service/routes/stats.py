"""Routes of every benchmark: statistics of runs and of many architectures, learning curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from bench_client.models.run_columns import RUN_COLUMNS
from benchmark_db.answers import (
    Answer,
    computed_stats_answer,
    intermediate_stats_answer,
    many_computed_stats_answer,
    run_columns_answer,
)
from benchmark_db.benchmark import Benchmark
from benchmark_db.items import Item
from service.http.openapi import PAGE_PROBLEMS, problems
from service.http.questions import (
    ANSWER,
    LateModel,
    answer_cached,
    answer_scan,
    described,
    filters_and_options,
    installed,
    read_query,
    scanned,
)
from service.routes.parameters import Reducing

__all__ = ["StatsRoutes"]


_COLUMNS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The statistics.",
        "content": {RUN_COLUMNS: {"schema": {"type": "string", "format": "binary"}}},
    }
}

_OPTIONS: Final = ("reduction", "include_intermediates", "limit", "cursor", "sort")


@dataclass(frozen=True, kw_only=True)
class StatsRoutes:
    """The routes of the runs of a benchmark.

    Attributes:
        name: The benchmark.
        stats_question: Model of a query for statistics, in the query string.
        curves_question: Model of a query for curves, in the query string.
        batch_question: Model of a query for the statistics of `archs`, in the body.
        stats: Makes the model of a page of statistics.
        curves: Makes the model of a page of curves; None if the benchmark has no curves.
        batch: Makes the model of the answer to a batch.
    """

    name: str
    stats_question: LateModel
    curves_question: LateModel
    batch_question: type[Reducing]
    stats: Callable[[], Any]
    curves: Callable[[], Any] | None
    batch: Callable[[], Any]

    def add_to(self, router: APIRouter) -> None:
        """Add the routes to the benchmark's router."""
        name = self.name

        async def computed_stats(request: Request) -> Response:
            """Return the final statistics of the matching runs, one by one or reduced."""
            return await self._page(request, self.stats_question, computed_stats_answer)

        async def intermediate_stats(request: Request) -> Response:
            """Return the learning curves of the matching runs, as one list per statistic."""
            return await self._page(request, self.curves_question, intermediate_stats_answer)

        async def computed_stats_query(request: Request, question: Any) -> Response:
            """Return the final statistics of up to 10,000 architectures, in the given order.

            An architecture without matching runs gives an empty list, a malformed one an error
            entry. With `Accept: application/vnd.nas-bench.columns`, the answer has the runs,
            without curves, as columns: a line of JSON, followed by the values.
            """
            benchmark = installed(request, name)
            filters, options = filters_and_options(question, _OPTIONS)
            archs = filters.pop("archs")
            if RUN_COLUMNS.encode() in request.scope["headers_by_name"].get(b"accept", b""):
                made = partial(_columns, benchmark, archs, filters, options)
                content = await scanned(request, benchmark, made)
                return Response(content, media_type=RUN_COLUMNS)
            compute = partial(
                many_computed_stats_answer,
                benchmark,
                archs,
                filters,
                **options,
                convert_item=_in_json,
            )
            return await answer_scan(request, benchmark, compute)

        # FastAPI learns the model of a body from the annotation.
        computed_stats_query.__annotations__["question"] = self.batch_question
        router.get(
            "/computed-stats",
            operation_id=f"{name.replace('-', '_')}_computed_stats",
            summary="Get the final results of runs",
            response_model=None,
            responses=PAGE_PROBLEMS,
            openapi_extra=described(self.stats_question, answer=self.stats),
        )(computed_stats)
        router.post(
            "/computed-stats/query",
            operation_id=f"{name.replace('-', '_')}_computed_stats_query",
            summary="Get the final results of many architectures",
            response_model=None,
            responses={**_COLUMNS, **problems(400, 404, 413, 422, 500, 503)},
            openapi_extra={ANSWER: self.batch},
        )(computed_stats_query)
        if self.curves is None:
            return
        router.get(
            "/intermediate-stats",
            operation_id=f"{name.replace('-', '_')}_intermediate_stats",
            summary="Get the learning curves of runs",
            response_model=None,
            responses=PAGE_PROBLEMS,
            openapi_extra=described(self.curves_question, answer=self.curves),
        )(intermediate_stats)

    async def _page(
        self, request: Request, asked: LateModel, answer: Callable[..., Answer]
    ) -> Response:
        """Send a page: computed at once for one architecture, in a thread for many rows."""
        question = read_query(request, asked.model)
        benchmark = installed(request, self.name)
        filters, options = filters_and_options(question, _OPTIONS)
        compute = partial(answer, benchmark, filters, **options)
        at_once = filters.get("arch") is not None
        return await answer_cached(request, benchmark, compute, at_once=at_once)


def _columns(
    benchmark: Benchmark,
    archs: Sequence[Any],
    filters: Mapping[str, Any],
    options: Mapping[str, Any],
) -> bytes:
    """Return the body that contains the runs of many architectures as columns."""
    answer = run_columns_answer(benchmark, archs, filters, **options)
    data: bytes = answer.pop("data")
    return orjson.dumps(answer) + b"\n" + data


def _in_json(item: Item) -> orjson.Fragment:
    """Return an item as JSON."""
    # Copied, because the bytes that orjson returns keep a buffer of two kilobytes alive.
    return orjson.Fragment(bytes(memoryview(orjson.dumps(item))))
