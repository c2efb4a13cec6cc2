"""Where artifacts are kept: a folder that servers and workers share, or a bucket.

`ArtifactStore` is what the rest of the service knows of either. A file is named by the SHA-256 of
its content, so that putting it twice changes nothing but its age; it is there wholly or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self

from missing_extra import needs
from service.jobs.blob_store import BlobStore
from service.jobs.settings import JobSettings

__all__ = [
    "ArtifactStore",
    "IncomingArtifact",
    "OpenArtifact",
    "open_artifact_store",
]


class OpenArtifact(Protocol):
    """A file that is read in pieces, from whatever place; threads take turns with it."""

    def seek(self, offset: int, /) -> int:
        """Have the next piece begin at a byte."""

    def read(self, size: int, /) -> bytes:
        """Return the next piece.

        Raises:
            DamagedFileError: What was read from the first byte to the last has another digest.
            OSError: It cannot be read.
        """

    def close(self) -> None:
        """Read no more."""


class IncomingArtifact(Protocol):
    """A file on its way into a store; a context manager that throws away what was not kept."""

    @property
    def size(self) -> int:
        """Bytes so far."""

    @property
    def sha256(self) -> str:
        """Digest of what was written so far."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """Throw away what was not kept."""

    def write(self, piece: bytes) -> None:
        """Write the next piece.

        Raises:
            OSError: The disk is full, or the store does not answer.
        """

    def keep(self) -> str:
        """Put the file in its place, where it outlives a crash, and return its digest.

        Raises:
            OSError: The disk is full, or the store does not answer.
        """


class ArtifactStore(Protocol):
    """Files by their digest.

    All methods raise UnknownArtifactError for what is no digest, and OSError where the store does
    not do what it should: of a bucket, that is ArtifactsUnavailableError.
    """

    @property
    def is_remote(self) -> bool:
        """Whether an answer may take seconds."""

    @property
    def where(self) -> str:
        """The place, for people; without secrets."""

    def is_there(self) -> bool:
        """Tell whether the folder or the bucket is there at all."""

    def holds(self, sha256: str, size: int) -> bool:
        """Tell whether the file with a digest is there and has so many bytes."""

    def open(self, sha256: str, size: int) -> OpenArtifact:
        """Open a file.

        Raises:
            DamagedFileError: It has not so many bytes.
            FileNotFoundError: It is not there.
        """

    def receive(self, sha256: str | None = None) -> IncomingArtifact:
        """Return a file to write to, which gets its place when it is complete.

        Args:
            sha256: The digest that it is said to have; whoever writes it compares. A bucket
                demands it.
        """

    def add(self, path: Path) -> tuple[str, int]:
        """Put a copy of a file into the store and return its digest and size."""

    def remove(self, sha256: str) -> None:
        """Remove a file; one that is not there is gone already."""

    def remove_older(self, sha256: str, seconds: float) -> None:
        """Remove a file that was put in its place longer ago than so many seconds."""

    def digests(self) -> Iterator[str]:
        """Yield the digest of every file that is there."""

    def owner(self) -> str | None:
        """Return the identity of the database that lists what is there; None where none is told."""

    def claim(self, identity: str) -> bool:
        """Tell whether that is a database; the first that asks becomes it."""


def open_artifact_store(settings: JobSettings) -> ArtifactStore:
    """Return the store that the settings name; nothing is asked of it yet.

    Raises:
        MissingExtraError: It is a bucket, and the library that speaks with it is not installed.
        WrongSettingError: A variable of the bucket names a file that cannot be read.
    """
    if settings.artifacts_url is None:
        return BlobStore(settings.artifacts_dir)
    with needs("s3", "NASBENCH_ARTIFACTS_URL"):
        # The library is no part of an installation that has a folder.
        from service.jobs.bucket import Bucket  # noqa: PLC0415

        return Bucket(settings.artifacts_url)
