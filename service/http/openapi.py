"""The OpenAPI document, and the page at `/docs` that shows it.

`problems` and `READ_PROBLEMS` are what routes say of their errors. What the document says of keys,
limits and refusals is derived from what decides (service/access/required_scopes.py), so that a new
route is described on the day it is written. The page brings all its parts: clusters lack the
internet.
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
        "A key that `nbs keys create` made. Its scope says what it allows: `read`: every GET and "
        "HEAD, and the questions that are asked by POST; `jobs`: that, and submitting and "
        "cancelling jobs; `plans`: that, and plans of benchmarks to be made; "
        "`worker`: what `read` allows, and the routes of workers; "
        "`admin`: all that, and uploading and deleting checkpoints. `x-scope` of an operation is "
        "the least that it needs. Where its `security` has an empty alternative, this server asks "
        "for none, but refuses a wrong one as soon as there are keys."
    ),
}

_REFUSALS: Final = {
    "400": "The service is not called by the name in the Host header, or by two.",
    "401": "A key is needed, or the one shown is none of this service.",
    "403": "The scope of the key is too small, or a page of another site asks for a change.",
    "429": "More requests than the limits allow: ask again after `Retry-After`.",
    "503": "As many requests are in progress as may be: ask again after `Retry-After`.",
}
"""What may happen to any request before its route is looked for."""

_TEXT: Final = {"schema": {"type": "string"}}
_HEADERS: Final = {
    "401": {"WWW-Authenticate": {**_TEXT, "description": "Names the scheme.", "required": True}},
    "429": {"Retry-After": {**_TEXT, "description": "Seconds to wait.", "required": True}},
}


def _describe_access(schema: dict[str, Any], *, unkeyed: Iterable[KeyScope]) -> None:
    """Add to a document what its operations need and how they are refused.

    Args:
        schema: The document; it is changed.
        unkeyed: The scopes that nobody needs a key for on this server.
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
    """Return the alternatives of showing a key, the empty one first where it is one."""
    if scope is None:
        return []
    # Other schemes than OAuth's name roles here (OpenAPI 3.1, Security Requirement Object).
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
    304: {"description": "The caller's copy, named by If-None-Match, is current."}
}

_BOUNDS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_MOST_INTEGER: Final = 2**63 - 1

_MEANINGS: Final = {
    400: "The body is not text in UTF-8.",
    404: "The benchmark is not installed; the detail says how to install it.",
    409: "The cursor is of an earlier version of the table: begin anew, without a cursor.",
    413: "The body is too large.",
    422: "The question is malformed, or an architecture lies outside the space.",
    500: "The server failed, or its database is damaged; the request id leads to its log.",
    503: "The question took longer than its time budget; asked again, it would again.",
}
_PROBLEM: Final = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_OTHER_MEDIA: Final = {
    "415": {
        "description": "The body is of another media type, or says of none.",
        "content": _PROBLEM,
    }
}
"""What every operation with a body may answer."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with these problems."""
    return described_problems(_MEANINGS, statuses)


def described_problems(
    meanings: Mapping[int, str], statuses: Iterable[int]
) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with these problems, each with its meaning.

    They name the schema of a problem. As models, FastAPI would prepare to check each of them,
    three hundred in all, which took a tenth of the start of a server.
    """
    return {status: {"description": meanings[status], "content": _PROBLEM} for status in statuses}


READ_PROBLEMS: Final = {**NOT_MODIFIED, **problems(404, 422, 500, 503)}
"""What every GET of a benchmark may answer besides its model."""

PAGE_PROBLEMS: Final = {**READ_PROBLEMS, **problems(409)}
"""The same of answers that come in pages."""


def install_openapi(app: FastAPI, *, keys: KeyRing, reading_open: bool) -> None:
    """Give the application a document that says what is true of this server.

    Args:
        app: The application.
        keys: The keys that are taken; once there are some, what changes something needs one.
        reading_open: Whether reading needs no key.
    """
    made: dict[bool, tuple[list[BaseRoute], dict[str, Any]]] = {}

    def document() -> dict[str, Any]:
        keyed, routes = keys.configured(), app.router.routes
        # The routes are others once a declared table has come or gone.
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
    """Add the version of a table to each question about one that has versions."""
    # There is no catalog before the server has started.
    catalog: Catalog | None = getattr(app.state, "catalog", None)
    for path, methods in schema["paths"].items():
        table = table_of(path)
        if catalog is not None and table is not None and catalog.versions(table):
            for operation in methods.values():
                operation.setdefault("parameters", []).append(VERSION_PARAMETER)


def _describe_late(route: APIRoute) -> None:
    """Give a route the models that only the document needs, as FastAPI would have at its making."""
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
    """Return the schema of a problem and those that it names."""
    _, parts = models_json_schema(
        [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
    )
    for schema in parts["$defs"].values():
        for field in schema["properties"].values():
            # What FastAPI writes of other models leaves out that a field may be left out.
            if field.get("default", ...) is None:
                del field["default"]
    schemas: dict[str, Any] = parts["$defs"]
    return schemas


def _mend_bounds(part: Any) -> None:
    """Write the bounds of integers as integers: FastAPI makes floats of them, and 2^63 - 1 more.

    Where the values there are stand beside them, they say nothing and are left out.
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
"""The page styles its elements itself; it runs its own files and its one script, nothing else."""


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Show the page."""
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
    """Send a file of the page."""
    if name not in _FILES:
        raise HTTPException(404)
    content = (resources.files("fastapi_swagger.resources") / name).read_bytes()
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(content, headers=headers, media_type=_FILES[name])
