"""Where raw archives are published, and how they are downloaded.

A download is checked, resumed where it broke off, and in place only when it is complete. pooch
looks after digests and places; its own downloader starts anew whenever a connection breaks, which
is no way to fetch 2 GB, so that `_Resuming` takes its place.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import httpx

from benchmark_spec.declaration import read_declaration, shipped_declarations
from benchmark_spec.published import PUBLISHED
from generators.source import Progress, silent
from missing_extra import MissingExtraError, needs

__all__ = [
    "FetchError",
    "Fetched",
    "RawFile",
    "fetch",
]


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """A file as published.

    Attributes:
        name: Its name, there and on a mirror.
        url: Its address; None where it can only be fetched by hand.
        page: Where people find it.
        sha256: Its digest; None where none is known.
    """

    name: str
    url: str | None = None
    page: str
    sha256: str | None = None


_FOLDERS: Final[Mapping[str, str]] = {
    "nasbench101": "https://storage.googleapis.com/nasbench",
    "nds": "https://dl.fbaipublicfiles.com/nds",
}
"""Addresses of the folders of benchmarks whose files a program can fetch."""

_TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
"""Seconds of silence."""
_MEGABYTE: Final = 10**6
_PARTIAL: Final = 206
_OK: Final = 200
_NO_SUCH_RANGE: Final = 416
_VERSION: Final = re.compile(r"[\x20-\x7e]{1,200}")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


class FetchError(Exception):
    """A raw archive cannot be downloaded; the message says why and what to do instead."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A raw archive that is there.

    Attributes:
        path: Where it lies.
        sha256: Its digest, recorded beside it in the form of `sha256sum`.
        compared: Whether the digest was compared with one that was known before.
        file: What is published of it.
    """

    path: Path
    sha256: str
    compared: bool
    file: RawFile


def fetch(
    benchmark: str,
    out: Path,
    *,
    name: str | None = None,
    mirror: str | None = None,
    sha256: str | None = None,
    progress: Progress = silent,
) -> Fetched:
    """Download a raw archive unless it is there already.

    Args:
        benchmark: The benchmark, or a declared table that comes with the program.
        out: Folder of the archive; made when missing.
        name: Which of its files; the usual one by default.
        mirror: Address of a folder that has the file under its published name.
        sha256: Its digest, where one is known: hexadecimal. By default the one that its declaration
            has, or was recorded when it was downloaded before.
        progress: Told how many megabytes are there.

    Raises:
        FetchError: There is no such file or no address for it, no network, or something else came.
        OSError: The folder cannot be written.
    """
    pooch = _pooch()
    file = _chosen(benchmark, name)
    url = _address(benchmark, file, mirror)
    target = out / file.name
    record = out / f"{file.name}.sha256"
    try:
        httpx.URL(url).host  # noqa: B018 - what a name beyond ASCII may be is looked at here
    except (httpx.InvalidURL, ValueError) as error:
        raise _unreachable(benchmark, url, error) from error
    known = sha256 or file.sha256 or (_recorded(record) if target.exists() else None)
    try:
        pooch.retrieve(
            url,
            known_hash=None if known is None else f"sha256:{known}",
            fname=file.name,
            path=out,
            downloader=_Resuming(out / f".{file.name}.part", progress),
        )
    except ValueError as error:  # what pooch raises for another digest
        raise FetchError(
            f"{file.name} from {url} has another digest than {known}: it was not kept"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unreachable(benchmark, url, error) from error
    digest = _digest(target)
    record.write_text(f"{digest}  {file.name}\n")
    return Fetched(path=target, sha256=digest, compared=known is not None, file=file)


def _pooch() -> Any:
    try:
        with needs("generate", "fetching"):
            import pooch  # noqa: PLC0415 - the extra may be missing
    except MissingExtraError as error:
        raise FetchError(str(error)) from error
    pooch.get_logger().setLevel("WARNING")
    return pooch


def _chosen(benchmark: str, name: str | None) -> RawFile:
    files = _files(benchmark)
    if name is None:
        return files[0]
    for file in files:
        if file.name == name:
            return file
    known = ", ".join(file.name for file in files)
    raise FetchError(f"{benchmark} has no file {name!r:.80}; known are {known}")


def _files(benchmark: str) -> list[RawFile]:
    """Return the files of a benchmark, or of a declared table that comes with the program."""
    spec = PUBLISHED.get(benchmark) or read_declaration(shipped_declarations()[benchmark]).spec
    folder = _FOLDERS.get(benchmark)
    return [
        RawFile(
            name=file.name,
            url=None if folder is None else f"{folder}/{file.name}",
            page=spec.homepage,
            sha256=file.sha256,
        )
        for file in spec.raw_files
    ]


def _address(benchmark: str, file: RawFile, mirror: str | None) -> str:
    if mirror:
        return f"{mirror.rstrip('/')}/{file.name}"
    if file.url is not None:
        return file.url
    raise FetchError(
        f"{file.name} has no address that a program can fetch: download it by hand from "
        f"{file.page} and give its path to `nbs generate "
        f"{benchmark}`; or name a mirror that has it: --mirror URL or $NASBENCH_MIRROR"
    )


def _unreachable(benchmark: str, url: str, error: Exception) -> FetchError:
    reason = str(error) or type(error).__name__
    return FetchError(
        f"cannot fetch {url}: {reason}; run the command again to go on where it stopped. "
        "Without a network, fetch the file on another machine, copy it here "
        f"and give its path to `nbs generate {benchmark}`, or name a mirror that can be "
        "reached: --mirror URL or $NASBENCH_MIRROR"
    )


def _refuse_other_ways(response: httpx.Response, url: str) -> None:
    """Refuse what comes packed, unasked, and what a secure address sends elsewhere in the clear.

    Raises:
        FetchError: One of both.
    """
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise FetchError(f"{url} sends the file packed as {encoding!r:.40}: it is not unpacked")
    if url.lower().startswith("https:") and response.url.scheme != "https":
        raise FetchError(f"{url} sends on to an address without TLS: that is not followed")


def _recorded(record: Path) -> str | None:
    try:
        return record.read_text().split()[0]
    except (FileNotFoundError, IndexError):
        return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class _Resuming:
    """Downloads for pooch, and goes on where a download broke off.

    Attributes:
        part: What there is of the file. What identifies it on its server stands beside it: a part
            of another version is of no use.
        progress: Told how many megabytes are there.
    """

    part: Path
    progress: Progress
    _version: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_version", self.part.with_suffix(".version"))

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Download a file.

        Raises:
            FetchError: The server has no such file.
            httpx.HTTPError: The connection broke; what came is kept.
        """
        rest = self._rest()
        if not (self._came(url, rest) or (rest and self._came(url, {}))):
            raise FetchError(f"{url} does not give the file from its beginning")
        self.part.replace(output_file)
        self._forget()

    def _came(self, url: str, rest: dict[str, str]) -> bool:
        """Receive the file, or the rest of it; tell whether that is what the server gave."""
        headers = {"Accept-Encoding": "identity", **rest}
        with httpx.stream(
            "GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True
        ) as response:
            _refuse_other_ways(response, url)
            if response.status_code == _OK:
                self._receive(response, "wb")
                return True
            asked = rest.get("Range", "bytes=-").replace("=", " ")
            given = response.headers.get("Content-Range", "")
            if response.status_code == _PARTIAL and given.startswith(asked):
                self._receive(response, "ab")
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

    def _receive(self, response: httpx.Response, mode: Literal["ab", "wb"]) -> None:
        headers = response.headers
        known_by = headers.get("ETag") or headers.get("Last-Modified") or ""
        # It is sent back: what no header can hold is as good as nothing.
        self._version.write_text(known_by if _VERSION.fullmatch(known_by) else "")
        announced = headers.get("Content-Length", "")
        with self.part.open(mode) as file:
            done = file.tell()
            total = done + int(announced) if _LENGTH.fullmatch(announced) else 0
            for chunk in response.iter_raw():
                file.write(chunk)
                done += len(chunk)
                self.progress(-(-done // _MEGABYTE), -(-total // _MEGABYTE))

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)
