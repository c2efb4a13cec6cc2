"""Artifacts in a bucket of S3 or of a compatible service: MinIO, Ceph, Cloudflare R2.

The key of a file is `PREFIX/ab/abcd…`, built from its digest like the path in a folder: a folder
can be copied into a bucket as it is.

S3 shows an object only when its upload is complete. A file that already exists is uploaded again:
this replaces a damaged file, and renews its age, so that it stays until the job that made it has
listed it.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from weakref import WeakSet

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from service.jobs.blob_store import check_digest
from service.jobs.bucket_connection import open_bucket, reason_of
from service.jobs.errors import ArtifactsUnavailableError, DamagedFileError, UnknownArtifactError

if TYPE_CHECKING:
    from obstore import WritableFile

__all__ = ["Bucket", "IncomingObject", "OpenObject"]

_PART: Final = 8 * 2**20
"""Bytes of a part of an upload; S3 allows ten thousand parts, hence files of up to 80 GB."""
_PARTS_AT_ONCE: Final = 2
_MOST_INCOMING: Final = 16
"""Concurrent uploads of a process, each with up to three parts in memory."""
_SMALLEST_WINDOW: Final = 2**18
_LARGEST_WINDOW: Final = 4 * 2**20
"""Bytes of one ranged read. A request for a whole file would last as long as the slowest client
takes to read it; one window takes seconds and can be retried."""
_WINDOWS: Final = 128 * 2**20
"""Approximate bytes of the windows of all open files of a process."""

_REQUEST_TIMEOUT: Final = timedelta(seconds=4)
"""Timeout without content; a request to the server is answered within ten seconds."""
_TRANSFER_TIMEOUT: Final = timedelta(seconds=20)
"""Timeout of a part or window; a worker over HTTP waits 30 s."""
_PAGE: Final = 1000

_OWNER: Final = "owner"
"""The object with the identity of the database that owns the bucket. Another database lists none of
these artifacts and would remove them all."""
_IDENTITY: Final = 32
_KEY: Final = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})")


class Bucket:
    """The artifacts in a bucket.

    Args:
        url: `s3://BUCKET` or `s3://BUCKET/PREFIX`, matching the pattern of the setting.

    Attributes:
        is_remote: True.
        where: The address.

    Raises:
        WrongSettingError: A variable names a certificate file that cannot be read.
    """

    is_remote: Final = True

    def __init__(self, url: str) -> None:
        self.where = url
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._metadata = open_bucket(bucket, prefix, timeout=_REQUEST_TIMEOUT, retries=1)
        self._transfers = open_bucket(bucket, prefix, timeout=_TRANSFER_TIMEOUT, retries=2)
        self._incoming = threading.BoundedSemaphore(_MOST_INCOMING)
        self._opened: WeakSet[OpenObject] = WeakSet()

    def is_there(self) -> bool:
        """Tell whether the bucket exists and can be listed.

        Raises:
            ArtifactsUnavailableError: The bucket does not answer or refuses the credentials.
        """
        try:
            with self.translated("list the bucket", missing_is_away=False):
                next(iter(self._metadata.list(chunk_size=1)), None)
        except FileNotFoundError:
            return False
        return True

    def holds(self, sha256: str, size: int) -> bool:
        """Tell whether the file with a digest exists and has the given number of bytes."""
        try:
            return self._size(sha256) == size
        except FileNotFoundError:
            return False

    def open(self, sha256: str, size: int) -> OpenObject:
        """Open a file for reading; its bytes are fetched when they are read.

        Raises:
            DamagedFileError: The file has another size.
            FileNotFoundError: The file does not exist.
            ArtifactsUnavailableError: The bucket does not answer.
        """
        if self._size(sha256) != size:
            raise DamagedFileError("a file has not the size that it should have")
        found = OpenObject(self, sha256, size)
        self._opened.add(found)
        return found

    def window(self) -> int:
        """Return the bytes of one ranged read: fewer when many files are open."""
        share = _WINDOWS // max(1, len(self._opened))
        return max(_SMALLEST_WINDOW, min(_LARGEST_WINDOW, share))

    def receive(self, sha256: str | None = None) -> IncomingObject:
        """Return a new file to write to; `keep` completes it if it has the digest.

        Raises:
            ArtifactsUnavailableError: Too many uploads are in progress.
        """
        if sha256 is None:
            raise UnknownArtifactError("a file for a bucket has its digest before it is written")
        key = _key(sha256)
        if not self._incoming.acquire(blocking=False):
            raise ArtifactsUnavailableError(f"{_MOST_INCOMING} uploads are in progress")
        return IncomingObject(self, sha256, key, self._incoming)

    def add(self, path: Path) -> tuple[str, int]:
        """Upload a file and return its digest and size.

        Raises:
            OSError: The file cannot be read.
            ArtifactsUnavailableError: The bucket refuses the upload.
        """
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            file.seek(0)
            with self.translated("put a file"):
                self._transfers.put(
                    _key(sha256), file, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE
                )
        return sha256, size

    def remove(self, sha256: str) -> None:
        """Remove a file; a missing file is no error."""
        key = _key(sha256)
        with suppress(FileNotFoundError), self.translated("remove a file", missing_is_away=False):
            self._metadata.delete(key)

    def remove_older(self, sha256: str, seconds: float) -> None:
        """Remove a file that was written more than the given number of seconds ago."""
        key = _key(sha256)
        with suppress(FileNotFoundError), self.translated("look at a file", missing_is_away=False):
            made = self._metadata.head(key)["last_modified"]
            if (datetime.now(UTC) - made).total_seconds() > seconds:
                self._metadata.delete(key)

    def digests(self) -> Iterator[str]:
        """Yield the digest of every file; objects with other keys are skipped."""
        pages = iter(self._metadata.list(chunk_size=_PAGE))
        while True:
            with self.translated("list the bucket"):
                page = next(pages, None)
            if page is None:
                return
            for entry in page:
                found = _KEY.fullmatch(entry["path"])
                if found is not None:
                    yield found[1]

    def owner(self) -> str | None:
        """Return the identity of the database that owns the bucket; None if it has no owner."""
        try:
            with self.translated("tell whose it is", missing_is_away=False):
                found = bytes(self._metadata.get_range(_OWNER, start=0, length=_IDENTITY))
        except FileNotFoundError:
            return None
        return found.decode("ascii", "replace")

    def claim(self, identity: str) -> bool:
        """Tell whether a database owns the bucket; the first one that asks becomes its owner."""
        found = self.owner()
        if found is None:
            with suppress(AlreadyExistsError), self.translated("become somebody's"):
                self._metadata.put(_OWNER, identity.encode(), mode="create")
            found = self.owner()
        return found == identity

    def fetch(self, sha256: str, part: range) -> bytes:
        """Return a range of bytes of a file.

        Raises:
            DamagedFileError: The file was removed or is shorter.
            ArtifactsUnavailableError: The bucket does not answer.
        """
        key = _key(sha256)
        try:
            with self.translated("read a file", missing_is_away=False):
                found = self._transfers.get_range(key, start=part.start, end=part.stop)
        except FileNotFoundError:
            raise DamagedFileError("a file is gone while it is read") from None
        if len(found) != len(part):
            raise DamagedFileError("a file ends too soon")
        return bytes(found)

    def writer(self, key: str) -> WritableFile:
        """Return a writer that uploads an object in parts and completes it when closed."""
        return obstore.open_writer(
            self._transfers, key, buffer_size=_PART, max_concurrency=_PARTS_AT_ONCE
        )

    def _size(self, sha256: str) -> int:
        key = _key(sha256)
        with self.translated("look at a file", missing_is_away=False):
            return self._metadata.head(key)["size"]

    @contextmanager
    def translated(self, doing: str, *, missing_is_away: bool = True) -> Iterator[None]:
        """Translate the errors of the library into ours, without credentials in the message.

        Args:
            doing: The operation, for the message.
            missing_is_away: Whether a missing object means that the bucket is unavailable.

        Raises:
            FileNotFoundError: The file or bucket does not exist, and `missing_is_away` is false.
            AlreadyExistsError: The object to create exists already.
            ArtifactsUnavailableError: Any other error.
        """
        try:
            yield
        except AlreadyExistsError:
            raise
        except (BaseError, OSError) as error:
            text = str(error)
            missing = isinstance(error, FileNotFoundError) or "NoSuchBucket" in text
            if missing and not missing_is_away:
                raise FileNotFoundError("there is no such object") from None
            # The library's message contains the request and the response, which names the key.
            raise ArtifactsUnavailableError(
                f"{self.where} did not {doing}: {reason_of(text)}"
            ) from None


class OpenObject:
    """A file in a bucket, read in windows; its digest is checked when read from start to end."""

    def __init__(self, bucket: Bucket, sha256: str, size: int) -> None:
        self._bucket = bucket
        self._sha256 = sha256
        self._size = size
        self._at = 0
        self._window, self._begin = b"", 0
        self._next = _SMALLEST_WINDOW
        self._digest, self._digested = hashlib.sha256(), 0

    def seek(self, offset: int, /) -> int:
        """Set the offset of the next read."""
        self._at = offset
        return offset

    def read(self, size: int, /) -> bytes:
        """Return the next bytes; the last ones only if the whole file has the right digest.

        Raises:
            DamagedFileError: The file was changed or removed.
            ArtifactsUnavailableError: The bucket does not answer.
        """
        stop = min(self._at + size, self._size)
        found = bytearray()
        while (at := self._at + len(found)) < stop:
            offset = at - self._begin
            if not 0 <= offset < len(self._window):
                self._fetch(at)
                offset = 0
            found += self._window[offset : offset + stop - at]
        self._compare(found)
        self._at = stop
        return bytes(found)

    def close(self) -> None:
        """Drop the fetched bytes."""
        self._window = b""

    def _fetch(self, at: int) -> None:
        part = range(at, min(at + self._next, self._size))
        self._window, self._begin = self._bucket.fetch(self._sha256, part), at
        # Sequential reads get larger windows; a short read keeps the small one.
        self._next = min(2 * self._next, self._bucket.window())

    def _compare(self, piece: bytearray) -> None:
        if self._digested != self._at:
            return
        self._digest.update(piece)
        self._digested += len(piece)
        if self._digested == self._size and self._digest.hexdigest() != self._sha256:
            raise DamagedFileError("a file has not the digest that it should have")


class IncomingObject:
    """An upload to a bucket; as a context manager, it aborts an upload not kept.

    Args:
        sha256: The expected digest.
        place: A slot of the concurrent uploads, released at the end.

    Attributes:
        size: Bytes written so far.
    """

    def __init__(
        self, bucket: Bucket, sha256: str, key: str, place: threading.BoundedSemaphore
    ) -> None:
        self._bucket = bucket
        self._stated = sha256
        self._place = place
        self._digest = hashlib.sha256()
        self._writer = bucket.writer(key)
        self._kept = self._ended = False
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __del__(self) -> None:
        # The caller may have been cancelled before it entered the context.
        self._give_place_back()

    def __exit__(self, *_: object) -> None:
        self._give_place_back()
        # Fewer bytes than a part have not been sent yet.
        if not self._kept and self.size >= _PART:
            # Aborted in a thread: the caller may be the event loop. If aborting fails, a lifecycle
            # rule of the bucket removes the parts.
            threading.Thread(target=self._abort, name="broken upload", daemon=True).start()

    @property
    def sha256(self) -> str:
        """Digest of the bytes written so far."""
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """Write the next bytes.

        Raises:
            ArtifactsUnavailableError: The bucket refuses them.
        """
        with self._bucket.translated("take a file"):
            self._writer.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def keep(self) -> str:
        """Complete the upload and return its digest.

        Raises:
            DamagedFileError: The content does not have the expected digest.
            ArtifactsUnavailableError: The bucket refuses the upload.
        """
        if self.sha256 != self._stated:
            raise DamagedFileError("a file has not the digest that was stated")
        with self._bucket.translated("complete a file"):
            self._writer.close()
        self._kept = True
        return self.sha256

    def _give_place_back(self) -> None:
        if not self._ended:
            self._ended = True
            self._place.release()

    def _abort(self) -> None:
        with suppress(BaseError, OSError):
            self._writer.__exit__(ConnectionError, ConnectionError("broken off"), None)


def _key(sha256: str) -> str:
    check_digest(sha256)
    return f"{sha256[:2]}/{sha256}"
