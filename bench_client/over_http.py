"""Questions answered by a service over HTTP, blocking or awaited."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes
from urllib.request import getproxies, proxy_bypass

import httpx
from pydantic import BaseModel

from bench_client.downloads import Download
from bench_client.export_http import off_the_loop, save, save_awaiting
from bench_client.holding import HoldingPlaces, let_hold
from bench_client.lanes import LANES, Lanes
from bench_client.operations import Question, drive, drive_awaiting
from bench_client.replies import read
from bench_client.retries import Outcome, Retries
from bench_client.revalidation import Write, ask_through
from bench_client.routes import call_of

if TYPE_CHECKING:
    from bench_client.cache import AnswerCache

__all__ = ["AsyncHttpTransport", "HttpSettings", "HttpTransport"]

A = TypeVar("A", bound=BaseModel)

_URL_VARIABLE: Final = "NASBENCH_URL"
_KEY_VARIABLE: Final = "NASBENCH_API_KEY"
_DEFAULT_URL: Final = "http://127.0.0.1:8000"
_CONNECT_TIMEOUT: Final = 5.0
"""Seconds; a host that is there answers a connection at once, however busy it is."""

_CONNECTIONS: Final = 32
_KEEPALIVE: Final = 4.0
"""Seconds; below the five after which most servers close an idle connection, lest a question
leave on one that is being closed."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Pause(NamedTuple):
    """A step of an exchange: wait."""

    seconds: float


