"""The routes of every benchmark and declared table, made from its description.

Queries of one benchmark alone are in the module with its name, as `OWN`. Models and validators are
built when a request or the document first needs them, so that a server with many tables starts as
fast as one without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.routing import BaseRoute

from bench_client.models import BatchAnswer, Page
from bench_client.models.described import TableModels, camel_case, models_of
from bench_client.written import written
from benchmark_db.answers import architecture_answer
from benchmark_db.metrics import joined_metrics, metrics_of_spec
from benchmark_db.questions import MAX_BATCH
from benchmark_db.registry import BENCHMARKS, METRICS
from benchmark_db.tabular.benchmark import Tabular
from benchmark_spec import BenchmarkSpec, Label
from service.http.body import BodyRoute
from service.http.openapi import problems
from service.http.questions import ANSWER, LateModel, answer_now, installed
from service.routes import hw_nas_bench
from service.routes.export import ExportRoute
from service.routes.oracle import OracleRoutes
from service.routes.parameters import (
    BatchParameters,
    OwnQuestions,
    PageParameters,
    ReducedBatch,
    StatsParameters,
    filter_of,
)
from service.routes.pictures import PictureRoute
from service.routes.spaces import SpaceRoutes
from service.routes.stats import StatsRoutes

__all__ = ["routes"]

_MOST: Final = 2**63 - 1

_OWN: Final[Mapping[str, OwnQuestions]] = MappingProxyType(
    {
        name: import_module(f"{__package__}.{name}").OWN
        for name in BENCHMARKS
        if find_spec(f"{__package__}.{name}")
    }
)


def routes(declared: Iterable[BenchmarkSpec]) -> list[BaseRoute]:
    """Return the routes of the built-in benchmarks and of declared tables.

    Args:
        declared: The descriptions of the declared tables that are installed.
    """
    declared = list(declared)
    specs = (*(kind.spec for kind in BENCHMARKS.values()), *declared)
    found = [route for spec in specs for route in _router(spec, declared).routes]
    found += hw_nas_bench.router.routes
    # Routes are matched in order. GET routes come last, as the fast path handles them before.
    return sorted(found, key=lambda route: isinstance(route, APIRoute) and route.methods == {"GET"})


def _router(spec: BenchmarkSpec, declared: Iterable[BenchmarkSpec]) -> APIRouter:
    name, own, kind = spec.name, _OWN.get(spec.name, OwnQuestions()), BENCHMARKS.get(spec.name)
    answered = (kind or Tabular).questions(spec)
    router = APIRouter(prefix=f"/v1/{name}", tags=[name], route_class=BodyRoute)
    wire = cache(partial(_models, spec))
    asked = _questions(spec, own)
    router.routes.extend(own.router.routes)
    StatsRoutes(
        name=name,
        stats_question=asked.stats,
        curves_question=asked.page,
        batch_question=asked.batch,
        stats=lambda: _page_of(wire().stats),
        curves=(lambda: _page_of(wire().curves)) if "curves" in answered else None,
        batch=lambda: _batch_of(wire().stats),
    ).add_to(router)
    several = [axis.name for axis in spec.axes if len(axis.values) > 1]
    OracleRoutes(
        name=name,
        metrics={**METRICS.get(name, metrics_of_spec(spec)), **joined_metrics(name, declared)},
        parts_by=tuple(axis for axis in several if kind is None or axis in kind.parts_by),
        filters=asked.part,
        config=lambda: wire().config,
        arch=spec.space.arch if "rank" in answered else None,
        example=_texts(spec.space.examples)[0],
        distributions=kind is None or kind.own_distribution is None,
    ).add_to(router)

    def architecture() -> type[BaseModel]:
        return wire().architecture

    SpaceRoutes(
        name=name,
        architecture=architecture,
        question=asked.about,
        neighboring="neighbors" in answered,
    ).add_to(router)
    # A picture needs a structure: a hash may not be recorded.
    whole = (json.dumps(one) for one in spec.space.examples if isinstance(one, list | dict))
    drawn = next(whole, str(spec.space.examples[0]))
    PictureRoute(
        name=name, arch=spec.space.arch, example=drawn, drawable="picture" in answered
    ).add_to(router)
    ExportRoute(name=name, paged=asked.page).add_to(router)
    if "architecture" in answered:
        _add_architecture(router, name, architecture, asked.about)
    return router


def _page_of(item: Any) -> Any:
    return Page[item]


def _batch_of(item: Any) -> Any:
    return BatchAnswer[item]


class _Questions(NamedTuple):
    """Query models of a benchmark: pages, statistics, batches, one architecture, a slice."""

    page: LateModel
    stats: LateModel
    batch: Any
    about: Any
    part: Any


def _questions(spec: BenchmarkSpec, own: OwnQuestions) -> _Questions:
    title, with_curves = _title(spec), bool(spec.curves)
    parts: dict[str, Any] = {axis.name: (filter_of(axis), None) for axis in spec.axes}
    parts |= own.parts
    filters = {axis.name: parts[axis.name] for axis in spec.axes if not axis.implied}
    kind = BENCHMARKS.get(spec.name)
    if spec.label is not None and (kind is None or spec.label.name in kind.filters):
        filters[spec.label.name] = (_of_label(spec.label), None)
    filters |= own.runs
    space = spec.space
    arch = Field(description=space.arch, examples=_texts(space.examples))
    paged = {"arch": (Annotated[str | None, arch], None), **filters, **own.pages}
    archs = Field(
        max_length=MAX_BATCH,
        description="Architectures, each in any spelling.",
        examples=[list(space.examples)],
    )
    any_arch = Field(description=space.arch, examples=list(space.examples))
    page = LateModel(partial(_question, f"{title}Question", PageParameters, **paged))
    whole = LateModel(partial(_question, f"{title}StatsQuestion", StatsParameters, **paged))
    return _Questions(
        page=page,
        stats=whole if with_curves else page,
        batch=_question(
            f"{title}BatchQuestion",
            BatchParameters if with_curves else ReducedBatch,
            archs=(Annotated[list[Any], archs], ...),
            **filters,
        ),
        # Any, because a union would turn `true` into index 1; the benchmark checks spellings.
        about=_question(
            f"{title}ArchitectureQuestion", _About, arch=(Annotated[Any, any_arch], ...)
        ),
        part=_question(f"{title}Part", _Part, **parts),
    )


def _title(spec: BenchmarkSpec) -> str:
    """Return the prefix of the names of a benchmark's models."""
    by_hand = written(spec.name)
    if by_hand is None:
        return camel_case(spec.name)
    return by_hand.models.stats.__name__.removesuffix("Stats")


