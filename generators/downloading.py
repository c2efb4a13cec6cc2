"""One download for pooch: resumed where it broke off, and never longer than the server announced.

pooch looks after digests and places; its own downloader starts anew whenever a connection breaks,
which is no way to fetch 2 GB, so that `Resuming` takes its place. A server is not trusted with the
disk or the network: what it sends is bounded, and so is where it sends on to.
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
"""Seconds of silence."""
_MEGABYTE: Final = 10**6
_GIGABYTE: Final = 10**9
_PARTIAL: Final = 206
_OK: Final = 200
_NO_SUCH_RANGE: Final = 416
_REDIRECTIONS: Final = 5
"""Addresses that a server may send on to, one after the other; publishers use one or two."""
_VERSION: Final = re.compile(r"[\x20-\x7e]{1,200}")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_MOST_BYTES: Final = 64 * _GIGABYTE
"""Of any raw archive: ten times the largest that is converted."""
_ROOM_LEFT: Final = 10**8
"""Bytes of the disk that a download leaves free."""


class FetchError(Exception):
    """A raw archive cannot be downloaded; the message says why and what to do instead."""


@dataclass(frozen=True)
class Resuming:
    """Downloads for pooch, and goes on where a download broke off.

    Attributes:
        part: What there is of the file. What identifies it on its server stands beside it: a part
            of another version is of no use.
        progress: Told how many megabytes are there.
        most_bytes: Of the whole file.
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
            FetchError: The server has no such file, or gives one that cannot be had.
            httpx.HTTPError: The connection broke; what came is kept.
        """
        rest = self._rest()
        if not (self._came(url, rest) or (rest and self._came(url, {}))):
            raise FetchError(f"{url} does not give the file from its beginning")
        self.part.replace(output_file)
        self._forget()

    def _came(self, url: str, rest: dict[str, str]) -> bool:
        """Receive the file, or the rest of it; tell whether that is what the server gave."""
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
            self._forget()
            if response.status_code in {_PARTIAL, _NO_SUCH_RANGE}:
                return False
            raise FetchError(
                f"{url} answered {response.status_code} {response.reason_phrase}: is it the "
                "address of the file, or of a mirror that has it?"
            )

    def _rest(self) -> dict[str, str]:
        """Return the headers that ask for what is missing of the same version."""
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
        """Write what comes, up to the byte before `end`; None where nothing was announced.

        Raises:
            FetchError: It is more than announced or allowed, or not the whole file.
        """
        headers = response.headers
        known_by = headers.get("ETag") or headers.get("Last-Modified") or ""
        with self.part.open(mode) as file:
            # It is sent back: what no header can hold is as good as nothing.
            self._version.write_text(known_by if _VERSION.fullmatch(known_by) else "")
            done = file.tell()
            most = self._room(done, end)
            for chunk in response.iter_raw():
                if done + len(chunk) > most:
                    break
                file.write(chunk)
                done += len(chunk)
                self.progress(-(-done // _MEGABYTE), -(-(end or 0) // _MEGABYTE))
            else:
                if end in {None, done} and whole in {None, done}:
                    return
        self._forget()
        if end is None:
            raise FetchError(f"{response.url} sends more than {_shown(most)}: it was given up")
        raise FetchError(
            f"{response.url} sends another number of bytes than it announced: it was given up"
        )

    def _room(self, done: int, end: int | None) -> int:
        """Return how many bytes the file may have.

        Raises:
            FetchError: The announced ones are more than any archive has, or than the disk holds.
        """
        free = shutil.disk_usage(self.part.parent).free - _ROOM_LEFT
        if end is None:
            return min(self.most_bytes, done + max(free, 0))
        if end > self.most_bytes:
            raise FetchError(f"the file is said to have {_shown(end)}: no raw archive is so large")
        if end - done > free:
            raise FetchError(
                f"the disk of {self.part.parent} has {_shown(max(free, 0))} for the "
                f"{_shown(end - done)} that are missing: make room, or name another folder by --out"
            )
        return end

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


@contextmanager
def _answer(url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """Ask for an address, follow where it sends on to, and yield what is answered there.

    Raises:
        FetchError: It sends on too often or in the clear, or packs what it sends.
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
                raise FetchError(f"{url} sends on to an address without TLS: that is not followed")
            address = following
    raise FetchError(f"{url} sends on to more than {_REDIRECTIONS} other addresses")


def _refuse_packed(response: httpx.Response, url: str) -> None:
    """Refuse what comes packed, unasked.

    Raises:
        FetchError: It does.
    """
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise FetchError(f"{url} sends the file packed as {encoding!r:.40}: it is not unpacked")


def _announced(response: httpx.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if _LENGTH.fullmatch(length) else None


def _shown(size: int) -> str:
    return f"{size / _GIGABYTE:.1f} GB" if size >= _GIGABYTE else f"{size / _MEGABYTE:.1f} MB"
