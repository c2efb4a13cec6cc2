"""A downloader for pooch that resumes broken downloads and limits size and redirects.

pooch handles digests and paths. Its own downloader starts again whenever a connection breaks, which
is useless for 2 GB; `Resuming` replaces it. The server is not trusted: the number of bytes and the
addresses it redirects to are limited.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import httpx

from generators.source import Progress

__all__ = ["FetchError", "Resuming"]

_TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
"""Timeouts in seconds without data."""
_MEGABYTE: Final = 10**6
_GIGABYTE: Final = 10**9
_PARTIAL: Final = 206
_OK: Final = 200
_NO_SUCH_RANGE: Final = 416
_REDIRECTIONS: Final = 5
"""Most consecutive redirects; publishers use one or two."""
_VERSION: Final = re.compile(r"[\x20-\x7e]{1,200}")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_MOST_BYTES: Final = 64 * _GIGABYTE
"""Most bytes of a raw archive: ten times the largest that is supported."""
_ROOM_LEFT: Final = 10**8
"""Bytes of the disk that a download leaves free."""


class FetchError(Exception):
    """A raw archive cannot be downloaded; the message says why and what to do instead."""


@dataclass(frozen=True)
class Resuming:
    """Downloader for pooch that continues where a download broke off.

    Attributes:
        part: Path of the partial file. The identity of its version on the server is stored beside
            it, because a part of another version is useless.
        progress: Receives the number of downloaded megabytes.
        most_bytes: Limit of the whole file.
    """

    part: Path
    progress: Progress
    most_bytes: int = _MOST_BYTES
    _version: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_version", self.part.with_suffix(".version"))

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Download a file.

        Raises:
            FetchError: The server does not have the file, or the file is not acceptable.
            httpx.HTTPError: The connection broke; received bytes are kept.
        """
        rest = self._range_headers()
        if not (self._received(url, rest) or (rest and self._received(url, {}))):
            raise FetchError(f"{url} does not send the file from its beginning")
        self.part.replace(output_file)
        self._remove_part()

    def _received(self, url: str, rest: dict[str, str]) -> bool:
        """Receive the file, or the rest of it; return whether the server sent that."""
        with _answer(url, {"Accept-Encoding": "identity", **rest}) as response:
            if response.status_code == _OK:
                self._receive(response, "wb", _announced(response))
                return True
            if response.status_code == _PARTIAL and rest:
                there = self.part.stat().st_size
                given = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if given is not None and int(given[1]) == there <= int(given[2]):
                    whole = None if given[3] == "*" else int(given[3])
                    self._receive(response, "ab", int(given[2]) + 1, whole)
                    return True
            self._remove_part()
            if response.status_code in {_PARTIAL, _NO_SUCH_RANGE}:
                return False
            raise FetchError(
                f"{url} answered {response.status_code} {response.reason_phrase}: is it the "
                "address of the file, or of a mirror that has it?"
            )

    def _range_headers(self) -> dict[str, str]:
        """Return the headers that request the missing bytes of the same version."""
        try:
            size, version = self.part.stat().st_size, self._version.read_text()
        except FileNotFoundError:
            return {}
        return {"Range": f"bytes={size}-", "If-Range": version} if size and version else {}

    def _receive(
        self,
        response: httpx.Response,
        mode: Literal["ab", "wb"],
        end: int | None,
        whole: int | None = None,
    ) -> None:
        """Write the response up to the byte before `end`; None if the length was not announced.

        Raises:
            FetchError: There are more bytes than announced or allowed, or fewer than announced.
        """
        headers = response.headers
        known_by = headers.get("ETag") or headers.get("Last-Modified") or ""
        with self.part.open(mode) as file:
            # Sent back later: a value that is invalid in a header counts as none.
            self._version.write_text(known_by if _VERSION.fullmatch(known_by) else "")
            done = file.tell()
            most = self._size_limit(done, end)
            for chunk in response.iter_raw():
                if done + len(chunk) > most:
                    break
                file.write(chunk)
                done += len(chunk)
                self.progress(-(-done // _MEGABYTE), -(-(end or 0) // _MEGABYTE))
            else:
                if end in {None, done} and whole in {None, done}:
                    return
        self._remove_part()
        if end is None:
            raise FetchError(f"{response.url} sends more than {_shown(most)}: download cancelled")
        raise FetchError(
            f"{response.url} sends another number of bytes than announced: download cancelled"
        )

    def _size_limit(self, done: int, end: int | None) -> int:
        """Return the most bytes that the file may have.

        Raises:
            FetchError: More is announced than any archive has, or than fits on the disk.
        """
        free = shutil.disk_usage(self.part.parent).free - _ROOM_LEFT
        if end is None:
            return min(self.most_bytes, done + max(free, 0))
        if end > self.most_bytes:
            raise FetchError(f"the server announces {_shown(end)}: no raw archive is so large")
        if end - done > free:
            raise FetchError(
                f"the disk of {self.part.parent} has {_shown(max(free, 0))} for the "
                f"{_shown(end - done)} missing: free some space, or name another folder with --out"
            )
        return end

    def _remove_part(self) -> None:
        self.part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


@contextmanager
def _answer(url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """Request an address, follow redirects, and yield the response.

    Raises:
        FetchError: There are too many redirects, one leads to an address without TLS, or the
            response is compressed.
    """
    address = httpx.URL(url)
    with httpx.Client(timeout=_TIMEOUT) as client:
        for _ in range(_REDIRECTIONS + 1):
            with client.stream("GET", address, headers=headers) as response:
                if response.next_request is None:
                    _refuse_packed(response, url)
                    yield response
                    return
                following = response.next_request.url
            if address.scheme == "https" and following.scheme != "https":
                raise FetchError(f"{url} redirects to an address without TLS: not followed")
            address = following
    raise FetchError(f"{url} redirects more than {_REDIRECTIONS} times")


def _refuse_packed(response: httpx.Response, url: str) -> None:
    """Reject a response that is compressed although that was not requested.

    Raises:
        FetchError: The response is compressed.
    """
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise FetchError(f"{url} sends the file compressed as {encoding!r:.40}: unsupported")


def _announced(response: httpx.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if _LENGTH.fullmatch(length) else None


def _shown(size: int) -> str:
    return f"{size / _GIGABYTE:.1f} GB" if size >= _GIGABYTE else f"{size / _MEGABYTE:.1f} MB"
