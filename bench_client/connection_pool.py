"""Connection pools of the two clients, made of httpx's transports.

httpx's own clients also look for cookies, redirects and credentials, which a service like this
never sends and another one need not be believed.

Connection pool of the async client: eight connections, one request each. httpx's own pool scans
every connection on each request, which took half the time of an answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import httpx

from bench_client.late_imports import LateModule

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

__all__ = ["ASYNC_CONNECTIONS", "AsyncConnectionPool", "Pool"]

ASYNC_CONNECTIONS: Final = 8
"""Requests under way at the same time. More make one service no faster, and the answers of a
thousand tasks would come together at the end."""


class _Connections:
    """Makes the requests of a service.

    Args:
        headers: Of every request.
        timeout: Of every request.
    """

    def __init__(self, *, headers: Mapping[str, str], timeout: httpx.Timeout) -> None:
        self._headers = dict(headers)
        self._extensions = {"timeout": timeout.as_dict()}

    def build_request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        """Return a request with the headers of all and its own."""
        return httpx.Request(
            method,
            url,
            content=content,
            headers={**self._headers, **(headers or {})},
            extensions=self._extensions,
        )


class Pool(_Connections):
    """Connections that threads share.

    Args:
        headers: Of every request.
        timeout: Of every request.
        options: Of httpx's transport.
    """

    def __init__(
        self, *, headers: Mapping[str, str], timeout: httpx.Timeout, **options: Any
    ) -> None:
        super().__init__(headers=headers, timeout=timeout)
        self._transport = httpx.HTTPTransport(**options)

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its connection is free again once the answer is read or closed.

        Raises:
            httpx.RequestError: No answer begins.
        """
        response = self._transport.handle_request(request)
        response.request = request
        return response

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class AsyncConnectionPool(_Connections):
    """Sends each request over a connection that no other is using; the rest wait for their turn.

    Args:
        headers: Of every request.
        timeout: Of every request.
        options: Of httpx's transport, for each connection.
    """

    def __init__(
        self, *, headers: Mapping[str, str], timeout: httpx.Timeout, **options: Any
    ) -> None:
        super().__init__(headers=headers, timeout=timeout)
        self._transports = [httpx.AsyncHTTPTransport(**options) for _ in range(ASYNC_CONNECTIONS)]
        self._free = list(reversed(self._transports))
        self._turns = asyncio.Semaphore(ASYNC_CONNECTIONS)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its connection is free again once the answer is read or closed.

        Raises:
            httpx.RequestError: No answer begins.
        """
        await self._turns.acquire()
        # The one used last, whose connection is least likely to have been closed meanwhile.
        transport = self._free.pop()

        def leave() -> None:
            self._free.append(transport)
            self._turns.release()

        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            leave()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - httpx's own type
        response.stream = _Occupying(response.stream, leave)
        response.request = request
        return response

    async def close(self) -> None:
        """Close the connections."""
        for transport in self._transports:
            await transport.aclose()


class _Occupying(httpx.AsyncByteStream):
    """The body of an answer, which occupies its connection until it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, leave: Callable[[], None]) -> None:
        self._stream = stream
        self._leave: Callable[[], None] | None = leave

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            if self._leave is not None:
                self._leave()
                self._leave = None
