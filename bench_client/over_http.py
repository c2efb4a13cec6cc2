"""Questions answered by a service over HTTP, blocking or awaited.

An exchange is a generator of steps, written once for both: it sends a request, waits and sends it
again while `pause_before_retry` says so, and reads the answer. A long poll, whose answer the server
holds back until a job changes, takes a connection meanwhile; `LongPolls` leaves some to other
questions.
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
from bench_client.downloads import Download, off_the_loop, save, save_awaiting
from bench_client.late_imports import LateModule
from bench_client.operations import Held, Question, Raw, drive, drive_awaiting
from bench_client.responses import Limits, Outcome, Reply, read, read_reply, read_reply_awaiting
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
    "LongPolls",
    "for_long_poll",
    "pause_before_retry",
]

A = TypeVar("A", bound=BaseModel)

RETRIED_STATUS: Final = frozenset({429, 502, 503, 504})
"""Too many requests; no answer from behind a proxy; overloaded."""

_UNAVAILABLE: Final = 503
_FINAL: Final = (b":problem:time-budget-exceeded", b":problem:database-unusable")
"""Ends of the types of problems that stay however often the question is asked."""

LONGEST_PAUSE: Final = 30.0
"""Seconds; a server that asks for a longer pause is not asked again."""

_FIRST_PAUSE: Final = 0.2
"""Seconds; the longest pause before the first retry, doubled for each that follows."""

_DOUBLINGS: Final = 8
"""After so many the pause is past its bound."""

_BROKEN_CONNECTION: Final = (
    httpx.ConnectTimeout,
    httpx.NetworkError,
    httpx.ProxyError,
    httpx.RemoteProtocolError,
)
"""All questions are reads, so one whose answer was cut off may be asked again. A read that timed
out is not: the next would most likely do the same, after as long a wait."""


class Pause(NamedTuple):
    """A step of an exchange: wait."""

    seconds: float


Step: TypeAlias = httpx.Request | Pause


def pause_before_retry(attempt: int, outcome: Outcome, *, limit: int) -> float | None:
    """Return how long to wait before asking again, in seconds; None: do not.

    Full jitter, uniform between zero and a doubling bound, spreads the clients that one overload
    has turned away at the same moment (AWS Architecture Blog, "Exponential Backoff And Jitter").

    Args:
        attempt: How many attempts preceded this one.
        outcome: What came of this one.
        limit: How many times a question is asked again.
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
    """Tell whether asking again is of no use: the question takes too long, or a file is damaged."""
    if response.status_code != _UNAVAILABLE:
        return False
    return any(kind in response.content for kind in _FINAL)


class LongPolls:
    """Limits how many long polls wait at the same time, so that other requests find connections.

    Shared by threads.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)

    @contextmanager
    def admitted(self, question: Question[A]) -> Iterator[Question[A]]:
        """Give the question as it may be asked in the context: at once where too many wait."""
        if not isinstance(question, Held):
            yield question
        elif not self._free.acquire(blocking=False):
            yield question.at_once
        else:
            try:
                yield question
            finally:
                self._free.release()


def for_long_poll(request: httpx.Request, question: Question[Any]) -> httpx.Request:
    """Return a request whose read timeout allows for the time that the server may wait."""
    timeout = request.extensions["timeout"]
    if isinstance(question, Held) and timeout["read"] is not None:
        request.extensions["timeout"] = {**timeout, "read": timeout["read"] + question.seconds}
    return request


def exchange(
    question: Question[A], settings: HttpSettings, build: Callable[..., httpx.Request]
) -> Generator[Step, Any, A]:
    """Ask a question until it is answered or asking again is pointless.

    Yields requests, to be sent the `Outcome` of each, and pauses, to be sent nothing.

    Args:
        question: What is asked.
        settings: How to reach the service.
        build: Makes a request of method, address, content and headers.

    Raises:
        BenchError: It was not answered.
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
    """What both kinds of connections to a service have in common.

    Args:
        settings: How to reach it.
        most_polls: How many long polls may wait at the same time.
    """

    def __init__(self, settings: HttpSettings, most_polls: int) -> None:
        self._settings = settings
        self._limits = Limits(settings.max_answer, packed=settings.compress, address=settings.shown)
        self._most_polls = most_polls
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
        self._polls = LongPolls(self._most_polls)


class HttpTransport(_Transport):
    """One pool of connections to a service, shared by threads; each process makes its own.

    Args:
        settings: How to reach it.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._opened: Pool | None = None
        super().__init__(settings, CONNECTIONS // 2)

    def begin_anew(self) -> object:
        """Leave the connections to the process that made them."""
        left, self._opened = (self._opened, self._polls, self._lock), None
        self._begin()
        return left

    def ask(self, question: Question[A]) -> A:
        """Return the answer to a question; errors are those of `exchange`."""
        with self._polls.admitted(question) as asked:
            steps = exchange(asked, self._settings, self._pool().build_request)
            return drive(steps, self._perform)

    def download(self, question: Download[A]) -> A:
        """Write the answer to a question into its file; errors are those of `exchange`."""
        steps = beginning(question, self._settings, self._pool().build_request)
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
        self._opened: AsyncConnectionPool | None = None
        super().__init__(settings, ASYNC_CONNECTIONS // 2)

    def begin_anew(self) -> object:
        """Leave the connections to the process that made them."""
        left, self._opened = (self._opened, self._polls, self._lock), None
        self._begin()
        return left

    async def ask(self, question: Question[A]) -> A:
        """Return the answer to a question; errors are those of `exchange`."""
        with self._polls.admitted(question) as asked:
            steps = exchange(asked, self._settings, self._pool().build_request)
            return await drive_awaiting(steps, self._perform)

    async def download(self, question: Download[A]) -> A:
        """Write the answer to a question into its file; errors are those of `exchange`."""
        steps = beginning(question, self._settings, self._pool().build_request)
        async with off_the_loop(question.opened()) as file:
            response = await drive_awaiting(steps, self._begin_download)
            return await save_awaiting(question, response, file, self._limits)

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
        """Perform a step; the body of an answer is left to be read."""
        if not isinstance(step, httpx.Request):
            return await self._perform(step)
        try:
            response = await self._pool().send(step)
            return response if response.is_success else await self._read(response)
        except httpx.RequestError as error:
            return error

    async def _read(self, response: httpx.Response) -> Reply:
        return await read_reply_awaiting(response, self._limits)
