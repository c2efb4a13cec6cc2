"""Request bodies: JSON with checked media type, size and depth, and uploads in chunks.

Parsed JSON takes many times the memory of its bytes, and parsing and validation hold the GIL. So
punctuation is counted first in the bytes, then the parsed value is measured, and only then does a
model validate it. Bodies above 4 KiB are processed in a thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, cast

import orjson
from anyio import to_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from benchmark_db.questions import MAX_BATCH

__all__ = ["JSON", "BodyRoute", "pieces_of", "refuse_other_media", "swallow"]

JSON: Final = "application/json"
_SMALL: Final = 4096
"""Bytes that are processed faster than a thread switch."""
_BATCH: Final = "archs"
_MOST_OF_ONE: Final = 20_000
"""Limit of members, of values, and of lists and objects of a body about one architecture."""
_LIMIT_ATTRIBUTE: Final = "most_values"
"""Attribute of a model with its own limit instead."""
_MOST_MEMBERS: Final = 15 * MAX_BATCH
_MOST_VALUES: Final = 64 * MAX_BATCH
_MOST_CONTAINERS: Final = 12 * MAX_BATCH
"""Limits of a batch: a cell of seven vertices has 57 values, in eight lists and an object."""
_MOST_OF_ITEM: Final = 2000
"""Limit of values of one architecture in a batch."""
_LONGEST_OBJECT: Final = 5000
_LONGEST_TEXT: Final = 16_384
_DEEPEST: Final = 32

_PIECE: Final = 2**20
"""Bytes that are written at a time: with fewer, thread switches take longer than writing."""
_DISCARDED_BYTES: Final = 64 * 2**20
"""Bytes that are read of a refused body, because a client that is disconnected while sending may
never see the response."""


class BodyRoute(APIRoute):
    """A route whose body, if it has one, is a query or submission in JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the request handler, which gets a request whose body has been read."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle
        model = cast("type[BaseModel]", self.body_field.field_info.annotation)

        async def read_and_handle(request: Request) -> Response:
            content = await _content(request)
            if len(content) <= _SMALL:
                question = _question(content, model)
            else:
                limiter = request.app.state.body_limiter
                question = await to_thread.run_sync(_question, content, model, limiter=limiter)
            return await handle(_ReadRequest(request, question))

        return read_and_handle


class _ReadRequest(Request):
    """A request whose body has been read and validated, in the form that FastAPI expects."""

    def __init__(self, request: Request, question: BaseModel) -> None:
        super().__init__(request.scope, request.receive)
        self._question = question

    async def body(self) -> bytes:
        return b"{}"

    async def json(self) -> Any:
        return self._question


def refuse_other_media(request: Request, media_type: str) -> None:
    """Refuse a body whose media type is not the one of the route.

    Browsers send some types, or none, from any page without asking this server.

    Raises:
        HTTPException: 415.
    """
    stated = request.headers.getlist("content-type")
    if [text.partition(";")[0].strip().lower() for text in stated] != [media_type]:
        raise HTTPException(415, f"the Content-Type of the body must be {media_type}")


async def _content(request: Request) -> bytes:
    refuse_other_media(request, JSON)
    try:
        return await request.body()
    except ClientDisconnect:
        raise HTTPException(400, "the body broke off") from None


def _question(content: bytes, model: type[BaseModel]) -> BaseModel:
    """Return the validated query of a body.

    Raises:
        HTTPException: 400: the body is not UTF-8.
        RequestValidationError: The body is not JSON, too large, or invalid for the model.
    """
    is_batch = _BATCH in model.model_fields
    _refuse_many(content, is_batch=is_batch, most=getattr(model, _LIMIT_ATTRIBUTE, _MOST_OF_ONE))
    value = _parsed(content)
    _refuse_large(value, is_batch=is_batch)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(
            [{**entry, "loc": ("body", *entry["loc"])} for entry in found]
        ) from None


def _refuse_many(content: bytes, *, is_batch: bool, most: int) -> None:
    """Refuse a body with too many values, estimated from its punctuation, including in texts."""
    bounds = (
        ("members", _MOST_MEMBERS, content.count(b":")),
        ("values", _MOST_VALUES, content.count(b",")),
        ("lists and objects", _MOST_CONTAINERS, content.count(b"[") + content.count(b"{")),
    )
    for what, most_of_batch, found in bounds:
        bound = most_of_batch if is_batch else most
        if found > bound:
            raise _refusal(f"it has about {found} {what}; {bound} are allowed")


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        try:
            content.decode()
        except UnicodeDecodeError:
            raise HTTPException(400, "the body is not text in UTF-8") from None
        raise _refusal(f"it is not JSON: {error}") from None


def _refuse_large(value: Any, *, is_batch: bool) -> None:
    """Refuse a value that is too deep, or has too long texts or too many values in one place."""
    archs = value.pop(_BATCH, ()) if is_batch and isinstance(value, dict) else ()
    _count(value, _DEEPEST, ())
    if not isinstance(archs, list):
        _count(archs, _DEEPEST, (_BATCH,))
    else:
        for rank, arch in enumerate(archs):
            if _count(arch, _DEEPEST, (_BATCH, rank)) > _MOST_OF_ITEM:
                raise _refusal(f"it has more than {_MOST_OF_ITEM} values", _BATCH, rank)
    if archs != ():
        value[_BATCH] = archs


def _count(value: Any, depth: int, place: tuple[str | int, ...]) -> int:
    """Return the number of values in a value, itself included."""
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT:
            told = f"a text has {len(value)} characters; {_LONGEST_TEXT} are allowed"
            raise _refusal(told, *place)
        return 1
    if not isinstance(value, dict | list):
        return 1
    if depth == 0:
        raise _refusal(f"it is more than {_DEEPEST} levels deep", *place)
    total = 1
    if isinstance(value, dict):
        if len(value) > _LONGEST_OBJECT:
            told = f"an object has {len(value)} members; {_LONGEST_OBJECT} are allowed"
            raise _refusal(told, *place)
        for name in value:
            _count(name, depth, place)
        value = value.values()
    for inner in value:
        total += _count(inner, depth - 1, place) if isinstance(inner, str | dict | list) else 1
    return total


def _refusal(message: str, *place: str | int) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body", *place), "msg": message}])


async def pieces_of(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a body in chunks of at least 1 MiB, except the last one."""
    gathered = bytearray()
    async for piece in stream:
        gathered += piece
        if len(gathered) >= _PIECE:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


async def swallow(pieces: AsyncIterator[bytes]) -> None:
    """Read the rest of a refused body, up to a limit."""
    swallowed = 0
    async for piece in pieces:
        swallowed += len(piece)
        if swallowed > _DISCARDED_BYTES:
            return
