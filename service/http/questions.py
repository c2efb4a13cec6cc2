"""Queries parsed from the query string, and their responses.

`read_query` parses a query into its model. FastAPI can do that, too, but inspects the annotations
of all fields in each request, which takes longer than computing the answer. `answer_now` sends
answers that take microseconds, `answer_scan` computes in a thread within the time budget.
`answer_cached` does either for queries on one benchmark, with cache headers.

`?version=3` queries a kept version of a plan's table instead of the served one. `take_version`
removes it from the query string before routing, and `catalog_of` returns a catalog in which that
version replaces the table, so that routes know nothing of versions. Versions are looked up among
the open databases, never in the folder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final, TypeVar
from urllib.parse import unquote_plus

import anyio.to_thread
import orjson
from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.types import Scope

from benchmark_db.answers import Answer
from benchmark_db.benchmark import Benchmark
from benchmark_db.catalog import Catalog
from benchmark_db.installed_dataset import InstalledDataset
from service.http.response_cache import ResponseCache

__all__ = [
    "ANSWER",
    "VERSION_NAME",
    "VERSION_PARAMETER",
    "LateModel",
    "QueryParameters",
    "answer_cached",
    "answer_now",
    "answer_scan",
    "cache_headers",
    "catalog_of",
    "described",
    "filters_and_options",
    "install_not_modified_handler",
    "installed",
    "read_query",
    "scanned",
    "source_digests",
    "table_of",
    "take_version",
]

_JSON_PUNCTUATION: Final = tuple(
    (f"%{ord(character):02X}".encode(), character.encode()) for character in '"{}[]:,'
)
"""Escapes of characters that have a meaning in JSON but not in a query string, as most programs
write them; lower-case escapes are left to the library."""
_MOST_PARAMETERS: Final = 200
"""The query with the most parameters has 54."""
_LONGEST_NAME: Final = 100
"""Characters of an unknown parameter that are compared with known names."""

Question = TypeVar("Question", bound=BaseModel)


def read_query(request: Request, model: type[Question]) -> Question:
    """Return the query in the query string of a request.

    Raises:
        RequestValidationError: A parameter is unknown, malformed or repeated, or there are too
            many.
    """
    query = request.scope["query_string"]
    if query.count(b"&") >= _MOST_PARAMETERS:
        told = f"it has more than {_MOST_PARAMETERS} parameters"
        raise RequestValidationError([{"loc": ("query",), "msg": told}])
    items = _read(query)
    given = dict(items)
    if len(given) != len(items):
        raise RequestValidationError([_repeated(items)])
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        raise RequestValidationError(
            [{**entry, "loc": ("query", *entry["loc"])} for entry in _told(error.errors(), model)]
        ) from error


def filters_and_options(
    question: BaseModel, options: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a query that are filters, and those that are options of the answer.

    Fields that are None are left out.

    Args:
        question: The query.
        options: Names of the options.
    """
    filters = {name: value for name, value in question if value is not None}
    return filters, {name: filters.pop(name) for name in options if name in filters}


def _told(errors: list[ErrorDetails], model: type[BaseModel]) -> list[dict[str, Any]]:
    """Return the errors of a query; for an unknown parameter with similar names."""
    first, *others = [dict[str, Any](entry) for entry in errors]
    if first["type"] == "extra_forbidden":
        # Only for the first error: comparing names takes a millisecond, and there may be 200.
        near = get_close_matches(str(first["loc"][-1])[:_LONGEST_NAME], model.model_fields, n=3)
        meant = f"; is it {', '.join(near)}?" if near else ""
        first["msg"] = f"unknown parameter{meant}"
    return [first, *others]


def source_digests(request: Request, name: str) -> list[str]:
    """Return the digests of all databases that an answer about a benchmark may depend on."""
    catalog = catalog_of(request)
    installed = catalog.installed
    sources = {metric.lies_in for metric in catalog.metrics(name).values()} & installed.keys()
    return [installed[source].provenance.identity for source in sorted(sources)]


def installed(request: Request, name: str) -> Benchmark:
    """Return an installed benchmark.

    Raises:
        UnknownBenchmarkError: The benchmark is not installed.
    """
    return catalog_of(request)[name]


VERSION_NAME: Final = b"version"
_VERSION_ASKED: Final = "table_version"
_VERSION_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_PREFIX: Final = "/v1/"

