"""Finds the published raw archives and downloads them.

`raw_files.toml` holds the addresses that the authors give. A downloaded file appears in its place
only when it is complete; its digest is compared with the known one, if any.
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
    """A published file.

    Attributes:
        name: File name, also on a mirror.
        url: Its address; None if it can only be downloaded by hand.
        page: Web page with a link to it.
        sha256: Its digest; None if unknown.
        size: Its size as stated by the authors; None if not stated.
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
        licence: Licence of the files.
        files: The files, the default one first.
        together: Whether the table needs all files, rather than any one of them.
    """

    benchmark: str
    title: str
    licence: str
    files: Sequence[RawFile]
    together: bool

    def by_hand(self, file: RawFile) -> str:
        """Return instructions for a file that no program can download."""
        place = f"its folder to `nbs generate {self.benchmark} FOLDER`"
        if not self.together:
            place = f"its path to `nbs generate {self.benchmark} {file.name}`"
        return f"download {file.name} by hand from {file.page} and give {place}"


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A raw archive that has been downloaded.

    Attributes:
        path: Its path.
        sha256: Its digest, recorded beside it in the format of `sha256sum`.
        compared: Whether the digest was compared with a previously known one.
        file: The published file.
    """

    path: Path
    sha256: str
    compared: bool
    file: RawFile


@functools.cache
def published_files() -> Mapping[str, PublishedFiles]:
    """Return the published files of every benchmark and of every included table, by name."""
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
    """Return a file with its entries in `raw_files.toml`."""
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
    """Download a raw archive unless it is already there.

    Args:
        benchmark: The benchmark, or a declared table included in the program.
        out: Folder of the archive; made if missing.
        name: Which of its files; the default one if None.
        mirror: Address of a folder that has the file under its published name.
        sha256: Its hexadecimal digest, if known. By default the one stated by its authors or its
            declaration, or recorded by an earlier download.
        progress: Receives the number of downloaded megabytes.

    Raises:
        FetchError: The file or its address is unknown, the network failed, or the content differs.
        OSError: The folder cannot be written.
    """
    pooch = _pooch()
    published = published_files()[benchmark]
    file = _chosen(published, name)
    url = _address(published, file, mirror)
    target = out / file.name
    record = out / f"{file.name}{_SUFFIX_OF_DIGESTS}"
    try:
        httpx.URL(url).host  # noqa: B018 - this checks names beyond ASCII
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
    except ValueError as error:  # raised by pooch for a wrong digest
        raise FetchError(
            f"{file.name} from {url} does not have the digest {known}: it was not kept"
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
        f"cannot fetch {url}: {reason}; run the command again to continue where it stopped. "
        f"Without a network, fetch {file.name} on another machine, copy it here "
        f"and give its path to `nbs generate {published.benchmark}`, or name a reachable mirror: "
        "--mirror URL or $NASBENCH_MIRROR"
    )


def _recorded(record: Path) -> str | None:
    """Return the recorded digest; None if there is none, or the record is damaged."""
    try:
        found = _DIGEST.match(record.read_bytes())
    except FileNotFoundError:
        return None
    return found and found[0].decode().lower()
