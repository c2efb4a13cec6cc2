"""The routes that every benchmark has: statistics, statistics of many, and curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from bench_client.models import WireModel
from service.http.openapi import READ_PROBLEMS, problems
from service.http.query import described, read_query
from service.routes.parameters import BatchParameters, PageParameters, StatsParameters, filters_of
from service.routes.stats import (
    send_computed_stats,
    send_intermediate_stats,
    send_many_computed_stats,
)

__all__ = ["StatsRoutes"]

_ARCHS: Final = "archs"

_Parts: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class StatsRoutes:
    """What a benchmark's routes ask and answer.

    Attributes:
        name: The benchmark.
        filters: The fields of its questions that select runs. What else a question has says how the
            answer should come, and is an option of the benchmark's method.
        stats_question: Asks for statistics, in the query string.
        curves_question: Asks for curves, in the query string.
        batch_question: Asks for the statistics of `archs`, in a body.
        stats: The page of statistics.
        curves: The page of curves.
        batch: The statistics of many.
    """

    name: str
    filters: tuple[str, ...]
    stats_question: type[StatsParameters]
    curves_question: type[PageParameters]
    batch_question: type[BatchParameters]
    stats: type[WireModel]
    curves: type[WireModel]
    batch: type[WireModel]

    def add_to(self, router: APIRouter) -> None:
        """Add the routes to the benchmark's router."""
        name = self.name
        stats_parts = self._parts(self.stats_question)
        curves_parts = self._parts(self.curves_question)
        batch_parts = self._parts(self.batch_question)

        async def computed_stats(request: Request) -> Response:
            """Return what the matching runs recorded at their end, each or reduced."""
            question = read_query(request, self.stats_question)
            return await send_computed_stats(request, name, *_split(question, stats_parts))

        async def computed_stats_query(request: Request, question: Any) -> Response:
            """Answer one question for up to 10,000 architectures, aligned with them.

            An architecture without matching runs gives an empty list, a malformed one an error
            entry.
            """
            parts = _split(question, batch_parts)
            return await send_many_computed_stats(request, name, question.archs, *parts)

        async def intermediate_stats(request: Request) -> Response:
            """Return the matching runs as they went on, in columns: one list a statistic."""
            question = read_query(request, self.curves_question)
            return await send_intermediate_stats(request, name, *_split(question, curves_parts))

        # FastAPI learns the model of a body from the annotation.
        computed_stats_query.__annotations__["question"] = self.batch_question
        router.get(
            "/computed-stats",
            operation_id=f"{name}_computed_stats",
            response_model=self.stats,
            responses=READ_PROBLEMS,
            openapi_extra=described(self.stats_question),
        )(computed_stats)
        router.post(
            "/computed-stats/query",
            operation_id=f"{name}_computed_stats_query",
            response_model=self.batch,
            responses=problems(400, 404, 413, 422, 500, 503),
        )(computed_stats_query)
        router.get(
            "/intermediate-stats",
            operation_id=f"{name}_intermediate_stats",
            response_model=self.curves,
            responses=READ_PROBLEMS,
            openapi_extra=described(self.curves_question),
        )(intermediate_stats)

    def _parts(self, question: type[BaseModel]) -> _Parts:
        """Return which fields of a question select runs, and which are options."""
        names = [name for name in question.model_fields if name != _ARCHS]
        return (
            tuple(name for name in names if name in self.filters),
            tuple(name for name in names if name not in self.filters),
        )


def _split(question: BaseModel, parts: _Parts) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the filters of a question, and the options."""
    filters, options = parts
    return filters_of(question, filters), filters_of(question, options)
