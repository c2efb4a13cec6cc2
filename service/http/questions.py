"""Questions read from the query string, and their answers sent.

`read_query` reads a question into its model: FastAPI can do that, too, but looks at every field's
annotation anew in each request, which takes longer than finding the answer. `answer_now` sends what
takes microseconds, `answer_scan` computes in a thread, within the time budget. `answer_cached` does
either for the questions about one benchmark, with the headers by which clients may keep an answer.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final, TypeVar
from urllib.parse import unquote_plus

import anyio
import anyio.to_thread
import orjson
from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from benchmark_db.answers import Answer
from benchmark_db.benchmark import Benchmark
from benchmark_db.installed_dataset import InstalledDataset
from service.http.table_versions import catalog_of, version_asked

__all__ = [
    "ANSWER",
    "LateModel",
    "PackedCache",
    "QueryParameters",
    "ResponseCache",
    "answer_cached",
    "answer_now",
    "answer_scan",
    "cache_headers",
    "described",
    "install_not_modified_handler",
    "installed",
    "read_query",
    "scanned",
    "source_digests",
]

_JSON_PUNCTUATION: Final = tuple(
    (f"%{ord(character):02X}".encode(), character.encode()) for character in '"{}[]:,'
)
"""Of the characters that have a meaning in JSON and none in a query string, as most programs
escape them; escapes in small letters are left to the library."""
_MOST_PARAMETERS: Final = 200
"""The question with the most has 54."""
_LONGEST_NAME: Final = 100
"""Characters of an unknown parameter that are compared with those there are."""

Question = TypeVar("Question", bound=BaseModel)


def read_query(request: Request, model: type[Question]) -> Question:
    """Return the question that a request's query string asks.

    Raises:
        RequestValidationError: A parameter is unknown, malformed or given twice, or there are too
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


def _told(errors: list[ErrorDetails], model: type[BaseModel]) -> list[dict[str, Any]]:
    """Return the errors of a question; an unknown parameter with the names that are near it."""
    first, *others = [dict[str, Any](entry) for entry in errors]
    if first["type"] == "extra_forbidden":
        # Of the first alone: comparing names takes a millisecond, and there may be 200.
        near = get_close_matches(str(first["loc"][-1])[:_LONGEST_NAME], model.model_fields, n=3)
        meant = f"; is it {', '.join(near)}?" if near else ""
        first["msg"] = f"unknown parameter{meant}"
    return [first, *others]


def source_digests(request: Request, name: str) -> list[str]:
    """Return the digests of all that an answer about a benchmark may rest on, costs included."""
    catalog = catalog_of(request)
    installed = catalog.installed
    sources = {metric.lies_in for metric in catalog.metrics(name).values()} & installed.keys()
    return [installed[source].provenance.identity for source in sorted(sources)]


def installed(request: Request, name: str) -> Benchmark:
    """Return a benchmark of the server.

    Raises:
        UnknownBenchmarkError: It is not installed.
    """
    return catalog_of(request)[name]


def _read(query: bytes) -> list[tuple[str, str]]:
    """Return names and values of a query string, as `urllib.parse.parse_qsl` reads it."""
    # Escaped JSON is mostly escapes of its punctuation, a hundred of them in a cell: replaced
    # whole they take a tenth of the time. None of them stands for a part of another escape.
    if b"%" in query:
        for escaped, plain in _JSON_PUNCTUATION:
            query = query.replace(escaped, plain)
    pairs = (pair.partition("=") for pair in query.decode("latin-1").split("&") if pair)
    return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs]


