"""The bodies of answers, read no further than they may be long, packed and unpacked.

An answer that was announced or turns out to be longer than allowed is given up where that shows; so
is one that comes packed in a way that was not asked for. The connection is closed with it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass, field, replace
from typing import Final

import httpx

from bench_client.errors import UnexpectedAnswerError
from bench_client.untrusted import delta_seconds, request_id

__all__ = ["MOST_ANSWER", "Body", "Limits", "Reply", "read_reply", "read_reply_awaiting"]

MOST_ANSWER: Final = 256 * 2**20
"""Bytes of an answer: several times a batch of 10,000 architectures with all their runs."""

_MOST_PROBLEM: Final = 2**20
"""Bytes that are read of an answer that is an error; what it is, is said by its status."""
_PIECE: Final = 2**20
"""Bytes that are unpacked at a time."""
_GZIP: Final = zlib.MAX_WBITS | 16
_PLAIN: Final = frozenset({"", "identity"})
_PACKED: Final = frozenset({"gzip", "x-gzip"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a service may answer.

    Attributes:
        most: Bytes that an answer may have, packed and unpacked; None: any number.
        packed: Whether gzip was asked for.
        address: The service, as messages may show it.
    """

    most: int | None
    packed: bool = field(kw_only=True)
    address: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was read.

    Attributes:
        status_code: Its status.
        reason_phrase: What the server calls that.
        headers: Its headers.
        content: Its body, unpacked; of an error, what may be kept of it.
    """

    status_code: int
    reason_phrase: str
    headers: httpx.Headers
    content: bytes


class Body:
    """Counts and unpacks a body, a piece after the other.

    Args:
        response: The answer; its body has not been read.
        limits: What it may be.

    Raises:
        UnexpectedAnswerError: It is packed otherwise, or said to be longer.
    """

    def __init__(self, response: httpx.Response, limits: Limits) -> None:
        self._response = response
        self._most = most = limits.most
        self._address = limits.address
        self._taken = self._given = 0
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _PLAIN and not (limits.packed and encoding in _PACKED):
            raise self._refused(
                f"packed as {encoding!r:.40}, which was not asked for and is not decompressed"
            )
        self._unpacker = zlib.decompressobj(_GZIP) if encoding in _PACKED else None
        announced = delta_seconds(response.headers.get("Content-Length"))
        if most is not None and announced is not None and announced > most:
            raise self._too_long()

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        """Yield what the next bytes of the body hold.

        Raises:
            UnexpectedAnswerError: That is too much, or cannot be unpacked.
        """
        self._taken += len(raw)
        if self._unpacker is None:
            yield self._within(raw)
            return
        while raw:
            try:
                piece = self._unpacker.decompress(raw, _PIECE)
            except zlib.error as error:
                raise self._refused(f"what cannot be decompressed ({error})") from error
            if self._unpacker.unused_data:
                raise self._refused("more behind what was packed")
            raw = self._unpacker.unconsumed_tail
            yield self._within(piece)

    def end(self) -> None:
        """Say that nothing more comes.

        Raises:
            UnexpectedAnswerError: What is packed should go on.
        """
        if self._unpacker is not None and not self._unpacker.eof:
            raise self._refused("what cannot be decompressed (it ends too early)")

    def _within(self, piece: bytes) -> bytes:
        self._given += len(piece)
        if self._most is not None and max(self._given, self._taken) > self._most:
            raise self._too_long()
        return piece

    def _too_long(self) -> UnexpectedAnswerError:
        return self._refused(f"more than the {self._most} bytes that it may be")

    def _refused(self, what: str) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"{self._address} answered {self._response.status_code} with {what}",
            request_id=request_id(self._response.headers),
        )


def read_reply(response: httpx.Response, limits: Limits) -> Reply:
    """Read an answer whole.

    Args:
        response: The answer; its body has not been read.
        limits: What it may be; an error may be shorter, and what is beyond that is left.

    Raises:
        UnexpectedAnswerError: It is longer, or packed otherwise.
        httpx.RequestError: The connection broke.
    """
    kept: list[bytes] = []
    with closing(response):
        try:
            body = Body(response, _limits(response, limits))
            for raw in response.iter_raw():
                kept += body.pieces(raw)
            body.end()
        except UnexpectedAnswerError:
            # What an error is, its status says, whatever its body is.
            if not response.is_error:
                raise
    return _reply(response, kept)


async def read_reply_awaiting(response: httpx.Response, limits: Limits) -> Reply:
    """Read an answer as `read_reply` does."""
    kept: list[bytes] = []
    async with aclosing(response):
        try:
            body = Body(response, _limits(response, limits))
            async for raw in response.aiter_raw():
                kept += body.pieces(raw)
            body.end()
        except UnexpectedAnswerError:
            # What an error is, its status says, whatever its body is.
            if not response.is_error:
                raise
    return _reply(response, kept)


def _limits(response: httpx.Response, limits: Limits) -> Limits:
    return limits if response.is_success else replace(limits, most=_MOST_PROBLEM)


def _reply(response: httpx.Response, kept: list[bytes]) -> Reply:
    content = kept[0] if len(kept) == 1 else b"".join(kept)
    return Reply(response.status_code, response.reason_phrase, response.headers, content)
