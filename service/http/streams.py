"""Streamed responses, and the client connection that reads them.

`ClientConnection` notices when the client disconnects; service/http/protocol.py closes connections
of slow readers. `FileStream` sends a file that a thread writes: each chunk goes to the event loop,
and the thread waits until the connection has accepted the previous chunk. When the client has
disconnected, the next chunk is refused, which ends the thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final, Self

import structlog
from anyio import CapacityLimiter, from_thread, to_thread
from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from benchmark_db.errors import BenchmarkDataError
from benchmark_db.export import Sink
from service.http.admission import NoSlotError, Shares, caller_of
from service.http.problems import problem
from service.http.questions import catalog_of
from service.settings import Settings

__all__ = ["ClientConnection", "ClientDisconnectedError", "Exports", "FileStream"]


class ClientDisconnectedError(Exception):
    """The client has disconnected."""


class ClientConnection:
    """The client of a response, watched while the response is sent.

    Used as an asynchronous context manager around the sending.

    Args:
        receive: The `receive` of a request whose body has been read.
        send: The `send` of the request.
        on_leaving: Called when the client disconnects.

    Attributes:
        gone: Whether the client has disconnected.
    """

    def __init__(
        self, receive: Receive, send: Send, *, on_leaving: Callable[[], None] | None = None
    ) -> None:
        self._receive = receive
        self._send = send
        self._on_leaving = on_leaving
        self._watch: asyncio.Task[None] | None = None
        self.gone = False

    async def __aenter__(self) -> Self:
        self._watch = asyncio.create_task(self._wait_for_leaving())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.cancel()

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send status and headers.

        Raises:
            ClientDisconnectedError: The client has disconnected.
        """
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self._deliver({"type": "http.response.start", "status": status, "headers": raw})

    async def give(self, piece: bytes, *, last: bool = False) -> None:
        """Send a chunk of the body, and wait until the connection has room for another.

        Raises:
            ClientDisconnectedError: The client has disconnected.
        """
        await self._deliver({"type": "http.response.body", "body": piece, "more_body": not last})

    async def _deliver(self, message: dict[str, object]) -> None:
        if self.gone:
            raise ClientDisconnectedError("the reader went away")
        await self._send(message)

    async def _wait_for_leaving(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._on_leaving is not None:
            self._on_leaving()


_PIECE: Final = 256 * 1024
"""Bytes of a chunk, before compression."""

_RETRY_AFTER: Final = 10
"""Seconds after which a refused client may retry."""


class Exports:
    """The limits of exports: many may be open, few are computed at a time.

    Args:
        settings: The limits.

    Attributes:
        open: The slots of open exports.
        turns: Limits the exports that compute a chunk at a time.
    """

    def __init__(self, settings: Settings) -> None:
        self.open = Shares(settings.export_limit, settings.caller_share)
        self.turns = CapacityLimiter(settings.export_threads)


class FileStream(Response):
    """A response whose body is written by a function in a thread.

    Nothing is sent before the first chunk is full, so that errors until then become error
    responses. After that, an error closes the connection, and HTTP clients recognise the response
    as incomplete. While an export waits for its client, it blocks no other: other exports compute
    until the connection has accepted the chunk.

    Args:
        request: The request.
        write: Writes the whole body.
        exports: The limits of exports; above them the response is 503 or 429.
        headers: Headers of the response.
    """

    def __init__(
        self,
        request: Request,
        write: Callable[[Sink], None],
        *,
        exports: Exports,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._request = request
        self._write = write
        self._exports = exports
        self._catalog = catalog_of(request)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        caller = caller_of(scope)
        try:
            self._exports.open.take(caller)
        except NoSlotError as error:
            await self._full(error)(scope, receive, send)
            return
        sink = _ThreadSink(self, send, self._exports.turns, head_only=bool(scope.get("head_only")))
        try:
            with self._catalog.held():
                instead = await self._send_all(receive, sink)
        finally:
            self._exports.open.release(caller)
        if instead is not None:
            await instead(scope, receive, send)

    async def _send_all(self, receive: Receive, sink: _ThreadSink) -> Response | None:
        """Send the body, or return the response to send instead."""
        log = structlog.get_logger().bind(request_id=self._request.scope.get("request_id"))
        watch = asyncio.create_task(sink.watch(receive))
        try:
            # With its own limiter, so that waiting for the client takes no thread from others.
            await sink.take_turn()
            with suppress(_HeadSentError):
                await to_thread.run_sync(self._write_all, sink, limiter=CapacityLimiter(1))
            await sink.end()
        except _ClientDisconnectedError as left:
            log.info("download broken off", reason=str(left), sent=sink.sent)
        except BenchmarkDataError as error:
            if not sink.started:
                # Answered here, as the exception handlers of routes may be below this call.
                return await self._answer(error)
            # Returning without the last chunk makes the server close the connection.
            log.error("download failed", reason=str(error), sent=sink.sent)  # noqa: TRY400
        finally:
            # A cancelled request leaves its thread running, which must not continue.
            sink.cut("the request was cancelled")
            sink.end_turn()
            watch.cancel()
        return None

    async def _answer(self, error: BenchmarkDataError) -> Response:
        handlers = self._request.app.exception_handlers
        handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
        answer: Response = await handler(self._request, error)
        return answer

    def _write_all(self, sink: _ThreadSink) -> None:
        self._write(sink)
        sink.flush()

    def _full(self, error: NoSlotError) -> Response:
        whose = "of your exports are open" if error.of_caller else "exports are open"
        return problem(
            self._request,
            HTTPStatus.TOO_MANY_REQUESTS if error.of_caller else HTTPStatus.SERVICE_UNAVAILABLE,
            kind="too-many-exports",
            title="Too many exports",
            detail=f"{error.most} {whose} already, which is the limit; retry later",
            headers={"Retry-After": str(_RETRY_AFTER)},
        )


class _ClientDisconnectedError(Exception):
    """Ends the writing thread because the client has disconnected."""


class _HeadSentError(Exception):
    """Ends the writing thread because the request was HEAD."""


class _ThreadSink:
    """The sink of a writing thread, which sends its bytes to the client.

    Args:
        response: The response, for its status and headers.
        send: The `send` of the request.
        turns: Limits the exports that write at a time.
        head_only: Whether to stop after the first chunk, for HEAD requests.

    Attributes:
        started: Whether anything has been sent.
        sent: Bytes of the body sent so far.
    """

    def __init__(
        self, response: Response, send: Send, turns: CapacityLimiter, *, head_only: bool
    ) -> None:
        self._response = response
        self._send = send
        self._turns = turns
        self._has_turn = False
        self._gathered: list[bytes | memoryview] = []
        self._size = 0
        self._cut: str | None = None
        self._head_only = head_only
        self.started = False
        self.sent = 0

    def write(self, data: bytes, /) -> None:
        """Buffer bytes from the thread, and send each full chunk.

        Raises:
            _ClientDisconnectedError: The client has disconnected.
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
        """Send the buffered bytes.

        Raises:
            _ClientDisconnectedError: The client has disconnected.
        """
        piece = b"".join(self._gathered)
        self._gathered.clear()
        self._size = 0
        from_thread.run(self._deliver, piece)

    async def watch(self, receive: Receive) -> None:
        """Wait until the client disconnects, and then refuse further chunks."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.cut("the reader went away")

    def cut(self, reason: str) -> None:
        """Refuse all further chunks."""
        self._cut = self._cut or reason

    async def take_turn(self) -> None:
        """Wait until this export may compute."""
        await self._turns.acquire_on_behalf_of(self)
        self._has_turn = True

    def end_turn(self) -> None:
        """Let other exports compute."""
        if self._has_turn:
            self._has_turn = False
            self._turns.release_on_behalf_of(self)

    async def end(self) -> None:
        """Send the end of the body."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _deliver(self, piece: bytes) -> None:
        self._refuse_if_cut()
        if self.started and self._head_only:
            raise _HeadSentError
        self.end_turn()
        await self._start()
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        self.sent += len(piece)
        await self.take_turn()
        self._refuse_if_cut()

    def _refuse_if_cut(self) -> None:
        if self._cut is not None:
            self.end_turn()
            raise _ClientDisconnectedError(self._cut)

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
