"""Files of any length, sent while they are written.

A thread writes; each piece goes to the event loop, and the thread waits until the connection has
taken the one before. When the reader has gone, the next piece is refused, which ends the thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import structlog
from anyio import CapacityLimiter, WouldBlock, from_thread, to_thread
from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from benchmark_db.errors import BenchmarkDataError
from benchmark_db.export import Sink
from service.api.problems import problem

__all__ = ["FileStream"]

_PIECE: Final = 256 * 1024
"""Bytes that are sent at a time, before they are compressed."""

_PATIENCE: Final = 60.0
"""Seconds that a reader may take for a piece; one that has vanished takes for ever."""

_RETRY_AFTER: Final = 10
"""Seconds after which a caller who came when all places were taken may ask again."""


class FileStream(Response):
    """A response whose body is written by a function in a thread.

    Nothing is sent before the first piece is full, so that until then an error becomes a problem
    like that of any question. After that the connection is broken off: no HTTP client takes what
    arrived for a complete answer.

    Args:
        request: What it answers.
        write: Writes the whole body.
        places: Its tokens are how many streams there may be at a time; when all are taken the
            answer is 503.
        headers: Headers of the response.
    """

    def __init__(
        self,
        request: Request,
        write: Callable[[Sink], None],
        *,
        places: CapacityLimiter,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._request = request
        self._write = write
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        try:
            self._places.acquire_on_behalf_of_nowait(self)
        except WouldBlock:
            await self._full()(scope, receive, send)
            return
        try:
            line = _Line(self, send, head_only=bool(scope.get("head_only")))
            instead = await self._send_all(receive, line)
        finally:
            self._places.release_on_behalf_of(self)
        if instead is not None:
            await instead(scope, receive, send)

    async def _send_all(self, receive: Receive, line: _Line) -> Response | None:
        """Send the body, or return what to answer instead of it."""
        log = structlog.get_logger().bind(request_id=self._request.scope.get("request_id"))
        watch = asyncio.create_task(line.watch(receive))
        try:
            # With a limiter of its own: the place is taken already.
            with suppress(_HeadSentError):
                await to_thread.run_sync(self._write_all, line, limiter=CapacityLimiter(1))
            await line.end()
        except _ReaderLeftError as left:
            log.info("download broken off", reason=str(left), sent=line.sent)
        except BenchmarkDataError as error:
            if not line.started:
                # What is raised here may be above whatever answers the errors of routes.
                return await self._answer(error)
            # To return without the last piece makes the server close the connection.
            log.error("download failed", reason=str(error), sent=line.sent)  # noqa: TRY400
        finally:
            # A cancelled request leaves its thread behind, which must not go on.
            line.cut("the request was cancelled")
            watch.cancel()
        return None

    async def _answer(self, error: BenchmarkDataError) -> Response:
        handlers = self._request.app.exception_handlers
        handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
        answer: Response = await handler(self._request, error)
        return answer

    def _write_all(self, line: _Line) -> None:
        self._write(line)
        line.flush()

    def _full(self) -> Response:
        number = int(self._places.total_tokens)
        return problem(
            self._request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            kind="too-many-exports",
            title="Too many exports",
            detail=f"{number} exports run already, which is all at a time; ask again later",
            headers={"Retry-After": str(_RETRY_AFTER)},
        )


class _ReaderLeftError(Exception):
    """Ends the writing of what nobody reads."""


class _HeadSentError(Exception):
    """Ends the writing of what was asked for by HEAD."""


class _Line:
    """The way from a thread that writes to the reader of the response.

    Args:
        response: What begins the response.
        send: Of the request.
        head_only: Whether the first piece is enough, which tells how the response begins.

    Attributes:
        started: Whether anything has been sent.
        sent: How many bytes of the body.
    """

    def __init__(self, response: Response, send: Send, *, head_only: bool) -> None:
        self._response = response
        self._send = send
        self._gathered: list[bytes | memoryview] = []
        self._size = 0
        self._cut: str | None = None
        self._head_only = head_only
        self.started = False
        self.sent = 0

    def write(self, data: bytes, /) -> None:
        """Take some bytes from the thread, and send what makes up a piece.

        Raises:
            _ReaderLeftError: Nobody reads any more.
        """
        rest = memoryview(data)
        while self._size + len(rest) >= _PIECE:
            taken = _PIECE - self._size
            self._gathered.append(rest[:taken])
            rest = rest[taken:]
            self.flush()
        self._gathered.append(rest)
        self._size += len(rest)

    def flush(self) -> None:
        """Send what has been taken from the thread.

        Raises:
            _ReaderLeftError: Nobody reads any more.
        """
        piece = b"".join(self._gathered)
        self._gathered.clear()
        self._size = 0
        from_thread.run(self._deliver, piece)

    async def watch(self, receive: Receive) -> None:
        """Wait until the reader goes away, and cut the line."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.cut("the reader went away")

    def cut(self, reason: str) -> None:
        """Refuse all further pieces."""
        self._cut = self._cut or reason

    async def end(self) -> None:
        """Tell the reader that this was all."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _deliver(self, piece: bytes) -> None:
        if self._cut is not None:
            raise _ReaderLeftError(self._cut)
        if self.started and self._head_only:
            raise _HeadSentError
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._start()
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            raise _ReaderLeftError(f"the reader took nothing for {_PATIENCE:g} s") from None
        self.sent += len(piece)

    async def _start(self) -> None:
        if not self.started:
            self.started = True
            response = self._response
            await self._send(
                {
                    "type": "http.response.start",
                    "status": response.status_code,
                    "headers": response.raw_headers,
                }
            )
