"""Error responses: RFC 9457 problem documents, with one shape for all errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Route

from benchmark_db.errors import (
    InvalidQuestionError,
    TableReplacedError,
    TimeBudgetExceededError,
    UnknownBenchmarkError,
    UnsupportedQuestionError,
    UnusableDatabaseError,
)

__all__ = ["PROBLEM_JSON", "ErrorHandler", "as_problem", "install_problem_handlers", "problem"]

ErrorHandler: TypeAlias = Callable[[Request, Any], Awaitable[Response]]
"""Turns an exception into a response."""

PROBLEM_JSON: Final = "application/problem+json"
_TYPE_PREFIX: Final = "urn:nas-bench-service:problem:"
_LONGEST_INPUT: Final = 200
_LONGEST_MESSAGE: Final = 1000
_MOST_ERRORS: Final = 10
"""Errors of a request that are listed; more are mostly repetitions."""


def problem(
    request: Request,
    status: int,
    *,
    kind: str,
    detail: str,
    title: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
    extensions: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response with a problem document.

    Args:
        request: The request.
        status: The HTTP status.
        kind: Last part of the problem's type, for programs.
        detail: What is wrong and what to do about it, for people; without internals.
        title: The title of all problems of the kind; by default the phrase of the status.
        errors: For invalid members, `loc` and `msg` of each.
        extensions: Further members.
        headers: Further headers.
    """
    body: dict[str, Any] = {
        "type": _TYPE_PREFIX + kind,
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        # The path, not the URL, as the client controls the Host header in it.
        "instance": request.scope["path"],
        "request_id": request.scope.get("request_id", ""),
        **(extensions or {}),
    }
    if errors:
        body["errors"] = list(errors)
    content = orjson.dumps(body, default=str)
    return Response(content, status, headers, media_type=PROBLEM_JSON)


def as_problem(status: int, kind: str, title: str) -> ErrorHandler:
    """Return a handler for exceptions whose message is meant for clients."""

    async def answer(request: Request, error: Exception) -> Response:
        return problem(request, status, kind=kind, title=title, detail=str(error))

    return answer


def install_problem_handlers(app: FastAPI) -> None:
    """Register the handlers that turn exceptions into problem documents."""
    handlers: dict[type[Exception], ErrorHandler] = {
        InvalidQuestionError: _invalid_question,
        TableReplacedError: as_problem(409, "table-replaced", "Table replaced"),
        UnknownBenchmarkError: as_problem(
            404, "benchmark-not-installed", "Benchmark not installed"
        ),
        UnsupportedQuestionError: as_problem(
            404, "unsupported-question", "Query not supported by the benchmark"
        ),
        UnusableDatabaseError: as_problem(503, "database-unusable", "Database unusable"),
        TimeBudgetExceededError: _time_budget_exceeded,
        RequestValidationError: _invalid_request,
        HTTPException: _http_exception,
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, handler)


async def _invalid_question(request: Request, error: InvalidQuestionError) -> Response:
    source = "query" if request.method == "GET" else "body"
    place = error.field.split(".")
    is_architecture = place[-1] == "arch"
    return problem(
        request,
        422,
        kind="invalid-architecture" if is_architecture else "invalid-request",
        title="Invalid architecture" if is_architecture else "Invalid request",
        detail=error.message,
        errors=[{"loc": [source, *place], "msg": error.message}],
    )


async def _time_budget_exceeded(request: Request, _: TimeBudgetExceededError) -> Response:
    budget = request.app.state.settings.time_budget
    return problem(
        request,
        503,
        kind="time-budget-exceeded",
        title="Time budget exceeded",
        detail=(
            f"the query took longer than its {budget:g} s: add filters, or request a smaller page "
            "or fewer architectures"
        ),
    )


async def _invalid_request(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    errors = [
        {"loc": [_shown(part) for part in entry["loc"]], "msg": entry["msg"][:_LONGEST_MESSAGE]}
        for entry in found[:_MOST_ERRORS]
    ]
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return problem(
        request,
        422,
        kind="invalid-request",
        title="Invalid request",
        detail=f"{place}: {first['msg']}{more}",
        errors=errors,
    )


async def _http_exception(request: Request, error: HTTPException) -> Response:
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = _not_found_detail(request)
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The router reports only the first of several routes with one path.
        headers = {**(headers or {}), "Allow": ", ".join(_methods_at(request))}
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return problem(request, error.status_code, kind=kind, detail=detail, headers=headers)


def _not_found_detail(request: Request) -> str:
    """Return the detail for a path without a route; suggests a benchmark with a similar name."""
    version, _, below = request.scope["path"].removeprefix("/").partition("/")
    name = below.partition("/")[0][:_LONGEST_INPUT]
    installed = request.app.state.catalog.installed
    near = get_close_matches(name, installed, n=1) if version == "v1" else []
    if near and name not in installed:
        return f"there is no benchmark {name!r}; is it {near[0]}? /docs lists all paths"
    return "there is nothing at this path; /docs lists all paths"


def _methods_at(request: Request) -> list[str]:
    """Return the methods of all routes with the path of a request."""
    routes = [route for route in request.app.router.routes if isinstance(route, Route)]
    found = [route for route in routes if route.path_regex.match(request.scope["path"])]
    methods = {method for route in found for method in route.methods or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _shown(part: str | int) -> str | int:
    return part[:_LONGEST_INPUT] if isinstance(part, str) else part