Step: TypeAlias = httpx.Request | Pause | Write


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """How to reach a service; `BenchClient` documents the fields.

    Raises:
        ValueError: The address is none, or a number is out of range.
    """

    url: str
    timeout: float | None
    retries: int
    api_key: str | None = field(repr=False)
    compress: bool
    cache: bool | str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ValueError(f"{self.url!r:.80} is not an address: {error}") from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError(
                f"{self.url!r:.80} is not the address of a service: write http://HOST:PORT"
            )
        if self.retries < 0:
            raise ValueError(f"retries is {self.retries}; at least 0")
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"timeout is {self.timeout} seconds; more than 0, or None for no end")

    @classmethod
    def of(cls, url: str | None, **options: Any) -> HttpSettings:
        """Return settings with the address that applies: given, `$NASBENCH_URL` or the default.

        A key that is not given is `$NASBENCH_API_KEY`.
        """
        options["api_key"] = options.get("api_key") or os.environ.get(_KEY_VARIABLE) or None
        return cls(url=url or os.environ.get(_URL_VARIABLE) or _DEFAULT_URL, **options)

    @cached_property
    def shown(self) -> str:
        """The address without the secrets it may contain."""
        url = httpx.URL(self.url)
        return str(url.copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/")

    def open_cache(self) -> AnswerCache | None:
        """Return the cache for the answers of this service to this caller, if one is wanted.

        Raises:
            OSError: Its file cannot be opened.
            ValueError: Its file is something else.
        """
        if self.cache is None or self.cache is False:
            return None
        # Not at the top: whoever keeps nothing needs no SQLite.
        from bench_client.cache import AnswerCache, default_file, owner_of  # noqa: PLC0415

        path = default_file() if self.cache is True else Path(self.cache).expanduser()
        address = str(httpx.URL(self.url)).rstrip("/")
        return AnswerCache(path, owner_of(address, self.api_key))

    def pool_options(self) -> dict[str, Any]:
        """Return the arguments of httpx's clients."""
        url = httpx.URL(self.url)
        headers = {
            "Accept": "application/json",
            # Packing and unpacking cost more than a local network does.
            "Accept-Encoding": "gzip" if self.compress else "identity",
            "User-Agent": "bench-client",
        }
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        connect = _CONNECT_TIMEOUT if self.timeout is None else min(_CONNECT_TIMEOUT, self.timeout)
        return {
            "headers": headers,
            # Waiting for a connection of one's own pool is no fault of the server's.
            "timeout": httpx.Timeout(self.timeout, connect=connect, pool=None),
            "limits": httpx.Limits(
                max_connections=_CONNECTIONS,
                max_keepalive_connections=_CONNECTIONS,
                keepalive_expiry=_KEEPALIVE,
            ),
            # Loading the certificates takes a hundred times as long as all else.
            "verify": url.scheme == "https",
            # A proxy that the environment names for the world outside knows no local service.
            "trust_env": url.host not in _LOOPBACK,
        }

    def open_lanes(self) -> Lanes:
        """Return connections for the tasks of an event loop."""
        options = self.pool_options()
        url = httpx.URL(self.url)
        if url.userinfo:
            secret = base64.b64encode(unquote_to_bytes(url.userinfo)).decode()
            options["headers"]["Authorization"] = f"Basic {secret}"
        return Lanes(
            headers=options["headers"],
            timeout=options["timeout"],
            limits=httpx.Limits(max_connections=1, keepalive_expiry=_KEEPALIVE),
            proxy=_proxy_of(url),
            verify=options["verify"],
            trust_env=options["trust_env"],
        )


def _proxy_of(url: httpx.URL) -> str | None:
    """Return the proxy that the environment names for an address; a local service has none.

    httpx looks for it itself, but not where a transport is given.
    """
    if url.host in _LOOPBACK or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def exchange(
    question: Question[A],
    settings: HttpSettings,
    build: Callable[..., httpx.Request],
    cache: AnswerCache | None = None,
) -> Generator[Step, Any, A]:
    """Ask a question until it is answered or asking again is pointless.

    Yields requests, to be sent the `Outcome` of each, and pauses and writes, to be sent nothing.

    Args:
        question: What is asked.
        settings: How to reach the service.
        build: Makes a request of method, address, content and headers.
        cache: Answers to GET at hand, if they are kept.

    Raises:
        BenchError: It was not answered.
    """
    call = call_of(question)
    url = settings.url.rstrip("/") + call.target

    def send(headers: Mapping[str, str]) -> Generator[Step, Any, Outcome]:
        request = let_hold(build(call.method, url, content=call.body, headers=headers), question)
        return _send_until_settled(request, Retries(settings.retries))

    if call.body is not None:
        outcome = yield from send({"Content-Type": "application/json"})
        return read(question, outcome, settings.shown)
    if cache is None:
        return read(question, (yield from send({})), settings.shown)
    return (yield from ask_through(cache, question, call.target, send, settings.shown))


def beginning(
    question: Download[Any], settings: HttpSettings, build: Callable[..., httpx.Request]
) -> Generator[Step, Any, httpx.Response]:
    """Ask for a download until it begins; steps and errors are those of `exchange`."""
    call = call_of(question)
    url = settings.url.rstrip("/") + call.target
    request = build(call.method, url, headers={"Accept": question.media_type})
    outcome = yield from _send_until_settled(request, Retries(settings.retries))
    if isinstance(outcome, httpx.Response) and outcome.is_success:
        return outcome
    read(question, outcome, settings.shown)
    raise AssertionError("a failure was read as an answer")


def _send_until_settled(request: httpx.Request, retries: Retries) -> Generator[Step, Any, Outcome]:
    outcome: Outcome = yield request
    attempt = 0
    while (seconds := retries.pause(attempt, outcome)) is not None:
        yield Pause(seconds)
        outcome = yield request
        attempt += 1
    return outcome


class HttpTransport:
    """One pool of connections to a service, shared by threads.

    Args:
        settings: How to reach it.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._cache = settings.open_cache()
        self._http = httpx.Client(**settings.pool_options())
        self._places = HoldingPlaces(_CONNECTIONS // 2)

    def __repr__(self) -> str:
        return f"({self._settings.shown!r})"

    def ask(self, question: Question[A]) -> A:
        """Return the answer to a question; errors are those of `exchange`."""
        with self._places.place_for(question) as asked:
            steps = exchange(asked, self._settings, self._http.build_request, self._cache)
            return drive(steps, self._perform)

    def download(self, question: Download[A]) -> A:
        """Write the answer to a question into its file; errors are those of `exchange`."""
        steps = beginning(question, self._settings, self._http.build_request)
        with question.opened() as file:
            return save(question, drive(steps, self._begin), file, self._settings.shown)

    def close(self) -> None:
        """Close the connections and the cache."""
        self._http.close()
        if self._cache is not None:
            self._cache.close()

    def _perform(self, step: Step) -> Outcome | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        if isinstance(step, Write):
            step.perform()
            return None
        try:
            return self._http.send(step)
        except httpx.RequestError as error:
            return error

    def _begin(self, step: Step) -> Outcome | None:
        """Perform a step; the body of an answer is left to be read."""
        if not isinstance(step, httpx.Request):
            return self._perform(step)
        try:
            response = self._http.send(step, stream=True)
            if not response.is_success:
                response.read()
        except httpx.RequestError as error:
            return error
        return response


class AsyncHttpTransport:
    """One pool of connections to a service, shared by the tasks of an event loop.

    Args:
        settings: How to reach it.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._cache = settings.open_cache()
        self._lanes = settings.open_lanes()
        self._places = HoldingPlaces(LANES // 2)

    def __repr__(self) -> str:
        return f"({self._settings.shown!r})"

    async def ask(self, question: Question[A]) -> A:
        """Return the answer to a question; errors are those of `exchange`."""
        with self._places.place_for(question) as asked:
            steps = exchange(asked, self._settings, self._lanes.build_request, self._cache)
            return await drive_awaiting(steps, self._perform)

    async def download(self, question: Download[A]) -> A:
        """Write the answer to a question into its file; errors are those of `exchange`."""
        steps = beginning(question, self._settings, self._lanes.build_request)
        async with off_the_loop(question.opened()) as file:
            response = await drive_awaiting(steps, self._begin)
            return await save_awaiting(question, response, file, self._settings.shown)

    async def close(self) -> None:
        """Close the connections and the cache."""
        await self._lanes.close()
        if self._cache is not None:
            await asyncio.to_thread(self._cache.close)

    async def _perform(self, step: Step) -> Outcome | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        if isinstance(step, Write):
            await asyncio.to_thread(step.perform)
            return None
        try:
            response = await self._lanes.send(step)
            await response.aread()
        except httpx.RequestError as error:
            return error
        return response

    async def _begin(self, step: Step) -> Outcome | None:
        """Perform a step; the body of an answer is left to be read."""
        if not isinstance(step, httpx.Request):
            return await self._perform(step)
        try:
            response = await self._lanes.send(step)
            if not response.is_success:
                await response.aread()
        except httpx.RequestError as error:
            return error
        return response