VERSION_PARAMETER: Final[dict[str, Any]] = {
    "name": VERSION_NAME.decode(),
    "in": "query",
    "required": False,
    "description": "One of the versions that are kept, instead of the one that is served.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 10**9 - 1},
}
"""The parameter in the OpenAPI document, for queries on tables made by plans."""


def take_version(scope: Scope) -> None:
    """Move the parameter `version` from the query string into the scope.

    Called only for query strings that contain the word.
    """
    name = table_of(scope["path"])
    if name is None or not scope["app"].state.catalog.versions(name):
        return
    pairs = scope["query_string"].split(b"&")
    stated = [
        value for key, _, value in (pair.partition(b"=") for pair in pairs) if key == VERSION_NAME
    ]
    if stated:
        scope[_VERSION_ASKED] = name, [value.decode("latin-1") for value in stated]
        scope["query_string"] = b"&".join(
            pair for pair in pairs if pair.partition(b"=")[0] != VERSION_NAME
        )


def table_of(path: str) -> str | None:
    """Return the table in a path; None if there is none."""
    parts = path.removeprefix(_PREFIX).split("/")
    return parts[parts[0] == "benchmarks"] if path.startswith(_PREFIX) and parts[1:] else None


def catalog_of(request: Request) -> Catalog:
    """Return the catalog for a query, with the version of a table that the query names.

    Raises:
        RequestValidationError: The version is malformed.
        UnknownBenchmarkError: The version is not kept.
    """
    catalog: Catalog = request.app.state.catalog
    asked = request.scope.get(_VERSION_ASKED)
    if asked is None:
        return catalog
    name, stated = asked
    if len(stated) > 1 or not _VERSION_NUMBER.fullmatch(stated[0]):
        told = "a version is a single whole number from 1 to 999999999"
        raise RequestValidationError([{"loc": ("query", VERSION_NAME.decode()), "msg": told}])
    return catalog.at_version(name, int(stated[0]))


def _version_asked(scope: Scope) -> bytes:
    """Return the part of an entity tag for the version, as versions may have equal rows."""
    asked = scope.get(_VERSION_ASKED)
    return b"" if asked is None else f"@{asked[1]}".encode()


def _read(query: bytes) -> list[tuple[str, str]]:
    """Return names and values of a query string, like `urllib.parse.parse_qsl`."""
    # Escaped JSON consists mostly of escaped punctuation, a hundred escapes in a cell. Replacing
    # them takes a tenth of the time of unquoting. No replacement can create another escape.
    if b"%" in query:
        for escaped, plain in _JSON_PUNCTUATION:
            query = query.replace(escaped, plain)
    pairs = (pair.partition("=") for pair in query.decode("latin-1").split("&") if pair)
    return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs]


