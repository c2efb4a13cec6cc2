"""Identity of a raw archive (name, size, SHA-256), and the progress callback of conversions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = [
    "Progress",
    "Source",
    "file_sha256",
    "identified",
    "identify",
    "silent",
]


class Progress(Protocol):
    """Callback that is called after each step of a conversion or download."""

    def __call__(self, done: int, total: int) -> None:
        """Report that `done` of `total` steps are done."""


def silent(done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Source:
    """A raw archive: its name, size in bytes, and SHA-256.

    For a folder it is the digest of the lines ``digest  name`` of its files, sorted by name, as
    printed by `sha256sum *`.
    """

    name: str
    size: int
    sha256: str


def identify(path: Path) -> Source:
    """Read a whole archive and return its identity.

    Raises:
        OSError: The archive cannot be read.
    """
    if not path.is_dir():
        return Source(path.name, path.stat().st_size, file_sha256(path))
    files = sorted(file for file in path.iterdir() if file.is_file())
    listing = "".join(f"{file_sha256(file)}  {file.name}\n" for file in files)
    size = sum(file.stat().st_size for file in files)
    return Source(path.name, size, hashlib.sha256(listing.encode()).hexdigest())


@contextmanager
def identified(path: Path) -> Iterator[Future[Source]]:
    """Identify an archive in a thread while the body converts it.

    Hashing releases the GIL, so it costs almost no time on two cores.
    """
    with ThreadPoolExecutor(1, "source-digest") as pool:
        yield pool.submit(identify, path)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
