"""Routes that every benchmark has: samples and neighbors of architectures."""

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
"""Architectures that are named in less time than a busy server takes to change threads."""


class SampleQuestion(BaseModel):
    """How many architectures, and which sample of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: Annotated[int, Field(ge=1, le=MAX_BATCH, description="How many, each once.")] = 1
    seed: Annotated[
        int,
        Field(
            ge=0,
            le=_MAX_INTEGER,
            description="The sample depends on it alone; a longer one starts with the shorter.",
        ),
    ] = 0


@dataclass(frozen=True, kw_only=True)
class SpaceRoutes:
    """What is asked about the architectures of a benchmark, whatever was recorded of them.

    Attributes:
        name: The benchmark.
        architecture: Makes the model of the names of an architecture.
        question: Asks about one architecture, in a body.
        neighboring: Whether they have neighbors.
    """

    name: str
    architecture: Callable[[], Any]
    question: type[BaseModel]
    neighboring: bool = True

    def add_to(self, router: APIRouter) -> None:
        """Add the routes to the benchmark's router."""
        name = self.name

        async def random(request: Request) -> Response:
            """Return architectures drawn uniformly, without repeats, from those with runs."""
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
            # Asked where it has no meaning, it says why, but the document does not offer it.
            include_in_schema=self.neighboring,
        )(neighbors)
