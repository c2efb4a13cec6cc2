"""The interface of artifact stores: a folder that servers and workers share, or a bucket.

A file is named by the SHA-256 of its content, so writing it twice changes only its age. A file is
either completely there or not at all.
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
    """A file of a store, opened for reading; threads may take turns with it."""

    def seek(self, offset: int, /) -> int:
        """Set the offset of the next read."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes.

        Raises:
            DamagedFileError: The file was read from start to end and has another digest.
            OSError: The file cannot be read.
        """

    def close(self) -> None:
        """Close the file."""


class IncomingArtifact(Protocol):
    """A file being written to a store; as a context manager, it discards a file not kept."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    @property
    def sha256(self) -> str:
        """Digest of the bytes written so far."""

    def __enter__(self) -> Self:
        """Return the file itself."""

    def __exit__(self, *_: object) -> None:
        """Discard the file unless it was kept."""

    def write(self, piece: bytes) -> None:
        """Write the next bytes.

        Raises:
            OSError: The disk is full, or the store does not answer.
        """

    def keep(self) -> str:
        """Move the complete file to its place, synced to disk, and return its digest.

        Raises:
            OSError: The disk is full, or the store does not answer.
        """


class ArtifactStore(Protocol):
    """Files by their digest.

    All methods raise UnknownArtifactError for a text that is not a digest, and OSError if the store
    fails; a bucket raises ArtifactsUnavailableError.
    """

    @property
    def is_remote(self) -> bool:
        """Whether a request to the store may take seconds."""

    @property
    def where(self) -> str:
        """The location in messages; contains no secrets."""

    def is_there(self) -> bool:
        """Tell whether the folder or bucket exists."""

    def holds(self, sha256: str, size: int) -> bool:
        """Tell whether the file with a digest exists and has the given number of bytes."""

    def open(self, sha256: str, size: int) -> OpenArtifact:
        """Open a file for reading.

        Raises:
            DamagedFileError: The file has another size.
            FileNotFoundError: The file does not exist.
        """

    def receive(self, sha256: str | None = None) -> IncomingArtifact:
        """Return a new file to write to; `keep` moves it to its place.

        Args:
            sha256: The expected digest, which the caller compares. A bucket requires it.
        """

    def add(self, path: Path) -> tuple[str, int]:
        """Copy a file into the store and return its digest and size."""

    def remove(self, sha256: str) -> None:
        """Remove a file; a missing file is no error."""

    def remove_older(self, sha256: str, seconds: float) -> None:
        """Remove a file that was written more than the given number of seconds ago."""

    def digests(self) -> Iterator[str]:
        """Yield the digest of every file in the store."""

    def owner(self) -> str | None:
        """Return the identity of the database that owns the store; None if it has no owner."""

    def claim(self, identity: str) -> bool:
        """Tell whether a database owns the store; the first one that asks becomes its owner."""


def open_artifact_store(settings: JobSettings) -> ArtifactStore:
    """Return the store that the settings name, without contacting it.

    Raises:
        MissingExtraError: The settings name a bucket, and its library is not installed.
        WrongSettingError: A variable of the bucket names a file that cannot be read.
    """
    if settings.artifacts_url is None:
        return BlobStore(settings.artifacts_dir)
    with needs("s3", "NASBENCH_ARTIFACTS_URL"):
        # Imported here: installations without a bucket lack the library.
        from service.jobs.bucket import Bucket  # noqa: PLC0415

        return Bucket(settings.artifacts_url)
