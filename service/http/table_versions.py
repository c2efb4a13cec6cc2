"""Versions of a plan's table: `?version=3` asks one that is kept instead of the one served.

The parameter is taken off the query string before any route sees it, and the routes ask their
question of a catalog in which that version stands in the place of the table (`catalog_of`): they
know nothing of versions. A version is looked up among those that are open, never in the folder.
"""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmark_db.catalog import Catalog

__all__ = ["VERSION_PARAMETER", "TableVersions", "catalog_of", "table_of", "version_asked"]

_NAME: Final = b"version"
_ASKED: Final = "table_version"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_PREFIX: Final = "/v1/"

VERSION_PARAMETER: Final[dict[str, Any]] = {
    "name": _NAME.decode(),
    "in": "query",
    "required": False,
    "description": "One of the versions that are kept, instead of the one that is served.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 10**9 - 1},
}
"""As the OpenAPI document has it, for every question about a table that a plan made."""


class TableVersions:
    """ASGI middleware that takes the version off the question, where a table has versions.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and _NAME in scope["query_string"]:
            _take_version(scope)
        await self._app(scope, receive, send)


def _take_version(scope: Scope) -> None:
    """Move the version that a query string states from there to a place of its own."""
    name = table_of(scope["path"])
    if name is None or not scope["app"].state.catalog.versions(name):
        return
    pairs = scope["query_string"].split(b"&")
    stated = [value for key, _, value in (pair.partition(b"=") for pair in pairs) if key == _NAME]
    if stated:
        scope[_ASKED] = name, [value.decode("latin-1") for value in stated]
        scope["query_string"] = b"&".join(
            pair for pair in pairs if pair.partition(b"=")[0] != _NAME
        )


def table_of(path: str) -> str | None:
    """Return the table that an address is about."""
    parts = path.removeprefix(_PREFIX).split("/")
    return parts[parts[0] == "benchmarks"] if path.startswith(_PREFIX) and parts[1:] else None


def catalog_of(request: Request) -> Catalog:
    """Return the catalog that a question is asked of, with the version in it that it names.

    Raises:
        RequestValidationError: What it names is no version.
        UnknownBenchmarkError: That version is not kept.
    """
    catalog: Catalog = request.app.state.catalog
    asked = request.scope.get(_ASKED)
    if asked is None:
        return catalog
    name, stated = asked
    if len(stated) > 1 or not _NUMBER.fullmatch(stated[0]):
        told = "a version is one whole number of 1 to 999999999"
        raise RequestValidationError([{"loc": ("query", _NAME.decode()), "msg": told}])
    return catalog.at_version(name, int(stated[0]))


def version_asked(scope: Scope) -> bytes:
    """Return what an entity tag says of the version: versions may have equal rows."""
    asked = scope.get(_ASKED)
    return b"" if asked is None else f"@{asked[1]}".encode()