def _unquoted(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


class LateModel:
    """The model of a question, made when it is first asked or described.

    A server has several for each benchmark, each takes milliseconds, and most are never asked.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[], type[BaseModel]]) -> None:
        self._make = make

    @cached_property
    def model(self) -> type[BaseModel]:
        """The model."""
        return self._make()


ANSWER: Final = "answer"
"""In the `openapi_extra` of a route: what makes the model of its answer, for the document alone."""


def described(
    model: type[BaseModel] | LateModel,
    *,
    required: Iterable[str] = (),
    answer: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Return what a route says of a question in the query string, as its `openapi_extra`.

    Args:
        model: The question.
        required: Parameters that it is refused without, whatever the model says.
        answer: Makes the model of the answer when the document is asked for, instead of
            `response_model`.
    """
    asked = {"parameters": QueryParameters(model, frozenset(required))}
    return asked if answer is None else {**asked, ANSWER: answer}


@dataclass(frozen=True, slots=True)
class QueryParameters:
    """The OpenAPI parameters of a question, made when the document is asked for.

    Attributes:
        model: The question.
        required: Parameters that it is refused without, whatever the model says.
    """

    model: type[BaseModel] | LateModel
    required: frozenset[str]

    def described(self) -> list[dict[str, Any]]:
        """Return the parameters."""
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
    """Return the schema of a field that may be left out: a query string cannot say null."""
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


_LARGEST_SHARE: Final = 8
"""One answer takes at most this part of the room, lest it drive out all others."""


class ResponseCache:
    """The latest answers, by entity tag: the digest of all that an answer depends on.

    A tag covers the content of the databases, so that nothing ever has to be thrown away because it
    is no longer true. Belongs to one event loop.

    Args:
        room: How many bytes of answers are kept; 0 keeps none.

    Attributes:
        hits: How often an answer was there.
        misses: How often it was not.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._taken = 0
        self.hits = 0
        self.misses = 0
        self._answers: OrderedDict[str, bytes] = OrderedDict()

    def get(self, tag: str) -> bytes | None:
        """Return the answer with a tag, if it is kept."""
        answer = self._answers.get(tag)
        if answer is None:
            self.misses += 1
        else:
            self.hits += 1
            self._answers.move_to_end(tag)
        return answer

    def keep(self, tag: str, answer: bytes) -> None:
        """Keep an answer; those that nobody has asked for longest make room for it."""
        if tag in self._answers or len(answer) > self._room // _LARGEST_SHARE:
            return
        self._answers[tag] = answer
        self._taken += len(answer)
        while self._taken > self._room:
            _, oldest = self._answers.popitem(last=False)
            self._taken -= len(oldest)


class PackedCache:
    """Bodies that take long to make, by entity tag; each is made once, however many wait for it.

    Belongs to one event loop.

    Args:
        room: How many bytes are kept; 0 keeps none.
    """

    def __init__(self, room: int) -> None:
        self._kept = ResponseCache(room)
        self._making: dict[str, anyio.Lock] = {}

    async def get_or_make(self, tag: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the body with a tag, made now unless it is kept.

        Args:
            tag: A digest of all that the body depends on.
            make: Makes it; its errors are raised here.
        """
        kept = self._kept.get(tag)
        if kept is not None:
            return kept
        lock = self._making.setdefault(tag, anyio.Lock())
        try:
            async with lock:
                made = self._kept.get(tag)
                if made is None:
                    made = await make()
                    self._kept.keep(tag, made)
                return made
        finally:
            if not lock.locked():
                self._making.pop(tag, None)


_JSON: Final = "application/json"
_ETAG_BYTES: Final = 12
_VERSION: Final = version("nas-bench-service")


def answer_now(answer: Answer, headers: Mapping[str, str] | None = None) -> Response:
    """Send an answer that was computed on the event loop.

    That is the place for what takes less time than a change of threads: one architecture.
    """
    return Response(orjson.dumps(answer), headers=headers, media_type=_JSON)


async def answer_scan(
    request: Request,
    installed: InstalledDataset,
    compute: Callable[[], Answer],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Compute an answer in a thread, within the time budget, and send it.

    That is the place for what visits many rows: scans and batches. An answer with headers is kept:
    whoever asks the same again gets it at once.

    Raises:
        TimeBudgetExceededError: It took too long.
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
    """Compute the body of an answer in a thread of those for scans, within the time budget.

    Raises:
        TimeBudgetExceededError: It took too long.
    """
    limiter: CapacityLimiter = request.app.state.scan_limiter
    seconds: float = request.app.state.settings.time_budget

    def bounded() -> bytes:
        with installed.database.time_budget(seconds):
            return compute()

    # The question may be answered from a table joined to that one, too.
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
    """Send an answer that depends on one database and the question, for clients to keep.

    Args:
        request: The question.
        installed: What is asked.
        compute: Finds the answer.
        at_once: Whether that takes less time than a change of threads.

    Raises:
        TimeBudgetExceededError: It took too long.
    """
    headers = cache_headers(request, installed.provenance.identity)
    if at_once:
        return answer_now(compute(), headers)
    return await answer_scan(request, installed, compute, headers)


def cache_headers(
    request: Request, *identities: str, cache_control: str | None = None
) -> dict[str, str]:
    """Return the headers by which an answer may be kept and checked again.

    The entity tag is a digest of all an answer depends on: the content of the databases, the
    question, and the version of this program. It is weak because compression changes the bytes.

    Args:
        request: The question.
        identities: Of all databases that the answer rests on.
        cache_control: Instead of what the settings say.

    Raises:
        _NotModifiedError: The caller has this answer already; it becomes a 304.
    """
    scope = request.scope
    parts = "\n".join((_VERSION, *identities, scope["path"])).encode() + version_asked(scope)
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
    """Answer 304 where `cache_headers` finds that the caller has the answer."""

    async def not_modified(_: Request, error: Exception) -> Response:
        headers = error.headers if isinstance(error, _NotModifiedError) else None
        return Response(status_code=304, headers=headers)

    app.add_exception_handler(_NotModifiedError, not_modified)


class _NotModifiedError(Exception):
    """Ends a request whose answer the caller holds."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("not modified")
        self.headers = headers
