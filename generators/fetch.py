"""Where raw archives are published, and how they are fetched.

`raw_files.toml` has the addresses that their authors give. A download is in place only when it is
complete, and its digest is compared with a known one wherever there is one.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx

from benchmark_spec.declaration import read_declaration, shipped_declarations
from benchmark_spec.published import PUBLISHED
from generators.downloading import FetchError, Resuming
from generators.source import Progress, file_sha256, silent
from missing_extra import MissingExtraError, needs

__all__ = ["FetchError", "Fetched", "PublishedFiles", "RawFile", "fetch", "published_files"]

_ADDRESSES: Final = Path(__file__).with_name("raw_files.toml")
_SUFFIX_OF_DIGESTS: Final = ".sha256"
_DIGEST: Final = re.compile(rb"[0-9a-fA-F]{64}(?!\S)")


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """A file as published.

    Attributes:
        name: Its name, there and on a mirror.
        url: Its address; None where it can only be fetched by hand.
        page: Where people find it.
        sha256: Its digest; None where none is known.
        size: As its authors say it; None where they do not.
    """

    name: str
    url: str | None = None
    page: str
    sha256: str | None = None
    size: str | None = None


@dataclass(frozen=True, kw_only=True)
class PublishedFiles:
    """The raw files of a benchmark or declared table.

    Attributes:
        benchmark: Its name.
        title: Its title.
        licence: Of the files.
        files: The files, the usual one first.
        together: Whether all of them make the table, and not any one.
    """

    benchmark: str
    title: str
    licence: str
    files: Sequence[RawFile]
    together: bool

    def by_hand(self, file: RawFile) -> str:
        """Return what to do about a file that no program can fetch."""
        place = f"its folder to `nbs generate {self.benchmark} FOLDER`"
        if not self.together:
            place = f"its path to `nbs generate {self.benchmark} {file.name}`"
        return f"download {file.name} by hand from {file.page} and give {place}"


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


@functools.cache
def published_files() -> Mapping[str, PublishedFiles]:
    """Return what is published of every benchmark and of every table that comes along, by name."""
    specs = {name: spec for name, spec in PUBLISHED.items() if spec.raw_files}
    for name, path in shipped_declarations().items():
        specs[name] = read_declaration(path).spec
    addresses = tomllib.loads(_ADDRESSES.read_text())
    return MappingProxyType(
        {
            name: PublishedFiles(
                benchmark=name,
                title=spec.title,
                licence=spec.licence,
                files=[
                    _located(file.name, file.sha256, spec.homepage, addresses.get(name, {}))
                    for file in spec.raw_files
                ],
                together=addresses.get(name, {}).get("together", False),
            )
            for name, spec in specs.items()
        }
    )


def _located(name: str, sha256: str | None, homepage: str, known: Mapping[str, Any]) -> RawFile:
    """Return a file with what `raw_files.toml` knows of it."""
    own = known.get("files", {}).get(name, {})
    folder = known.get("folder")
    return RawFile(
        name=name,
        url=own.get("url") or (folder and f"{folder}/{name}"),
        page=own.get("page", homepage),
        sha256=sha256 or own.get("sha256"),
        size=own.get("size"),
    )


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
        sha256: Its digest, where one is known: hexadecimal. By default the one that its authors or
            its declaration state, or was recorded when it was downloaded before.
        progress: Told how many megabytes are there.

    Raises:
        FetchError: There is no such file or no address for it, no network, or something else came.
        OSError: The folder cannot be written.
    """
    pooch = _pooch()
    published = published_files()[benchmark]
    file = _chosen(published, name)
    url = _address(published, file, mirror)
    target = out / file.name
    record = out / f"{file.name}{_SUFFIX_OF_DIGESTS}"
    try:
        httpx.URL(url).host  # noqa: B018 - what a name beyond ASCII may be is looked at here
    except (httpx.InvalidURL, ValueError) as error:
        raise _unreachable(published, file, url, error) from error
    known = sha256 or file.sha256 or (_recorded(record) if target.exists() else None)
    try:
        pooch.retrieve(
            url,
            known_hash=None if known is None else f"sha256:{known}",
            fname=file.name,
            path=out,
            downloader=Resuming(out / f".{file.name}.part", progress),
        )
    except ValueError as error:  # what pooch raises for another digest
        raise FetchError(
            f"{file.name} from {url} has another digest than {known}: it was not kept"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unreachable(published, file, url, error) from error
    digest = file_sha256(target)
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


def _chosen(published: PublishedFiles, name: str | None) -> RawFile:
    if name is None:
        return published.files[0]
    for file in published.files:
        if file.name == name:
            return file
    known = ", ".join(file.name for file in published.files)
    raise FetchError(f"{published.benchmark} has no file {name!r:.80}; known are {known}")


def _address(published: PublishedFiles, file: RawFile, mirror: str | None) -> str:
    if mirror:
        return f"{mirror.rstrip('/')}/{file.name}"
    if file.url is not None:
        return file.url
    raise FetchError(
        f"{file.name} has no address that a program can fetch: {published.by_hand(file)}; or name "
        "a mirror that has it: --mirror URL or $NASBENCH_MIRROR"
    )


def _unreachable(
    published: PublishedFiles, file: RawFile, url: str, error: Exception
) -> FetchError:
    reason = str(error) or type(error).__name__
    return FetchError(
        f"cannot fetch {url}: {reason}; run the command again to go on where it stopped. "
        f"Without a network, fetch {file.name} on another machine, copy it here "
        f"and give its path to `nbs generate {published.benchmark}`, or name a mirror that can be "
        "reached: --mirror URL or $NASBENCH_MIRROR"
    )


def _recorded(record: Path) -> str | None:
    """Return the digest that was recorded; None where there is none, or the record is damaged."""
    try:
        found = _DIGEST.match(record.read_bytes())
    except FileNotFoundError:
        return None
    return found and found[0].decode().lower()
