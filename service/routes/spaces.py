"""Routes of every benchmark: random architectures and neighbors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from bench_client.models import Found, Sampled
from benchmark_db.answers import neighbors_answer, random_answer
from benchmark_db.questions import MAX_BATCH
from service.http.openapi import READ_PROBLEMS, problems
from service.http.questions import (
    ANSWER,
    answer_cached,
    answer_scan,
    described,
    installed,
    read_query,
)

__all__ = ["SpaceRoutes"]

_MAX_INTEGER: Final = 2**63 - 1
_FEW: Final = 50
"""Architectures whose answer takes less time than a thread switch on a busy server."""


class SampleQuestion(BaseModel):
    """Query for random architectures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: Annotated[int, Field(ge=1, le=MAX_BATCH, description="Number of architectures.")] = 1
    seed: Annotated[
        int,
        Field(
            ge=0,
            le=_MAX_INTEGER,
            description="Determines the sample; a longer sample starts with the shorter one.",
        ),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class SpaceRoutes:
    """The routes of the architectures of a benchmark, independent of recorded results.

    Attributes:
        name: The benchmark.
        architecture: Makes the model of the spellings of an architecture.
        question: Model of a query about one architecture, in the body.
        neighboring: Whether architectures have neighbors.
    """

    name: str
    architecture: Callable[[], Any]
    question: type[BaseModel]
    neighboring: bool = True

    def add_to(self, router: APIRouter) -> None:
        """Add the routes to the benchmark's router."""
        name = self.name

        async def random(request: Request) -> Response:
            """Return architectures with runs, drawn uniformly and without replacement."""
            question = read_query(request, SampleQuestion)
            benchmark = installed(request, name)
            compute = partial(random_answer, benchmark, n=question.n, seed=question.seed)
            at_once = question.n <= _FEW
            return await answer_cached(request, benchmark, compute, at_once=at_once)

        async def neighbors(request: Request, question: Any) -> Response:
            """Return all architectures one edit away, each once, in a fixed order."""
            benchmark = installed(request, name)
            compute = partial(neighbors_answer, benchmark, question.arch)
            return await answer_scan(request, benchmark, compute)

        def sampled() -> Any:
            architecture: Any = self.architecture()
            return Sampled[architecture]

        def found() -> Any:
            architecture: Any = self.architecture()
            return Found[architecture]

        # FastAPI learns the model of a body from the annotation.
        neighbors.__annotations__["question"] = self.question
        router.get(
            "/architectures/random",
            operation_id=f"{name.replace('-', '_')}_random",
            summary="Draw random architectures",
            response_model=None,
            responses=READ_PROBLEMS,
            openapi_extra=described(SampleQuestion, answer=sampled),
        )(random)
        router.post(
            "/architectures/neighbors",
            operation_id=f"{name.replace('-', '_')}_neighbors",
            summary="List the architectures one edit away",
            response_model=None,
            responses=problems(400, 404, 413, 422, 500, 503),
            openapi_extra={ANSWER: found},
            # Without neighbors, the route explains why; the document omits it.
            include_in_schema=self.neighboring,
        )(neighbors)
