"""Files whose content never changes, sent whole or in part."""

from __future__ import annotations

import os
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

from service.http.client_connection import ClientConnection, ClientDisconnectedError
from service.http.problems import problem
from service.http.ranges import UnsatisfiableRangeError, holds, part_of

__all__ = ["DamagedFileError", "DigestedFile", "open_file"]

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
