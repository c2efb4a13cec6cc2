"""Responses that are sent while they are made, and the client that reads them.

`ClientConnection` notices that the client went away; one that reads too slowly is closed by
service/http/protocol.py. `FileStream` sends a file that a thread writes: each piece goes to the
event loop, and the thread waits until the connection has taken the piece before. When the client
has gone, the next piece is refused, which ends the thread.
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
from service.http.admission import NoPlaceError, Shares, caller_of
from service.http.problems import problem
from service.http.questions import catalog_of
from service.settings import Settings

__all__ = ["ClientConnection", "ClientDisconnectedError", "Exports", "FileStream"]


class ClientDisconnectedError(Exception):
    """Ends the sending of what nobody reads."""


class ClientConnection:
    """The reader of one response, watched while the response is sent.

    Used as an asynchronous context manager around the sending.

    Args:
        receive: Of the request, whose body has been read or has none.
        send: Of the request.
        on_leaving: Called when the reader goes away.

    Attributes:
        gone: Whether the reader went away.
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
            ClientDisconnectedError: Nobody reads.
        """
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self._deliver({"type": "http.response.start", "status": status, "headers": raw})

    async def give(self, piece: bytes, *, last: bool = False) -> None:
        """Send a piece of the body, and wait until the connection has room for another.

        Raises:
            ClientDisconnectedError: Nobody reads any more.
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
"""Bytes that are sent at a time, before they are compressed."""

_RETRY_AFTER: Final = 10
"""Seconds after which a caller who came when all places were taken may ask again."""


class Exports:
    """The places of exports: many may be open, few are made at a time.

    Args:
        settings: How many.

    Attributes:
        open: Places of those that are open.
        turns: Whose turn it is to be made, as long as it takes to make a piece.
    """

    def __init__(self, settings: Settings) -> None:
        self.open = Shares(settings.export_limit, settings.caller_share)
        self.turns = CapacityLimiter(settings.export_threads)


class FileStream(Response):
    """A response whose body is written by a function in a thread.

    Nothing is sent before the first piece is full, so that until then an error becomes a problem
    like that of any question. After that the connection is broken off: no HTTP client takes what
    arrived for a complete answer. One that waits for its reader keeps nobody waiting: it gives its
    turn to others until the connection has taken the piece.

    Args:
        request: What it answers.
        write: Writes the whole body.
        exports: How many there may be at a time; where there are as many the answer is 503.
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
        except NoPlaceError as error:
            await self._full(error)(scope, receive, send)
            return
        line = _Line(self, send, self._exports.turns, head_only=bool(scope.get("head_only")))
        try:
            with self._catalog.held():
                instead = await self._send_all(receive, line)
        finally:
            self._exports.open.give_back(caller)
        if instead is not None:
            await instead(scope, receive, send)

    async def _send_all(self, receive: Receive, line: _Line) -> Response | None:
        """Send the body, or return what to answer instead of it."""
        log = structlog.get_logger().bind(request_id=self._request.scope.get("request_id"))
        watch = asyncio.create_task(line.watch(receive))
        try:
            # With a limiter of its own: one that waits for its reader keeps no thread of others.
            await line.take_turn()
            with suppress(_HeadSentError):
                await to_thread.run_sync(self._write_all, line, limiter=CapacityLimiter(1))
            await line.end()
        except _ClientDisconnectedError as left:
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
            line.end_turn()
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

    def _full(self, error: NoPlaceError) -> Response:
        whose = "of your exports are open" if error.of_caller else "exports are open"
        return problem(
            self._request,
            HTTPStatus.TOO_MANY_REQUESTS if error.of_caller else HTTPStatus.SERVICE_UNAVAILABLE,
            kind="too-many-exports",
            title="Too many exports",
            detail=f"{error.most} {whose} already, which is all at a time; ask again later",
            headers={"Retry-After": str(_RETRY_AFTER)},
        )


class _ClientDisconnectedError(Exception):
    """Ends the writing of what nobody reads."""


class _HeadSentError(Exception):
    """Ends the writing of what was asked for by HEAD."""


class _Line:
    """The way from a thread that writes to the reader of the response.

    Args:
        response: What begins the response.
        send: Of the request.
        turns: Whose turn it is to write.
        head_only: Whether the first piece is enough, which tells how the response begins.

    Attributes:
        started: Whether anything has been sent.
        sent: How many bytes of the body.
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
        """Take some bytes from the thread, and send what makes up a piece.

        Raises:
            _ClientDisconnectedError: Nobody reads any more.
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
            _ClientDisconnectedError: Nobody reads any more.
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

    async def take_turn(self) -> None:
        """Wait until it is the turn of this one to be written."""
        await self._turns.acquire_on_behalf_of(self)
        self._has_turn = True

    def end_turn(self) -> None:
        """Let others be written."""
        if self._has_turn:
            self._has_turn = False
            self._turns.release_on_behalf_of(self)

    async def end(self) -> None:
        """Tell the reader that this was all."""
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
