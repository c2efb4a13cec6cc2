"""Address, API key and limits of a service, and the connection pools of both clients.

The pools use httpx's transports directly. httpx's clients also handle cookies, redirects and
credentials, which this service never sends and which another server should not be trusted with. The
pool of the async client has eight connections with one request each: httpx's own pool scans every
connection on each request, which took half the time of a response.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes
from urllib.request import getproxies, proxy_bypass

import httpx

from bench_client.errors import InvalidSettingError
from bench_client.late_imports import LateModule
from bench_client.responses import MAX_ANSWER_BYTES

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

__all__ = ["ASYNC_CONNECTIONS", "CONNECTIONS", "AsyncConnectionPool", "HttpSettings", "Pool"]

_URL_VARIABLE: Final = "NASBENCH_URL"
_KEY_VARIABLE: Final = "NASBENCH_API_KEY"
_DEFAULT_URL: Final = "http://127.0.0.1:8000"
_CONNECT_TIMEOUT: Final = 5.0
"""Seconds; the system of a reachable host accepts connections at once, even under load."""

CONNECTIONS: Final = 32
"""Concurrent connections of a client that threads share."""
_KEEPALIVE: Final = 4.0
"""Seconds; below the five after which most servers close an idle connection, so that no request is
sent on a connection that is being closed."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_SECRET: Final = re.compile(r"//[^/?#]*@")
"""User name and password in a URL."""
_HOST: Final = re.compile(r"[\w.:~-]+")
_LONGEST_NAME: Final = 253
_LONGEST_PART: Final = 63
_HIGHEST_PORT: Final = 2**16 - 1
_KEY: Final = re.compile(r"[\x21-\x7e]+")
_LEAST_ANSWER: Final = 1024
"""Smallest value of `max_answer`, in bytes."""
ASYNC_CONNECTIONS: Final = 8
"""Concurrent requests. More do not make one service faster, and delay the first responses of a
thousand tasks until the last."""


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """How to reach a service; `BenchClient` documents the fields.

    Raises:
        InvalidSettingError: The address or the API key is malformed, or a number is out of range.
    """

    url: str
    timeout: float | None
    retries: int
    api_key: str | None = field(repr=False)
    compress: bool
    max_answer: int = MAX_ANSWER_BYTES

    def __post_init__(self) -> None:
        _check_address(self.url)
        timeout: object = self.timeout
        if isinstance(timeout, bool) or not isinstance(timeout, int | float | None):
            raise InvalidSettingError(f"timeout is {timeout!r:.80}, not a number of seconds")
        if self.api_key is not None and not _KEY.fullmatch(self.api_key):
            raise InvalidSettingError(
                "api_key ($NASBENCH_API_KEY) holds characters that no key has, such as a space, a "
                "line end or a character outside ASCII"
            )
        if self.retries < 0:
            raise InvalidSettingError(f"retries is {self.retries}; it must be at least 0")
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidSettingError(
                f"timeout is {self.timeout} seconds; it must be above 0, or None for no limit"
            )
        if self.max_answer < _LEAST_ANSWER:
            raise InvalidSettingError(
                f"max_answer is {self.max_answer} bytes; it must be at least {_LEAST_ANSWER}"
            )

    @classmethod
    def of(cls, url: str | None, **options: Any) -> HttpSettings:
        """Return settings, with address and API key from the environment if they are not given.

        The address is `$NASBENCH_URL`, else the default; the key is `$NASBENCH_API_KEY`.
        """
        options["api_key"] = options.get("api_key") or os.environ.get(_KEY_VARIABLE) or None
        return cls(url=url or os.environ.get(_URL_VARIABLE) or _DEFAULT_URL, **options)

    @property
    def shown(self) -> str:
        """The address without user name, password, query and fragment, for messages."""
        url = httpx.URL(self.url)
        return str(url.copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/")

    def open_pool(self) -> Pool:
        """Return a connection pool for threads."""
        limits = httpx.Limits(
            max_connections=CONNECTIONS,
            max_keepalive_connections=CONNECTIONS,
            keepalive_expiry=_KEEPALIVE,
        )
        return Pool(limits=limits, **self._connection_options())

    def open_async_pool(self) -> AsyncConnectionPool:
        """Return a connection pool for the tasks of an event loop."""
        limits = httpx.Limits(max_connections=1, keepalive_expiry=_KEEPALIVE)
        return AsyncConnectionPool(limits=limits, **self._connection_options())

    def _connection_options(self) -> dict[str, Any]:
        url = httpx.URL(self.url)
        headers = {
            "Accept": "application/json",
            # In a local network, compression takes longer than it saves.
            "Accept-Encoding": "gzip" if self.compress else "identity",
            "User-Agent": "bench-client",
        }
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        if url.userinfo:
            secret = base64.b64encode(unquote_to_bytes(url.userinfo)).decode()
            headers["Authorization"] = f"Basic {secret}"
        connect = _CONNECT_TIMEOUT if self.timeout is None else min(_CONNECT_TIMEOUT, self.timeout)
        return {
            "headers": headers,
            # Waiting for a free connection of the pool is not limited: the server is not at fault.
            "timeout": httpx.Timeout(self.timeout, connect=connect, pool=None),
            "proxy": _proxy_of(url),
            # Loading the certificates takes a hundred times as long as the rest of the setup.
            "verify": url.scheme == "https",
            # A proxy named in the environment cannot reach a service on this machine.
            "trust_env": url.host not in _LOOPBACK,
        }


def _check_address(text: str) -> None:
    """Check the address of a service.

    Raises:
        InvalidSettingError: The text is not an `http` or `https` address.
    """
    if not isinstance(text, str):
        raise InvalidSettingError(
            f"{text!r:.80} is not the address of a service: write http://HOST:PORT, such as "
            "http://127.0.0.1:8000, as text"
        )
    shown = repr(_SECRET.sub("//", text))[:80]
    try:
        url = httpx.URL(text)
        host = url.host
    except (httpx.InvalidURL, ValueError) as error:
        # The rules for names beyond ASCII raise other ValueErrors.
        raise InvalidSettingError(f"{shown} is not an address: {error}") from error
    if url.scheme not in {"http", "https"} or not host:
        raise InvalidSettingError(
            f"{shown} is not the address of a service: write http://HOST:PORT, such as "
            f"{_DEFAULT_URL}"
        )
    if not _HOST.fullmatch(host) or not _is_resolvable(url.raw_host.decode("ascii")):
        raise InvalidSettingError(f"{shown} is not an address: {host!r:.80} is not a host name")
    if url.port is not None and not 0 < url.port <= _HIGHEST_PORT:
        raise InvalidSettingError(f"{shown} is not an address: there is no port {url.port}")


def _is_resolvable(host: str) -> bool:
    """Return whether a host name is within the length limits of DNS (RFC 1035, section 2.3.4)."""
    parts = host.removesuffix(".").split(".")
    return len(host) <= _LONGEST_NAME and all(0 < len(part) <= _LONGEST_PART for part in parts)


def _proxy_of(url: httpx.URL) -> str | None:
    """Return the proxy that the environment names for an address; None for this machine.

    httpx reads the environment itself, but only in its clients, not in its transports.
    """
    if url.host in _LOOPBACK or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


class _Connections:
    """Builds requests.

    Args:
        headers: Headers of every request.
        timeout: Timeout of every request.
    """

    def __init__(self, *, headers: Mapping[str, str], timeout: httpx.Timeout) -> None:
        self._headers = dict(headers)
        self._extensions = {"timeout": timeout.as_dict()}

    def build_request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        """Return a request with the common headers and its own."""
        return httpx.Request(
            method,
            url,
            content=content,
            headers={**self._headers, **(headers or {})},
            extensions=self._extensions,
        )


class Pool(_Connections):
    """Connection pool that threads share.

    Args:
        headers: Headers of every request.
        timeout: Timeout of every request.
        options: Options of httpx's transport.
    """

    def __init__(
        self, *, headers: Mapping[str, str], timeout: httpx.Timeout, **options: Any
    ) -> None:
        super().__init__(headers=headers, timeout=timeout)
        self._transport = httpx.HTTPTransport(**options)

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its connection is free again once the response is read or closed.

        Raises:
            httpx.RequestError: No response arrived.
        """
        response = self._transport.handle_request(request)
        response.request = request
        return response

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class AsyncConnectionPool(_Connections):
    """Connection pool for the tasks of an event loop; tasks wait until a connection is free.

    Args:
        headers: Headers of every request.
        timeout: Timeout of every request.
        options: Options of httpx's transport, for each connection.
    """

    def __init__(
        self, *, headers: Mapping[str, str], timeout: httpx.Timeout, **options: Any
    ) -> None:
        super().__init__(headers=headers, timeout=timeout)
        self._transports = [httpx.AsyncHTTPTransport(**options) for _ in range(ASYNC_CONNECTIONS)]
        self._free = list(reversed(self._transports))
        self._turns = asyncio.Semaphore(ASYNC_CONNECTIONS)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its connection is free again once the response is read or closed.

        Raises:
            httpx.RequestError: No response arrived.
        """
        await self._turns.acquire()
        # The connection used last is the least likely to have been closed meanwhile.
        transport = self._free.pop()

        def release() -> None:
            self._free.append(transport)
            self._turns.release()

        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            release()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - httpx's own type
        response.stream = _BodyHoldingConnection(response.stream, release)
        response.request = request
        return response

    async def close(self) -> None:
        """Close the connections."""
        for transport in self._transports:
            await transport.aclose()


class _BodyHoldingConnection(httpx.AsyncByteStream):
    """The body of a response, which occupies its connection until it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, release: Callable[[], None]) -> None:
        self._stream = stream
        self._release: Callable[[], None] | None = release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            if self._release is not None:
                self._release()
                self._release = None
