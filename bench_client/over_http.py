"""The blocking and the async HTTP transport.

`exchange` is a generator of steps, written once for both: it sends a request, repeats it as long as
`pause_before_retry` returns a pause, and reads the response. A long poll occupies a connection
while the server delays its answer; `LongPollLimit` keeps some connections free for other requests.
"""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

import httpx
from pydantic import BaseModel

from bench_client.connections import (
    ASYNC_CONNECTIONS,
    CONNECTIONS,
    AsyncConnectionPool,
    HttpSettings,
    Pool,
)
from bench_client.downloads import Download, in_thread, save, save_async
from bench_client.late_imports import LateModule
from bench_client.operations import LongPoll, Question, Raw, drive, drive_async
from bench_client.responses import Limits, Outcome, Reply, read, read_reply, read_reply_async
from bench_client.routes import call_of
from bench_client.untrusted import retry_seconds

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

__all__ = [
    "LONGEST_PAUSE",
    "RETRIED_STATUS",
    "AsyncHttpTransport",
    "HttpTransport",
    "LongPollLimit",
    "for_long_poll",
    "pause_before_retry",
]

A = TypeVar("A", bound=BaseModel)

RETRIED_STATUS: Final = frozenset({429, 502, 503, 504})
"""Too many requests (429), overloaded (503), and a proxy that got no answer (502, 504)."""

_UNAVAILABLE: Final = 503
_FINAL: Final = (b":problem:time-budget-exceeded", b":problem:database-unusable")
"""Endings of the types of 503 problems that a retry does not solve."""

LONGEST_PAUSE: Final = 30.0
"""Seconds; if a server asks for a longer pause, the request is not retried."""

_FIRST_PAUSE: Final = 0.2
"""Seconds; upper bound of the pause before the first retry, doubled for each further retry."""

_DOUBLINGS: Final = 8
"""After so many doublings the bound exceeds `LONGEST_PAUSE`; more could overflow."""

_BROKEN_CONNECTION: Final = (
    httpx.ConnectTimeout,
    httpx.NetworkError,
    httpx.ProxyError,
    httpx.RemoteProtocolError,
)
"""Errors after which a request is retried: requests are idempotent. Read timeouts are not among
them, because a second attempt would most likely time out too, after the same wait."""


class Pause(NamedTuple):
    """A step of an exchange: sleep before the next step."""

    seconds: float


Step: TypeAlias = httpx.Request | Pause


def pause_before_retry(attempt: int, outcome: Outcome, *, limit: int) -> float | None:
    """Return how long to wait before a retry, in seconds; None: do not retry.

    Full jitter, uniform between zero and a doubling bound, spreads the retries of clients that
    were rejected at the same moment (AWS Architecture Blog, "Exponential Backoff And Jitter").

    Args:
        attempt: How many attempts preceded this one.
        outcome: The response or error of this attempt.
        limit: Maximum number of retries.
    """
    if attempt >= limit or not _is_passing(outcome):
        return None
    asked = None
    if not isinstance(outcome, httpx.RequestError):
        asked = retry_seconds(outcome.headers.get("Retry-After"))
    if asked is not None and asked > LONGEST_PAUSE:
        return None
    bound = min(LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempt, _DOUBLINGS))
    jitter = random.uniform(0, bound)  # noqa: S311 - spreads callers, keeps no secret
    return min(LONGEST_PAUSE, (asked or 0.0) + jitter)


def _is_passing(outcome: Outcome) -> bool:
    if isinstance(outcome, httpx.RequestError):
        return isinstance(outcome, _BROKEN_CONNECTION)
    return outcome.status_code in RETRIED_STATUS and not _is_final(outcome)


def _is_final(response: Reply) -> bool:
    """Return whether a retry is useless: the query takes too long, or a database is damaged."""
    if response.status_code != _UNAVAILABLE:
        return False
    return any(kind in response.content for kind in _FINAL)


class LongPollLimit:
    """Limits concurrent long polls, so that other requests find free connections. Thread-safe.

    Args:
        most: Maximum number of concurrent long polls.
    """

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)

    @contextmanager
    def admitted(self, question: Question[A]) -> Iterator[Question[A]]:
        """Yield the question; a long poll without its delay if too many of them are open."""
        if not isinstance(question, LongPoll):
            yield question
        elif not self._free.acquire(blocking=False):
            yield question.without_delay
        else:
            try:
                yield question
            finally:
                self._free.release()


def for_long_poll(request: httpx.Request, question: Question[Any]) -> httpx.Request:
    """Add the delay of a long poll to the read timeout of its request, and return the request."""
    timeout = request.extensions["timeout"]
    if isinstance(question, LongPoll) and timeout["read"] is not None:
        request.extensions["timeout"] = {**timeout, "read": timeout["read"] + question.seconds}
    return request


def exchange(
    question: Question[A], settings: HttpSettings, build: Callable[..., httpx.Request]
) -> Generator[Step, Any, A]:
    """Send a request, with retries, and return the parsed answer.

    Yields requests, and expects the `Outcome` of each, and pauses, after which it expects nothing.

    Args:
        question: The question.
        settings: How to reach the service.
        build: Makes a request from method, address, content and headers.

    Raises:
        BenchError: No attempt got a valid answer.
    """
    call = call_of(question)
    url = settings.url.rstrip("/") + call.target
    media = {} if call.body is None else {"Content-Type": "application/json"}
    if isinstance(question, Raw):
        media["Accept"] = question.media_type
    headers = {**media, **call.headers}
    request = for_long_poll(build(call.method, url, content=call.body, headers=headers), question)
    outcome = yield from _send_until_settled(request, settings.retries)
    return read(question, outcome, settings.shown)


