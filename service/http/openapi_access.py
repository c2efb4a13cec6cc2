"""What the OpenAPI document says of keys, limits and refusals: what `Access` does, for readers.

It is derived from what decides (service/access/required_scopes.py), so that a new route is
described on the day it is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from service.access.keys import KeyScope
from service.access.required_scopes import OPEN, required_scope
from service.http.problems import PROBLEM_JSON

__all__ = ["describe_access"]

_BEARER: Final = "bearer"
_SCHEME: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "A key that `nbs keys create` made. Its scope says what it allows: `read`: every GET and "
        "HEAD, and the questions that are asked by POST; `jobs`: that, and submitting and "
        "cancelling jobs; "
        "`admin`: that, and uploading and deleting checkpoints. `x-scope` of an operation is the "
        "least that it needs. Where its `security` has an empty alternative, this server asks for "
        "none, but refuses a wrong one as soon as there are keys."
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


def describe_access(schema: dict[str, Any], *, unkeyed: Iterable[KeyScope]) -> None:
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
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }
