"""What surrounds every request: its id, its size, its log line, and the error nobody foresaw."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from itertools import count
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem

__all__ = ["RequestGuard"]

_GZIP_FROM_BYTES: Final = 2048
_GZIP_LEVEL: Final = 1
"""Five times as fast as the default level for a tenth more bytes."""
_HEADER: Final = b"x-request-id"
_ACCEPTABLE_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class RequestGuard:
    """ASGI middleware around the whole application.

    It gives the request an id (the caller's `X-Request-ID` where it is a sane one) and echoes it,
    refuses bodies that are too large while they come in, compresses what the caller wants
    compressed, logs one line a request, and answers unforeseen errors with a problem that tells
    nothing of the inside.
    """

    def __init__(self, app: ASGIApp, max_body: int) -> None:
        self._app = app
        # Its wrapper costs something even where there is nothing to compress.
        self._compressing = GZipMiddleware(
            app, minimum_size=_GZIP_FROM_BYTES, compresslevel=_GZIP_LEVEL
        )
        self._max_body = max_body
        self._prefix = uuid4().hex[:16]
        self._count = count(1)
        self._log = structlog.get_logger().bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = scope["request_id"] = self._request_id(headers)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (_HEADER, request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"vary", b"Accept-Encoding"),
                ]
            await send(message)

        try:
            await self._bounded(scope, headers, receive, send_with_id)
        except Exception:
            self._log.exception("unforeseen error", path=scope["path"], request_id=request_id)
            if status:
                raise
            response = problem(
                Request(scope),
                500,
                kind="internal-error",
                detail="the server failed; its log tells more under this request_id",
            )
            await response(scope, receive, send_with_id)
        finally:
            self._log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 2),
                request_id=request_id,
            )

    async def _bounded(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_body:
            response = _too_large(Request(scope), self._max_body)
            await response(scope, receive, send)
            return
        received = 0

        async def bounded_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body:
                raise HTTPException(413, _too_large_detail(self._max_body))
            return message

        wants_gzip = b"gzip" in headers.get(b"accept-encoding", b"")
        app = self._compressing if wants_gzip else self._app
        await app(scope, bounded_receive, send)

    def _request_id(self, headers: Mapping[bytes, bytes]) -> str:
        given = headers.get(_HEADER)
        if given is not None and _ACCEPTABLE_ID.fullmatch(given):
            return given.decode()
        return f"{self._prefix}-{next(self._count)}"


def _too_large(request: Request, max_body: int) -> Any:
    return problem(request, 413, kind="content-too-large", detail=_too_large_detail(max_body))


def _too_large_detail(max_body: int) -> str:
    return f"the body is longer than {max_body} bytes; send the architectures in smaller batches"