def start_download(
    question: Download[Any], settings: HttpSettings, build: Callable[..., httpx.Request]
) -> Generator[Step, Any, httpx.Response]:
    """Start a download, with retries, and return its response with the body unread.

    Steps and errors are those of `exchange`.
    """
    call = call_of(question)
    url = settings.url.rstrip("/") + call.target
    headers = {"Accept": question.media_type}
    if question.most is not None:
        headers["Accept-Encoding"] = "identity"  # size and digest are those of the plain file
    request = build(call.method, url, headers=headers)
    outcome = yield from _send_until_settled(request, settings.retries)
    if isinstance(outcome, httpx.Response):
        return outcome
    read(question, outcome, settings.shown)
    raise AssertionError("a failure was read as an answer")


def _send_until_settled(request: httpx.Request, retries: int) -> Generator[Step, Any, Any]:
    outcome = yield request
    attempt = 0
    while (seconds := pause_before_retry(attempt, outcome, limit=retries)) is not None:
        yield Pause(seconds)
        outcome = yield request
        attempt += 1
    return outcome


class _Transport(ABC):
    """Behaviour that the blocking and the async transport share.

    Args:
        settings: How to reach the service.
        most_polls: Maximum number of concurrent long polls.
    """

    def __init__(self, settings: HttpSettings, most_polls: int) -> None:
        self._settings = settings
        self._limits = Limits(settings.max_answer, packed=settings.compress, address=settings.shown)
        self._most_polls = most_polls
        self._begin()
        # Imported here so that importing the client loads only httpx and pydantic.
        from benchmark_db.forks import watch_forks  # noqa: PLC0415

        watch_forks(self)

    def __repr__(self) -> str:
        return f"({self._settings.shown!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Connections are not copied: the copy opens its own.
        return type(self), (self._settings,)

    def fork_locks(self) -> list[threading.Lock]:
        """Return the lock that guards the opening of connections."""
        return [self._lock]

    @abstractmethod
    def reset_after_fork(self) -> object:
        """Drop the connections in a forked child; return them, so that they are not closed."""

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._polls = LongPollLimit(self._most_polls)


class HttpTransport(_Transport):
    """Blocking transport: a connection pool that threads share; each process opens its own.

    Args:
        settings: How to reach the service.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._opened: Pool | None = None
        super().__init__(settings, CONNECTIONS // 2)

    def reset_after_fork(self) -> object:
        """Drop the connections in a forked child; return them, so that they are not closed."""
        left, self._opened = (self._opened, self._polls, self._lock), None
        self._begin()
        return left

    def ask(self, question: Question[A]) -> A:
        """Answer a question; errors are those of `exchange`."""
        with self._polls.admitted(question) as asked:
            steps = exchange(asked, self._settings, self._pool().build_request)
            return drive(steps, self._perform)

    def download(self, question: Download[A]) -> A:
        """Download the answer to a question into its file; errors are those of `exchange`."""
        steps = start_download(question, self._settings, self._pool().build_request)
        with question.opened() as file:
            response = drive(steps, self._begin_download)
            return save(question, response, file, self._limits)

    def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            self._opened.close()

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
        try:
            return self._read(self._pool().send(step))
        except httpx.RequestError as error:
            return error

    def _begin_download(self, step: Step) -> Outcome | httpx.Response | None:
        """Perform a step, leaving the body of a successful response unread."""
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
    """Async transport: connections that the tasks of an event loop share, opened by each process.

    Args:
        settings: How to reach the service.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._opened: AsyncConnectionPool | None = None
        super().__init__(settings, ASYNC_CONNECTIONS // 2)

    def reset_after_fork(self) -> object:
        """Drop the connections in a forked child; return them, so that they are not closed."""
        left, self._opened = (self._opened, self._polls, self._lock), None
        self._begin()
        return left

    async def ask(self, question: Question[A]) -> A:
        """Answer a question; errors are those of `exchange`."""
        with self._polls.admitted(question) as asked:
            steps = exchange(asked, self._settings, self._pool().build_request)
            return await drive_async(steps, self._perform)

    async def download(self, question: Download[A]) -> A:
        """Download the answer to a question into its file; errors are those of `exchange`."""
        steps = start_download(question, self._settings, self._pool().build_request)
        async with in_thread(question.opened()) as file:
            response = await drive_async(steps, self._begin_download)
            return await save_async(question, response, file, self._limits)

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()

    def _pool(self) -> AsyncConnectionPool:
        if self._opened is None:
            self._opened = self._settings.open_async_pool()
        return self._opened

    async def _perform(self, step: Step) -> Outcome | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._read(await self._pool().send(step))
        except httpx.RequestError as error:
            return error

    async def _begin_download(self, step: Step) -> Outcome | httpx.Response | None:
        """Perform a step, leaving the body of a successful response unread."""
        if not isinstance(step, httpx.Request):
            return await self._perform(step)
        try:
            response = await self._pool().send(step)
            return response if response.is_success else await self._read(response)
        except httpx.RequestError as error:
            return error

    async def _read(self, response: httpx.Response) -> Reply:
        return await read_reply_async(response, self._limits)
