"""The OpenAPI document, and the page at `/docs` that shows it.

Routes describe their errors with `problems` and `READ_PROBLEMS`. Keys, limits and rejections are
added to the document from the code that enforces them (service/access/required_scopes.py), so that
no route has to describe them. The page loads nothing from the internet, which clusters often lack.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.utils import create_model_field
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from bench_client.models import Problem
from benchmark_db.catalog import Catalog
from service.access.keys import KeyRing, KeyScope
from service.access.required_scopes import OPEN, required_scope
from service.http.problems import PROBLEM_JSON
from service.http.questions import ANSWER, VERSION_PARAMETER, QueryParameters, table_of

__all__ = [
    "NOT_MODIFIED",
    "PAGE_PROBLEMS",
    "READ_PROBLEMS",
    "described_problems",
    "install_openapi",
    "problems",
    "router",
]

_BEARER: Final = "bearer"
_SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "A key created with `nbs keys create`. Its scope defines what it allows: `read`: every GET "
        "and HEAD, and queries by POST; `jobs`: also submitting and cancelling jobs; `plans`: what "
        "`read` allows, and plans of new benchmarks; `worker`: what `read` allows, and the routes "
        "of workers; `admin`: everything, and alone the upload and deletion of checkpoints. "
        "`x-scope` of an operation is the scope that it needs. If its `security` has an empty "
        "alternative, this server needs no key for it, but rejects a wrong one once it has keys."
    ),
}

_REFUSALS: Final = {
    "400": "The Host header does not name this service, or is given twice.",
    "401": "A key is needed, or the given key is not valid here.",
    "403": "The scope of the key is too small, or a page of another site sent the request.",
    "429": "Too many requests of this caller: retry after `Retry-After`.",
    "431": "The request line and header fields are too long.",
    "503": "Too many requests are in progress: retry after `Retry-After`.",
}
"""Rejections of any request, before it is routed."""

_TEXT: Final = {"schema": {"type": "string"}}
_HEADERS: Final = {
    "401": {"WWW-Authenticate": {**_TEXT, "description": "The scheme.", "required": True}},
    "429": {"Retry-After": {**_TEXT, "description": "Seconds to wait.", "required": True}},
}


def _describe_access(schema: dict[str, Any], *, unkeyed: Iterable[KeyScope]) -> None:
    """Add the required scope and the possible rejections to every operation of a document.

    Args:
        schema: The document, modified in place.
        unkeyed: The scopes for which this server needs no key.
    """
    schema["components"]["securitySchemes"] = {_BEARER: _SCHEME}
    free = frozenset(unkeyed)
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            scope = required_scope(method.upper(), path)
            if scope is not None:
                operation["x-scope"] = str(scope)
            operation["security"] = _security(scope, free=scope in free)
            if path not in OPEN:
                _add_refusals(operation["responses"])


def _security(scope: KeyScope | None, *, free: bool) -> list[dict[str, list[str]]]:
    """Return the security requirements of an operation: an empty one first if no key is needed."""
    if scope is None:
        return []
    # A scheme other than OAuth lists roles here (OpenAPI 3.1, Security Requirement Object).
    keyed = {_BEARER: [str(scope)]}
    return [{}, keyed] if free else [keyed]


def _add_refusals(responses: dict[str, Any]) -> None:
    for status, meaning in _REFUSALS.items():
        stated = responses.get(status, {}).get("description")
        responses[status] = {
            "description": f"{stated} {meaning}" if stated else meaning,
            "content": _PROBLEM,
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }


NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "The client's copy, identified by If-None-Match, is current."}
}

_BOUNDS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_MOST_INTEGER: Final = 2**63 - 1

_MEANINGS: Final = {
    400: "The body is not valid UTF-8.",
    404: "The benchmark is not installed; the detail says how to install it.",
    409: "The cursor belongs to an earlier version of the table: start again without a cursor.",
    413: "The body is too large.",
    422: "The request is malformed, or an architecture lies outside the space.",
    500: "The server failed, or its database is damaged; its log has the request id.",
    503: "The query exceeded its time budget; an unchanged retry would exceed it again.",
}
_PROBLEM: Final = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_OTHER_MEDIA: Final = {
    "415": {
        "description": "The body has another media type, or none is stated.",
        "content": _PROBLEM,
    }
}
"""A possible response of every operation with a body."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route for these problem statuses."""
    return described_problems(_MEANINGS, statuses)


