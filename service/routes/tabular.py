"""The routes of a declared table, made from the description in its file when the server starts.

Models are made, and validators built, when a question or the document first needs them: a server
with many tables starts as fast as one without.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from bench_client.models import BatchAnswer, Page
from bench_client.models.described import camel_case, models_of
from benchmark_db.answers import architecture_answer
from benchmark_db.metrics import metrics_of_spec
from benchmark_db.questions import MAX_BATCH
from benchmark_spec import Axis, BenchmarkSpec, Listed
from service.http.body import BodyRoute
from service.http.openapi import problems
from service.http.questions import answer_now, installed
from service.routes.export import ExportRoute
from service.routes.oracle import OracleRoutes
from service.routes.parameters import PageParameters, Reducing
from service.routes.spaces import SpaceRoutes
from service.routes.stats import StatsRoutes

__all__ = ["router_of"]

_MOST: Final = 2**63 - 1


def router_of(spec: BenchmarkSpec) -> APIRouter:
    """Return the routes of a declared table."""
    name, title = spec.name, camel_case(spec.name)
    router = APIRouter(prefix=f"/v1/{name}", tags=[name], route_class=BodyRoute)
    models = models_of(spec)
    stats: Any = models.stats
    space = spec.declared_space
    examples = [field.example for field in space.fields if field.example is not None]
    text = next(str(example) for example in examples if not isinstance(example, list))
    parts = {axis.name: (_of_axis(axis), None) for axis in spec.axes}
    filters: dict[str, Any] = dict(parts)
    if spec.label is not None:
        told = Field(ge=0, le=_MOST, description=spec.label.description)
        filters[spec.label.name] = (Annotated[int | None, told], None)
    arch = Field(description=space.arch, examples=[text, str(examples[-1])])
    one = (Annotated[str | None, arch], None)
    question = _question(f"{title}Question", PageParameters, arch=one, **filters)
    batch = _question(
        f"{title}BatchQuestion",
        _Batch,
        archs=(Annotated[list[Any], _archs(examples)], ...),
        **filters,
    )
    any_arch = Field(description=space.arch, examples=examples)
    # Judged where all spellings are: a union would turn `true` into index 1.
    about = _question(f"{title}ArchitectureQuestion", _About, arch=(Annotated[Any, any_arch], ...))
    StatsRoutes(
        name=name,
        filters=("arch", *filters),
        stats_question=question,
        curves_question=question,
        batch_question=batch,
        stats=Page[stats],
        curves=None,
        batch=BatchAnswer[stats],
    ).add_to(router)
    OracleRoutes(
        name=name,
        metrics=metrics_of_spec(spec),
        parts_by=tuple(axis.name for axis in spec.axes if len(axis.values) > 1),
        filters=_question(f"{title}Part", _About, **parts),
        config=models.config,
        arch=space.arch,
        example=text,
    ).add_to(router)
    SpaceRoutes(
        name=name,
        architecture=models.architecture,
        question=about,
        neighboring=not isinstance(space, Listed),
    ).add_to(router)
    ExportRoute(name=name, paged=question).add_to(router)
    _add_architecture(router, name, models.architecture, about)
    return router


class _About(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Batch(Reducing):
    """One question for many architectures."""

    # JSON has types of its own: a text is no number there.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _add_architecture(
    router: APIRouter, name: str, architecture: type[BaseModel], about: type[BaseModel]
) -> None:
    async def names(request: Request, question: Any) -> Response:
        """Return every name of an architecture."""
        return answer_now(architecture_answer(installed(request, name), question.arch))

    # FastAPI learns the model of a body from the annotation.
    names.__annotations__["question"] = about
    router.post(
        "/architecture",
        operation_id=f"{name.replace('-', '_')}_architecture",
        response_model=architecture,
        responses=problems(400, 404, 413, 422),
    )(names)


def _question(name: str, base: type[BaseModel], **fields: Any) -> Any:
    return create_model(name, __base__=base, **fields)


def _archs(examples: list[Any]) -> Any:
    return Field(
        max_length=MAX_BATCH,
        description="Architectures, each in any spelling.",
        examples=[examples],
    )


def _of_axis(axis: Axis) -> Any:
    """Return the annotation of a filter: one of the values of an axis."""
    told = f"{axis.description} One of {', '.join(map(str, axis.values[:20]))}."
    examples = [axis.values[-1]]
    if axis.kind == "text":
        # Names are read in any case, which an enumeration could not say.
        return Annotated[str | None, Field(description=told, examples=examples)]
    said: dict[str, Any] = {"enum": list(axis.values)}
    number = Annotated[int, Field(ge=0, le=_MOST, json_schema_extra=said)]
    return Annotated[number | None, Field(description=told, examples=examples)]
