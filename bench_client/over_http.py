"""Questions answered by a service over HTTP, blocking or awaited."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes
from urllib.request import getproxies, proxy_bypass

import httpx
from pydantic import BaseModel

from bench_client.bodies import MOST_ANSWER, Limits, Reply, read_reply, read_reply_awaiting
from bench_client.downloads import Download
from bench_client.errors import InvalidSettingError
from bench_client.export_http import off_the_loop, save, save_awaiting
from bench_client.holding import HoldingPlaces, let_hold
from bench_client.lanes import LANES, Lanes, Pool
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

_SECRET: Final = re.compile(r"//[^/?#]*@")
"""Name and password in an address."""
_HOST: Final = re.compile(r"[\w.:~-]+")
_HIGHEST_PORT: Final = 2**16 - 1
_KEY: Final = re.compile(r"[\x21-\x7e]+")
_LEAST_ANSWER: Final = 1024
"""Bytes that an answer must be allowed to have."""


class Pause(NamedTuple):
    """A step of an exchange: wait."""

    seconds: float


Step: TypeAlias = httpx.Request | Pause | Write


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """How to reach a service; `BenchClient` documents the fields.

    Raises:
        InvalidSettingError: The address or the key is none, or a number is out of range.
    """

    url: str
    timeout: float | None
    retries: int
    api_key: str | None = field(repr=False)
    compress: bool
    cache: bool | str | os.PathLike[str] | None = None
    max_answer: int = MOST_ANSWER

    def __post_init__(self) -> None:
        _check_address(self.url)
        if self.api_key is not None and not _KEY.fullmatch(self.api_key):
            raise InvalidSettingError(
                "api_key ($NASBENCH_API_KEY) holds characters that no key has: a space, a line "
                "end, or none of ASCII"
            )
        if self.retries < 0:
            raise InvalidSettingError(f"retries is {self.retries}; at least 0")
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidSettingError(
                f"timeout is {self.timeout} seconds; more than 0, or None for no end"
            )
        if self.max_answer < _LEAST_ANSWER:
            raise InvalidSettingError(
                f"max_answer is {self.max_answer} bytes; at least {_LEAST_ANSWER}"
            )

    @classmethod
    def of(cls, url: str | None, **options: Any) -> HttpSettings:
        """Return settings with the address that applies: given, `$NASBENCH_URL` or the default.

        A key that is not given is `$NASBENCH_API_KEY`.
        """
        options["api_key"] = options.get("api_key") or os.environ.get(_KEY_VARIABLE) or None
        return cls(url=url or os.environ.get(_URL_VARIABLE) or _DEFAULT_URL, **options)

    @property
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

    def open_pool(self) -> Pool:
        """Return connections for threads."""
        limits = httpx.Limits(
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE,
        )
        return Pool(limits=limits, **self._connection_options())

    def open_lanes(self) -> Lanes:
        """Return connections for the tasks of an event loop."""
        limits = httpx.Limits(max_connections=1, keepalive_expiry=_KEEPALIVE)
        return Lanes(limits=limits, **self._connection_options())

    def _connection_options(self) -> dict[str, Any]:
        url = httpx.URL(self.url)
        headers = {
            "Accept": "application/json",
            # Packing and unpacking cost more than a local network does.
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
            # Waiting for a connection of one's own pool is no fault of the server's.
            "timeout": httpx.Timeout(self.timeout, connect=connect, pool=None),
            "proxy": _proxy_of(url),
            # Loading the certificates takes a hundred times as long as all else.
            "verify": url.scheme == "https",
            # A proxy that the environment names for the world outside knows no local service.
            "trust_env": url.host not in _LOOPBACK,
        }


def _check_address(text: str) -> None:
    """Refuse what is not the address of a service.

    Raises:
        InvalidSettingError: It is not.
    """
    shown = repr(_SECRET.sub("//", text))[:80]
    try:
        url = httpx.URL(text)
        host = url.host
    except (httpx.InvalidURL, ValueError) as error:
        # ValueError: the rules for names beyond ASCII have errors of their own.
        raise InvalidSettingError(f"{shown} is not an address: {error}") from error
    if url.scheme not in {"http", "https"} or not host:
        raise InvalidSettingError(
            f"{shown} is not the address of a service: write http://HOST:PORT, such as "
            f"{_DEFAULT_URL}"
        )
    if not _HOST.fullmatch(host):
        raise InvalidSettingError(f"{shown} is not an address: {host!r:.80} is no host")
    if url.port is not None and not 0 < url.port <= _HIGHEST_PORT:
        raise InvalidSettingError(f"{shown} is not an address: there is no port {url.port}")


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
    headers = {"Accept": question.media_type}
    if question.most is not None:
        headers["Accept-Encoding"] = "identity"  # it is bounded, and checked, as it was made
    request = build(call.method, url, headers=headers)
    outcome = yield from _send_until_settled(request, Retries(settings.retries))
    if isinstance(outcome, httpx.Response):
        return outcome
    read(question, outcome, settings.shown)
    raise AssertionError("a failure was read as an answer")


def _send_until_settled(request: httpx.Request, retries: Retries) -> Generator[Step, Any, Any]:
    outcome = yield request
    attempt = 0
    while (seconds := retries.pause(attempt, outcome)) is not None:
        yield Pause(seconds)
        outcome = yield request
        attempt += 1
    return outcome


class _Transport(ABC):
    """What both kinds of connections to a service have in common.

    Args:
        settings: How to reach it.
        places: How many answers may be held at the same time.
    """

    def __init__(self, settings: HttpSettings, places: int) -> None:
        self._settings = settings
        self._limits = Limits(settings.max_answer, packed=settings.compress, address=settings.shown)
        self._cache = settings.open_cache()
        self._num_places = places
        self._begin()
        # Not at the top: importing the client brings httpx and pydantic only.
        from benchmark_db.forks import watch_forks  # noqa: PLC0415

        watch_forks(self)

    def __repr__(self) -> str:
        return f"({self._settings.shown!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Connections stay where they are: a copy, in whatever process, makes its own.
        return type(self), (self._settings,)

    def fork_locks(self) -> list[threading.Lock]:
        """Return the lock that is held while connections are made."""
        return [self._lock]

    @abstractmethod
    def begin_anew(self) -> object:
        """Leave the connections to the process that made them."""

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._places = HoldingPlaces(self._num_places)


class HttpTransport(_Transport):
    """One pool of connections to a service, shared by threads; each process makes its own.

    Args:
        settings: How to reach it.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._opened: Pool | None = None
        super().__init__(settings, _CONNECTIONS // 2)

    def begin_anew(self) -> object:
        """Leave the connections to the process that made them."""
        left, self._opened = (self._opened, self._places, self._lock), None
        self._begin()
        return left

    def ask(self, question: Question[A]) -> A:
        """Return the answer to a question; errors are those of `exchange`."""
        with self._places.place_for(question) as asked:
            steps = exchange(asked, self._settings, self._pool().build_request, self._cache)
            return drive(steps, self._perform)

    def download(self, question: Download[A]) -> A:
        """Write the answer to a question into its file; errors are those of `exchange`."""
        steps = beginning(question, self._settings, self._pool().build_request)
        with question.opened() as file:
            response = drive(steps, self._begin_download)
            return save(question, response, file, self._limits)

    def close(self) -> None:
        """Close the connections and the cache."""
        if self._opened is not None:
            self._opened.close()
        if self._cache is not None:
            self._cache.close()

    def _pool(self) -> Pool:
        found = self._opened
        if found is None:
            with self._lock:
                found = self._opened = self._opened or self._settings.open_pool()
        return found

    def _perform(self, step: Step) -> Outcome | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        if isinstance(step, Write):
            step.perform()
            return None
        try:
            return self._read(self._pool().send(step))
        except httpx.RequestError as error:
            return error

    def _begin_download(self, step: Step) -> Outcome | httpx.Response | None:
        """Perform a step; the body of an answer is left to be read."""
        if not isinstance(step, httpx.Request):
            return self._perform(step)
        try:
            response = self._pool().send(step)
            return response if response.is_success else self._read(response)
        except httpx.RequestError as error:
            return error

    def _read(self, response: httpx.Response) -> Reply:
        return read_reply(response, self._limits)


class AsyncHttpTransport(_Transport):
    """Connections to a service, shared by the tasks of an event loop; each process makes its own.

    Args:
        settings: How to reach it.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._opened: Lanes | None = None
        super().__init__(settings, LANES // 2)

    def begin_anew(self) -> object:
        """Leave the connections to the process that made them."""
        left, self._opened = (self._opened, self._places, self._lock), None
        self._begin()
        return left

    async def ask(self, question: Question[A]) -> A:
        """Return the answer to a question; errors are those of `exchange`."""
        with self._places.place_for(question) as asked:
            steps = exchange(asked, self._settings, self._lanes().build_request, self._cache)
            return await drive_awaiting(steps, self._perform)

    async def download(self, question: Download[A]) -> A:
        """Write the answer to a question into its file; errors are those of `exchange`."""
        steps = beginning(question, self._settings, self._lanes().build_request)
        async with off_the_loop(question.opened()) as file:
            response = await drive_awaiting(steps, self._begin_download)
            return await save_awaiting(question, response, file, self._limits)

    async def close(self) -> None:
        """Close the connections and the cache."""
        if self._opened is not None:
            await self._opened.close()
        if self._cache is not None:
            await asyncio.to_thread(self._cache.close)

    def _lanes(self) -> Lanes:
        if self._opened is None:
            self._opened = self._settings.open_lanes()
        return self._opened

    async def _perform(self, step: Step) -> Outcome | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        if isinstance(step, Write):
            await asyncio.to_thread(step.perform)
            return None
        try:
            return await self._read(await self._lanes().send(step))
        except httpx.RequestError as error:
            return error

    async def _begin_download(self, step: Step) -> Outcome | httpx.Response | None:
        """Perform a step; the body of an answer is left to be read."""
        if not isinstance(step, httpx.Request):
            return await self._perform(step)
        try:
            response = await self._lanes().send(step)
            return response if response.is_success else await self._read(response)
        except httpx.RequestError as error:
            return error

    async def _read(self, response: httpx.Response) -> Reply:
        return await read_reply_awaiting(response, self._limits)