def described_problems(
    meanings: Mapping[int, str], statuses: Iterable[int]
) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route for these problem statuses, with their descriptions.

    They reference the schema of a problem. Given as models, FastAPI would build a validator for
    each of the three hundred, which takes a tenth of the start of a server.
    """
    return {status: {"description": meanings[status], "content": _PROBLEM} for status in statuses}


READ_PROBLEMS: Final = {**NOT_MODIFIED, **problems(404, 422, 500, 503)}
"""Responses of every GET of a benchmark, besides the successful one."""

PAGE_PROBLEMS: Final = {**READ_PROBLEMS, **problems(409)}
"""The same for paged answers."""


def install_openapi(app: FastAPI, *, keys: KeyRing, reading_open: bool) -> None:
    """Make the application serve an OpenAPI document that describes this very server.

    Args:
        app: The application.
        keys: The valid keys; once there are some, requests that change something need one.
        reading_open: Whether reading needs no key.
    """
    made: dict[bool, tuple[list[BaseRoute], dict[str, Any]]] = {}

    def document() -> dict[str, Any]:
        keyed, routes = keys.configured(), app.router.routes
        # The list of routes is replaced when a declared table is added or removed.
        if keyed not in made or made[keyed][0] is not routes:
            reading = {KeyScope.READ} if reading_open else set()
            made[keyed] = routes, _document(app, unkeyed=reading if keyed else set(KeyScope))
        return made[keyed][1]

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI, *, unkeyed: set[KeyScope]) -> dict[str, Any]:
    for route in app.routes:
        if isinstance(route, APIRoute) and route.openapi_extra:
            _describe_late(route)
    schema = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
    )
    for path in schema["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                operation["responses"].update(_OTHER_MEDIA)
    schema["components"]["schemas"] |= _problem_schemas()
    _describe_versions(schema, app)
    _describe_access(schema, unkeyed=unkeyed)
    _mend_bounds(schema)
    return schema


def _describe_versions(schema: dict[str, Any], app: FastAPI) -> None:
    """Add the parameter `version` to every query of a table that has versions."""
    # Before the server has started, there is no catalog.
    catalog: Catalog | None = getattr(app.state, "catalog", None)
    for path, methods in schema["paths"].items():
        table = table_of(path)
        if catalog is not None and table is not None and catalog.versions(table):
            for operation in methods.values():
                operation.setdefault("parameters", []).append(VERSION_PARAMETER)


def _describe_late(route: APIRoute) -> None:
    """Give a route the models that only the document needs, which FastAPI adds at its creation."""
    said = dict(route.openapi_extra or {})
    answer = said.pop(ANSWER, None)
    if answer is not None:
        route.response_model = answer()
        route.response_field = create_model_field(
            f"Response_{route.unique_id}", type_=route.response_model, mode="serialization"
        )
    question = said.get("parameters")
    if isinstance(question, QueryParameters):
        said["parameters"] = question.described()
    route.openapi_extra = said


def _problem_schemas() -> dict[str, Any]:
    """Return the schema of a problem and the schemas it references."""
    _, parts = models_json_schema(
        [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
    )
    for schema in parts["$defs"].values():
        for field in schema["properties"].values():
            # FastAPI omits the default null of optional fields in other models, too.
            if field.get("default", ...) is None:
                del field["default"]
    schemas: dict[str, Any] = parts["$defs"]
    return schemas


def _mend_bounds(part: Any) -> None:
    """Write the bounds of integers as integers; FastAPI writes floats, and rounds 2^63 - 1 up.

    Bounds next to an enumeration are redundant and removed.
    """
    if isinstance(part, dict):
        if part.get("type") == "integer" and isinstance(part.get("enum"), list):
            for bound in _BOUNDS & part.keys():
                del part[bound]
        elif part.get("type") == "integer":
            for bound in _BOUNDS & part.keys():
                part[bound] = min(int(part[bound]), _MOST_INTEGER)
        for inner in part.values():
            _mend_bounds(inner)
    elif isinstance(part, list):
        for inner in part:
            _mend_bounds(inner)


router = APIRouter(include_in_schema=False)

_FILES: Final = {
    "swagger-ui-bundle.js": "application/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_POLICY: Final = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The page sets styles inline; it may run only its own files and its one script."""


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Return the documentation page."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=request.app.title,
        swagger_js_url="swagger/swagger-ui-bundle.js",
        swagger_css_url="swagger/swagger-ui.css",
        swagger_favicon_url="swagger/favicon-32x32.png",
        swagger_ui_parameters={
            "tryItOutEnabled": True,
            "filter": True,
            "displayRequestDuration": True,
        },
    )
    text = bytes(page.body).decode()
    hashes = [hashlib.sha256(script.encode()).digest() for script in _SCRIPT.findall(text)]
    scripts = " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in hashes)
    page.headers["Content-Security-Policy"] = _POLICY.format(scripts=scripts)
    return page


@router.get("/swagger/{name}")
async def file(name: str) -> Response:
    """Return a file of the documentation page."""
    if name not in _FILES:
        raise HTTPException(404)
    content = (resources.files("fastapi_swagger.resources") / name).read_bytes()
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(content, headers=headers, media_type=_FILES[name])
