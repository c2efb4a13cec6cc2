"""Immutable files, sent whole or in part.

The Range and If-None-Match headers are interpreted as in RFC 9110.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from service.http.problems import problem
from service.http.streams import ClientConnection, ClientDisconnectedError
from service.jobs.artifact_store import OpenArtifact
from service.jobs.errors import DamagedFileError, StoreUnavailableError

__all__ = ["DigestedFile", "UnsatisfiableRangeError", "holds", "part_of"]

_ONE_RANGE: Final = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)


class UnsatisfiableRangeError(Exception):
    """The requested range contains no byte of the file."""


def part_of(size: int, asked: str | None) -> range | None:
    """Return the byte range that a Range header requests; None: the whole file.

    A header that is malformed, has another unit or several ranges is ignored, as the specification
    allows (RFC 9110, section 14.2): the response is the whole file.

    Args:
        size: Size of the file in bytes.
        asked: The header, if there is one.

    Raises:
        UnsatisfiableRangeError: The range is empty or begins after the end.
    """
    found = None if asked is None else _ONE_RANGE.fullmatch(asked)
    if found is None or found[0].count("-") != 1 or not (found[1] or found[2]):
        return None
    if not found[1]:
        part = range(max(size - int(found[2]), 0), size)
    else:
        first, last = int(found[1]), int(found[2]) if found[2] else size - 1
        if found[2] and last < first:
            return None
        part = range(first, min(last + 1, size))
    if not part:
        raise UnsatisfiableRangeError
    return part


def holds(tag: str, header: str | None) -> bool:
    """Tell whether an If-None-Match header contains an entity tag.

    Args:
        tag: The entity tag, with its quotes.
        header: The header, if there is one.
    """
    if header is None:
        return False
    named = {each.strip().removeprefix("W/") for each in header.split(",")}
    return header.strip() == "*" or tag.removeprefix("W/") in named


_PIECE: Final = 256 * 1024
_IMMUTABLE: Final = "private, max-age=31536000, immutable"


class DigestedFile(Response):
    """A response with a file whose entity tag is the SHA-256 of its content.

    It handles If-None-Match, Range and If-Range, and closes the file after sending. If the file is
    truncated, changed or unreadable, the connection is closed before the end of the response.

    Args:
        request: The request.
        file: The open file.
        size: Its size in bytes.
        sha256: Its digest in hexadecimal.
        name: The file name for saving.
        media_type: Its media type.
        limiter: Limits the threads that read it.
        on_damage: Awaited if the file does not have its digest.
    """

    def __init__(
        self,
        request: Request,
        file: OpenArtifact,
        *,
        size: int,
        sha256: str,
        name: str,
        media_type: str,
        limiter: CapacityLimiter,
        on_damage: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        tag = f'"{sha256}"'
        digest = b64encode(bytes.fromhex(sha256)).decode()
        super().__init__(
            headers={
                "ETag": tag,
                "Cache-Control": _IMMUTABLE,
                "Accept-Ranges": "bytes",
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
                # Digest of the whole file, even if a part is sent (RFC 9530, section 3).
                "Repr-Digest": f"sha-256=:{digest}:",
            },
            media_type=media_type,
        )
        del self.headers["content-length"]
        self._request = request
        self._file = file
        self._size = size
        self._tag = tag
        self._limiter = limiter
        self._on_damage = on_damage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the requested part of the file."""
        try:
            await self._answer(scope, receive, send)
        finally:
            self._file.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = self._request.headers
        if holds(self._tag, asked.get("if-none-match")):
            del self.headers["content-type"]
            self.status_code = HTTPStatus.NOT_MODIFIED
            await super().__call__(scope, receive, send)
            return
        same = asked.get("if-range", self._tag) == self._tag
        try:
            part = part_of(self._size, asked.get("range") if same else None)
        except UnsatisfiableRangeError:
            await self._unsatisfiable()(scope, receive, send)
            return
        pieces = self._read_part(range(self._size) if part is None else part)
        # Read before the response begins, so that an unreadable file gets an error response.
        first = await self._next(pieces)
        log = structlog.get_logger().bind(request_id=scope.get("request_id"), path=scope["path"])
        async with ClientConnection(receive, send) as client:
            try:
                await self._begin(client, part)
                while first is not None:
                    await client.give(first)
                    first = await self._next(pieces)
                await client.give(b"", last=True)
            except ClientDisconnectedError as left:
                log.info("download broken off", reason=str(left))
            except (DamagedFileError, StoreUnavailableError) as error:
                # The incomplete response closes the connection.
                log.warning("download cannot go on", reason=str(error))

    async def _begin(self, client: ClientConnection, part: range | None) -> None:
        headers = dict(self.headers)
        status = HTTPStatus.OK
        if part is not None:
            status = HTTPStatus.PARTIAL_CONTENT
            headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{self._size}"
        length = self._size if part is None else len(part)
        await client.begin(status, {**headers, "content-length": str(length)})

    def _read_part(self, part: range) -> Iterator[bytes]:
        """Yield the chunks of a part of the file; none for a HEAD request.

        Raises:
            DamagedFileError: The file is truncated or changed.
        """
        for start, length in () if self._request.scope.get("head_only") else _pieces(part):
            self._file.seek(start)
            piece = self._file.read(length)
            if len(piece) < length:
                raise DamagedFileError("a file ended too soon while it was sent")
            yield piece

    async def _next(self, pieces: Iterator[bytes]) -> bytes | None:
        """Return the next chunk, read in a thread; None after the last one.

        Raises:
            DamagedFileError: The file is truncated or changed.
        """
        try:
            return await to_thread.run_sync(next, pieces, None, limiter=self._limiter)
        except DamagedFileError:
            if self._on_damage is not None:
                await self._on_damage()
            raise

    def _unsatisfiable(self) -> Response:
        return problem(
            self._request,
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            kind="range-not-satisfiable",
            detail=f"the file has {self._size} bytes; request a range that begins within them",
            headers={"Content-Range": f"bytes */{self._size}"},
        )


def _pieces(part: range) -> Iterator[tuple[int, int]]:
    """Yield offset and length of each chunk of a part."""
    for start in range(part.start, part.stop, _PIECE):
        yield start, min(_PIECE, part.stop - start)