def _models(spec: BenchmarkSpec) -> TableModels:
    """Return the handwritten models of a benchmark, or models made from its description."""
    by_hand = written(spec.name)
    return models_of(spec) if by_hand is None else by_hand.models


class _About(BaseModel):
    """One architecture in any spelling."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Part(BaseModel):
    """Fields that select a slice."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _add_architecture(
    router: APIRouter, name: str, architecture: Callable[[], Any], about: type[BaseModel]
) -> None:
    async def names(request: Request, question: Any) -> Response:
        """Return every spelling of an architecture and, if known, its isomorphic architectures."""
        return answer_now(architecture_answer(installed(request, name), question.arch))

    # FastAPI reads the model of the body from the annotation.
    names.__annotations__["question"] = about
    router.post(
        "/architecture",
        operation_id=f"{name.replace('-', '_')}_architecture",
        summary="Get every spelling of an architecture",
        response_model=None,
        responses=problems(400, 404, 413, 422),
        openapi_extra={ANSWER: architecture},
    )(names)


def _question(name: str, base: type[BaseModel], **fields: Any) -> Any:
    return create_model(name, __base__=base, __doc__=base.__doc__, **fields)


def _texts(spellings: Iterable[Any]) -> list[str]:
    """Return examples for a query string; lists and objects, as JSON, only without others."""
    plain = [str(spelling) for spelling in spellings if not isinstance(spelling, list | dict)]
    # Names before numbers, as they are clearer.
    return sorted(plain, key=str.isdecimal) or list(map(json.dumps, spellings))


def _of_label(label: Label) -> Any:
    """Return the annotation of the filter by the label of runs, such as their seed."""
    # The rest of the description is about reduced items.
    told = label.description.partition(";")[0].rstrip(".")
    return Annotated[int | None, Field(ge=0, le=_MOST, description=f"{told}.")]
