"""The parts of the OpenAPI document that all routes share."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from bench_client.models import Problem
from service.access.key_ring import KeyRing
from service.access.keys import KeyScope
from service.http.openapi_access import describe_access
from service.http.problems import PROBLEM_JSON

__all__ = ["NOT_MODIFIED", "READ_PROBLEMS", "install_openapi", "problems"]

NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "The caller's copy, named by If-None-Match, is current."}
}

_BOUNDS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_MOST_INTEGER: Final = 2**63 - 1

_MEANINGS: Final = {
    400: "The body is not text in UTF-8.",
    404: "The benchmark is not installed; the detail says how to install it.",
    413: "The body is too large.",
    422: "The question is malformed, or an architecture lies outside the space.",
    500: "The server failed, or its database is damaged; the request id leads to its log.",
    503: "The question took longer than its time budget; asked again, it would again.",
}
_OTHER_MEDIA: Final = {
    "415": {
        "description": "The body is of another media type, or says of none.",
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
"""What every operation with a body may answer."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with these problems."""
    return {status: {"model": Problem, "description": _MEANINGS[status]} for status in statuses}


READ_PROBLEMS: Final = {**NOT_MODIFIED, **problems(404, 422, 500, 503)}
"""What every GET of a benchmark may answer besides its model."""


def install_openapi(app: FastAPI, *, keys: KeyRing, reading_open: bool) -> None:
    """Give the application a document that says what is true of this server.

    Args:
        app: The application.
        keys: The keys that are taken; once there are some, what changes something needs one.
        reading_open: Whether reading needs no key.
    """
    documents: dict[bool, dict[str, Any]] = {}

    def document() -> dict[str, Any]:
        keyed = keys.configured()
        if keyed not in documents:
            reading = {KeyScope.READ} if reading_open else set()
            documents[keyed] = _document(app, unkeyed=reading if keyed else set(KeyScope))
        return documents[keyed]

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI, *, unkeyed: set[KeyScope]) -> dict[str, Any]:
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
            _mark_problems(operation["responses"])
    describe_access(schema, unkeyed=unkeyed)
    _mend_bounds(schema)
    return schema


def _mend_bounds(part: Any) -> None:
    """Write the bounds of integers as integers: FastAPI makes floats of them, and 2^63 - 1 more."""
    if isinstance(part, dict):
        if part.get("type") == "integer":
            for bound in _BOUNDS & part.keys():
                part[bound] = min(int(part[bound]), _MOST_INTEGER)
        for inner in part.values():
            _mend_bounds(inner)
    elif isinstance(part, list):
        for inner in part:
            _mend_bounds(inner)


def _mark_problems(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status >= "400" and "application/json" in response.get("content", {}):
            response["content"] = {PROBLEM_JSON: response["content"]["application/json"]}
