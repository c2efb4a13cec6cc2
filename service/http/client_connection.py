"""Whoever reads a response that takes its time, and may be gone.

One who is too slow goes, too: the connection is closed (service/http/protocol.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from starlette.types import Receive, Send

__all__ = ["ClientConnection", "ClientDisconnectedError"]


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

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
