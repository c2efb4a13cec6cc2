"""Files whose content never changes, sent whole or in part.

The Range and If-None-Match headers are read as RFC 9110 says.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from service.http.problems import problem
from service.http.streams import ClientConnection, ClientDisconnectedError

__all__ = [
    "DamagedFileError",
    "DigestedFile",
    "UnsatisfiableRangeError",
    "holds",
    "open_file",
    "part_of",
]

_ONE_RANGE: Final = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)


class UnsatisfiableRangeError(Exception):
    """No byte of the file lies in the range that is asked for."""


def part_of(size: int, asked: str | None) -> range | None:
    """Return which bytes of a file a Range header asks for; None: all of it.

    A header that is malformed, has another unit or asks for several ranges is ignored, which the
    specification allows (RFC 9110, section 14.2): the answer is the whole file.

    Args:
        size: Bytes of the file.
        asked: The header, if there is one.

    Raises:
        UnsatisfiableRangeError: The range lies behind the end, or is empty.
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
    """Tell whether an If-None-Match header names an entity tag.

    Args:
        tag: The tag, in its quotes.
        header: The header, if there is one.
    """
    if header is None:
        return False
    named = {each.strip().removeprefix("W/") for each in header.split(",")}
    return header.strip() == "*" or tag.removeprefix("W/") in named


_PIECE: Final = 256 * 1024
_FOR_EVER: Final = "private, max-age=31536000, immutable"


class DamagedFileError(Exception):
    """A file that has not the bytes that it should have."""


async def open_file(path: Path, size: int, limiter: CapacityLimiter) -> BinaryIO:
    """Open a file for reading, so that it stays readable even if it is deleted meanwhile.

    Args:
        path: The file.
        size: Bytes that it should have.
        limiter: For the thread that opens it.

    Raises:
        DamagedFileError: It has more or less.
        OSError: It is not there, or cannot be read.
    """

    def open_checked() -> BinaryIO:
        file = path.open("rb")
        if os.fstat(file.fileno()).st_size != size:
            file.close()
            raise DamagedFileError
        return file

    return await to_thread.run_sync(open_checked, limiter=limiter)


class DigestedFile(Response):
    """A file that is known by the SHA-256 of its content, which is its entity tag.

    It answers If-None-Match, Range and If-Range. The file is closed when it has been sent. Where
    it ends too soon or cannot be read, the connection is broken off.

    Args:
        request: What it answers.
        file: The file, open.
        size: Its bytes.
        sha256: Its digest, in hexadecimal digits.
        name: What to call it where it is saved.
        media_type: Its media type.
        limiter: For the threads that read it.
    """

    def __init__(
        self,
        request: Request,
        file: BinaryIO,
        *,
        size: int,
        sha256: str,
        name: str,
        media_type: str,
        limiter: CapacityLimiter,
    ) -> None:
        tag = f'"{sha256}"'
        digest = b64encode(bytes.fromhex(sha256)).decode()
        super().__init__(
            headers={
                "ETag": tag,
                "Cache-Control": _FOR_EVER,
                "Accept-Ranges": "bytes",
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
                # Of the whole file, also where a part is sent (RFC 9530, section 3).
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what is asked for of the file."""
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
        async with ClientConnection(receive, send) as client:
            try:
                await self._send_part(client, part)
            except ClientDisconnectedError as left:
                log = structlog.get_logger().bind(request_id=scope.get("request_id"))
                log.info("download broken off", reason=str(left), path=scope["path"])

    async def _send_part(self, client: ClientConnection, part: range | None) -> None:
        headers = dict(self.headers)
        status = HTTPStatus.OK
        if part is not None:
            status = HTTPStatus.PARTIAL_CONTENT
            headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{self._size}"
        part = range(self._size) if part is None else part
        await client.begin(status, {**headers, "content-length": str(len(part))})
        for start, length in () if self._request.scope.get("head_only") else _pieces(part):
            piece = await to_thread.run_sync(self._read, start, length, limiter=self._limiter)
            if len(piece) < length:
                raise DamagedFileError("a file ended too soon while it was sent")
            await client.give(piece)
        await client.give(b"", last=True)

    def _read(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)

    def _unsatisfiable(self) -> Response:
        return problem(
            self._request,
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            kind="range-not-satisfiable",
            detail=f"the file has {self._size} bytes; ask for a range that begins among them",
            headers={"Content-Range": f"bytes */{self._size}"},
        )


def _pieces(part: range) -> Iterator[tuple[int, int]]:
    """Yield where each piece of a part begins, and how long it is."""
    for start in range(part.start, part.stop, _PIECE):
        yield start, min(_PIECE, part.stop - start)
