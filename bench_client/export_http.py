"""Downloads: what comes over HTTP on its way into a file, blocking or awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, closing
from typing import BinaryIO, Final

import httpx
from pydantic import ValidationError

from bench_client.errors import (
    BenchError,
    RequestTimeoutError,
    ServerUnreachableError,
    UnexpectedAnswerError,
)
from bench_client.export import PROVENANCE_HEADER, Exported
from bench_client.models import ProvenanceMark

__all__ = ["off_the_loop", "save", "save_awaiting"]

_PIECE: Final = 1024 * 1024
"""Bytes that are written at a time."""


def save(response: httpx.Response, file: BinaryIO, address: str) -> Exported:
    """Write an export whose body has not been read into a file.

    Args:
        response: The export.
        file: Where the body goes.
        address: The service, as messages may show it.

    Raises:
        BenchError: It is no export, or the connection broke.
    """
    with closing(response):
        exported = _described(response, address)
        try:
            file.writelines(response.iter_bytes(_PIECE))
        except httpx.RequestError as error:
            raise _broken_off(error, response, address) from error
    return exported


async def save_awaiting(response: httpx.Response, file: BinaryIO, address: str) -> Exported:
    """Write an export into a file as `save` does, keeping the event loop free."""
    async with aclosing(response):
        exported = _described(response, address)
        try:
            async for piece in response.aiter_bytes(_PIECE):
                await asyncio.to_thread(file.write, piece)
        except httpx.RequestError as error:
            raise _broken_off(error, response, address) from error
    return exported


@asynccontextmanager
async def off_the_loop(opened: AbstractContextManager[BinaryIO]) -> AsyncIterator[BinaryIO]:
    """Enter and leave a context that waits for a disk in a thread."""
    file = await asyncio.to_thread(opened.__enter__)
    try:
        yield file
    except BaseException as error:
        await asyncio.to_thread(opened.__exit__, type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(opened.__exit__, None, None, None)


def _described(response: httpx.Response, address: str) -> Exported:
    """Return what the header of an export says.

    Raises:
        UnexpectedAnswerError: It is no export of the service.
    """
    try:
        mark = ProvenanceMark.model_validate_json(response.headers.get(PROVENANCE_HEADER, ""))
    except ValidationError:
        raise UnexpectedAnswerError(
            f"{address} answered {response.status_code} without {PROVENANCE_HEADER}, which is no "
            "export of the benchmark service; is the address right, and does no proxy answer?",
            request_id=response.headers.get("X-Request-ID"),
        ) from None
    return Exported(provenance=mark)


def _broken_off(error: httpx.RequestError, response: httpx.Response, address: str) -> BenchError:
    reason = str(error) or type(error).__name__
    late = isinstance(error, httpx.TimeoutException)
    kind: type[BenchError] = RequestTimeoutError if late else ServerUnreachableError
    return kind(
        f"the export from {address} broke off after {response.num_bytes_downloaded} bytes "
        f"({reason}): it is not complete, ask again",
        request_id=response.headers.get("X-Request-ID"),
    )
