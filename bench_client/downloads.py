"""Downloads into files, which are complete or do not exist.

A `Download` is a question whose answer is a file; over HTTP, `save` and `save_async` write the
body as it arrives.
"""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    closing,
    contextmanager,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar
from uuid import uuid4

import httpx
from pydantic import BaseModel

from bench_client.errors import (
    BenchError,
    RequestTimeoutError,
    ServerUnreachableError,
    UnexpectedAnswerError,
)
from bench_client.late_imports import LateModule
from bench_client.operations import Question
from bench_client.responses import Body, Limits
from bench_client.untrusted import request_id

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = LateModule("asyncio")

__all__ = ["Download", "in_thread", "replacing", "save", "save_async"]

A = TypeVar("A", bound=BaseModel)

_PIECE: Final = 1024 * 1024
"""Bytes that are written at a time."""


@dataclass(frozen=True, slots=True)
class Download(Question[A], ABC):
    """A question whose answer is written to a file; subclasses check and describe the response.

    Attributes:
        opened: Context manager that opens the file and moves it to its place at the end; after an
            error it leaves nothing behind.
    """

    opened: Callable[[], AbstractContextManager[BinaryIO]] = field(kw_only=True)

    @property
    @abstractmethod
    def media_type(self) -> str:
        """Media type of the file."""

    @property
    def most(self) -> int | None:
        """Largest size of the file in bytes, if known; None: no limit."""
        return None

    @abstractmethod
    def described(self, headers: Mapping[str, str]) -> A | None:
        """Parse the headers of the response; None if it is not the requested file."""


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file in the folder of a target, which it replaces once it is complete."""
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: name a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder does not exist", str(target))
    part = target.with_name(f".{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def save(question: Download[A], response: httpx.Response, file: BinaryIO, limits: Limits) -> A:
    """Write the body of a response to a file.

    Args:
        question: The question.
        response: The response, its body unread.
        file: File for the body.
        limits: Limits of the response, except its size, which the question limits.

    Raises:
        BenchError: The response is not the requested file or too large, or the connection broke.
    """
    with closing(response):
        described = _described(question, response, limits.address)
        body = _body(question, response, limits)
        try:
            for raw in response.iter_raw(_PIECE):
                file.writelines(body.pieces(raw))
        except httpx.RequestError as error:
            raise _broken_off(error, response, limits.address) from error
        body.end()
    return described


async def save_async(
    question: Download[A], response: httpx.Response, file: BinaryIO, limits: Limits
) -> A:
    """Write the body of a response to a file as `save` does, without blocking the event loop."""
    async with aclosing(response):
        described = _described(question, response, limits.address)
        body = _body(question, response, limits)
        try:
            async for raw in response.aiter_raw(_PIECE):
                await asyncio.to_thread(file.writelines, body.pieces(raw))
        except httpx.RequestError as error:
            raise _broken_off(error, response, limits.address) from error
        body.end()
    return described


@asynccontextmanager
async def in_thread(opened: AbstractContextManager[BinaryIO]) -> AsyncIterator[BinaryIO]:
    """Enter and leave a blocking context manager in a thread."""
    file = await asyncio.to_thread(opened.__enter__)
    try:
        yield file
    except BaseException as error:
        await asyncio.to_thread(opened.__exit__, type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(opened.__exit__, None, None, None)


def _body(question: Download[Any], response: httpx.Response, limits: Limits) -> Body:
    packed = limits.packed and question.most is None
    return Body(response, limits._replace(most=question.most, packed=packed))


def _described(question: Download[A], response: httpx.Response, address: str) -> A:
    """Return the answer that the headers of a response give.

    Raises:
        UnexpectedAnswerError: The response is not the requested file.
    """
    found = question.described(response.headers)
    if found is None:
        raise UnexpectedAnswerError(
            f"{address} answered {response.status_code}, but not with an {question.topic} of the "
            "benchmark service; is the address right, or did a proxy answer?",
            request_id=request_id(response.headers),
        )
    return found


def _broken_off(error: httpx.RequestError, response: httpx.Response, address: str) -> BenchError:
    reason = str(error) or type(error).__name__
    late = isinstance(error, httpx.TimeoutException)
    kind: type[BenchError] = RequestTimeoutError if late else ServerUnreachableError
    return kind(
        f"the download from {address} broke off after {response.num_bytes_downloaded} bytes "
        f"({reason}): the file is incomplete, download it again",
        request_id=request_id(response.headers),
    )