def _unquoted(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


class LateModel:
    """A model that is created when it is first used or described.

    A server has several models per benchmark, each takes milliseconds, and most are never used.

    Args:
        make: Creates the model.
    """

    def __init__(self, make: Callable[[], type[BaseModel]]) -> None:
        self._make = make

    @cached_property
    def model(self) -> type[BaseModel]:
        """The model."""
        return self._make()


ANSWER: Final = "answer"
"""Key in the `openapi_extra` of a route: creates the model of the answer, for the document only."""


def described(
    model: type[BaseModel] | LateModel,
    *,
    required: Iterable[str] = (),
    answer: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Return the `openapi_extra` of a route with a query in the query string.

    Args:
        model: The model of the query.
        required: Parameters that are required although the model has defaults.
        answer: Creates the model of the answer when the document is generated, instead of
            `response_model`.
    """
    asked = {"parameters": QueryParameters(model, frozenset(required))}
    return asked if answer is None else {**asked, ANSWER: answer}


@dataclass(frozen=True, slots=True)
class QueryParameters:
    """The OpenAPI parameters of a query, created when the document is generated.

    Attributes:
        model: The model of the query.
        required: Parameters that are required although the model has defaults.
    """

    model: type[BaseModel] | LateModel
    required: frozenset[str]

    def described(self) -> list[dict[str, Any]]:
        """Return the parameters as OpenAPI objects."""
        model = self.model.model if isinstance(self.model, LateModel) else self.model
        schema = model.model_json_schema()
        needed = {*schema.get("required", []), *self.required}
        return [
            {
                "name": name,
                "in": "query",
                "required": name in needed,
                "description": field.pop("description", ""),
                "schema": _without_null(field),
            }
            for name, field in schema["properties"].items()
        ]


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an optional field without null, which a query string cannot express."""
    field = {name: value for name, value in field.items() if (name, value) != ("default", None)}
    kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return field
    del field["anyOf"]
    return {**kinds[0], **field}


def _repeated(items: list[tuple[str, str]]) -> dict[str, Any]:
    names = [name for name, _ in items]
    twice = next(name for name in names if names.count(name) > 1)
    return {"loc": ("query", twice), "msg": "given more than once; ask for many in one batch"}


_JSON: Final = "application/json"
_ETAG_BYTES: Final = 12
_VERSION: Final = version("nas-bench-service")


def answer_now(answer: Answer, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response computed on the event loop.

    For answers that take less time than a thread switch, such as one architecture.
    """
    return Response(orjson.dumps(answer), headers=headers, media_type=_JSON)


async def answer_scan(
    request: Request,
    installed: InstalledDataset,
    compute: Callable[[], Answer],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Compute an answer in a thread, within the time budget, and return the response.

    For scans and batches, which read many rows. Answers with headers are cached in memory.

    Raises:
        TimeBudgetExceededError: The computation took too long.
    """
    kept: ResponseCache = request.app.state.response_cache
    tag = None if headers is None else headers["ETag"]
    content = None if tag is None else kept.get(tag)
    if content is None:
        content = await scanned(request, installed, lambda: orjson.dumps(compute()))
        if tag is not None:
            kept.keep(tag, content)
    return Response(content, headers=headers, media_type=_JSON)


async def scanned(
    request: Request, installed: InstalledDataset, compute: Callable[[], bytes]
) -> bytes:
    """Compute the body of a response in a scan thread, within the time budget.

    Raises:
        TimeBudgetExceededError: The computation took too long.
    """
    limiter: CapacityLimiter = request.app.state.scan_limiter
    seconds: float = request.app.state.settings.time_budget

    def bounded() -> bytes:
        with installed.database.time_budget(seconds):
            return compute()

    # The whole catalog is held, as the answer may use a joined table, too.
    catalog = catalog_of(request)
    with catalog.held():
        return await anyio.to_thread.run_sync(bounded, limiter=limiter)


async def answer_cached(
    request: Request,
    installed: InstalledDataset,
    compute: Callable[[], Answer],
    *,
    at_once: bool = False,
) -> Response:
    """Return a response that depends on one database and the query, with cache headers.

    Args:
        request: The request.
        installed: The queried database.
        compute: Computes the answer.
        at_once: Whether computing takes less time than a thread switch.

    Raises:
        TimeBudgetExceededError: The computation took too long.
    """
    headers = cache_headers(request, installed.provenance.identity)
    if at_once:
        return answer_now(compute(), headers)
    return await answer_scan(request, installed, compute, headers)


def cache_headers(
    request: Request, *identities: str, cache_control: str | None = None
) -> dict[str, str]:
    """Return the headers for caching and revalidating a response.

    The entity tag is a digest of everything the response depends on: the content of the databases,
    the query, and the version of this program. It is weak because compression changes the bytes.

    Args:
        request: The request.
        identities: The identities of all databases that the answer depends on.
        cache_control: Cache-Control, instead of that of the settings.

    Raises:
        _NotModifiedError: The client has the current response; it becomes a 304.
    """
    scope = request.scope
    parts = "\n".join((_VERSION, *identities, scope["path"])).encode() + _version_asked(scope)
    digest = hashlib.blake2b(
        parts + b"?" + scope["query_string"], digest_size=_ETAG_BYTES
    ).hexdigest()
    kept = cache_control or request.app.state.settings.cache_control
    headers = {"ETag": f'W/"{digest}"', "Cache-Control": kept}
    held = scope["headers_by_name"].get(b"if-none-match")
    if held is not None and (held.strip() == b"*" or f'"{digest}"'.encode() in held):
        raise _NotModifiedError(headers)
    return headers


def install_not_modified_handler(app: FastAPI) -> None:
    """Register the handler that answers 304 for `_NotModifiedError`."""

    async def not_modified(_: Request, error: Exception) -> Response:
        headers = error.headers if isinstance(error, _NotModifiedError) else None
        return Response(status_code=304, headers=headers)

    app.add_exception_handler(_NotModifiedError, not_modified)


class _NotModifiedError(Exception):
    """Ends a request whose response the client has in its cache."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("not modified")
        self.headers = headers
