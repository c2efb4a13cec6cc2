"""Artifacts in a bucket of S3, or of what speaks its protocol: MinIO, Ceph, Cloudflare R2.

The key of a file is `PREFIX/ab/abcd…`, made of its digest as the path in a folder is: a folder can
be copied into a bucket as it is.

S3 shows an object when all of it has come and not before. A file that is there is put again rather
than left alone: the new one is whole where the old one was damaged, and it is young, so that it
stays until the job that made it has listed it.
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

from service.jobs.blob_store import refuse_no_digest
from service.jobs.bucket_connection import open_bucket, reason_of
from service.jobs.errors import ArtifactsUnavailableError, DamagedFileError, UnknownArtifactError

if TYPE_CHECKING:
    from obstore import WritableFile

__all__ = ["Bucket", "IncomingObject", "OpenObject"]

_PART: Final = 8 * 2**20
"""Bytes of a part of an upload; S3 takes ten thousand of them: files of 80 GB."""
_PARTS_AT_ONCE: Final = 2
_MOST_INCOMING: Final = 16
"""Uploads that a process has under way, each with up to three parts in memory."""
_SMALLEST_WINDOW: Final = 2**18
_LARGEST_WINDOW: Final = 4 * 2**20
"""Bytes that are asked for at a time. One request for a whole file would have to last as long as
the slowest client takes; one of a window is answered in seconds, or asked again."""
_WINDOWS: Final = 128 * 2**20
"""Bytes of the windows of all files that a process has open, about."""

_ASK: Final = timedelta(seconds=4)
"""For an answer without content: a request has its own within ten seconds."""
_MOVE: Final = timedelta(seconds=20)
"""For a part or a window: a worker over HTTP waits for 30 s."""
_PAGE: Final = 1000

_OWNER: Final = "owner"
"""The object that says whose artifacts these are: another database lists none of them, and would
take them for what nobody needs."""
_IDENTITY: Final = 32
_KEY: Final = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})")


class Bucket:
    """The artifacts in a bucket.

    Args:
        url: `s3://BUCKET` or `s3://BUCKET/PREFIX`, as the setting allows it.

    Attributes:
        is_remote: True.
        where: The address.

    Raises:
        WrongSettingError: A variable names certificates that cannot be read.
    """

    is_remote: Final = True

    def __init__(self, url: str) -> None:
        self.where = url
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._asked = open_bucket(bucket, prefix, timeout=_ASK, retries=1)
        self._moved = open_bucket(bucket, prefix, timeout=_MOVE, retries=2)
        self._incoming = threading.BoundedSemaphore(_MOST_INCOMING)
        self._opened: WeakSet[OpenObject] = WeakSet()

    def is_there(self) -> bool:
        """Tell whether the bucket is there and can be listed.

        Raises:
            ArtifactsUnavailableError: It does not answer, or not to these credentials.
        """
        try:
            with self.explained("list the bucket", missing_is_away=False):
                next(iter(self._asked.list(chunk_size=1)), None)
        except FileNotFoundError:
            return False
        return True

    def holds(self, sha256: str, size: int) -> bool:
        """Tell whether the file with a digest is there and has so many bytes."""
        try:
            return self._size(sha256) == size
        except FileNotFoundError:
            return False

    def open(self, sha256: str, size: int) -> OpenObject:
        """Open a file; what it is made of is fetched when it is read.

        Raises:
            DamagedFileError: It has not so many bytes.
            FileNotFoundError: It is not there.
            ArtifactsUnavailableError: The bucket does not answer.
        """
        if self._size(sha256) != size:
            raise DamagedFileError("a file has not the size that it should have")
        found = OpenObject(self, sha256, size)
        self._opened.add(found)
        return found

    def window(self) -> int:
        """Return how many bytes of a file may be fetched at a time: fewer where many are open."""
        share = _WINDOWS // max(1, len(self._opened))
        return max(_SMALLEST_WINDOW, min(_LARGEST_WINDOW, share))

    def receive(self, sha256: str | None = None) -> IncomingObject:
        """Return a file to write to, which is there when it is kept and has the digest.

        Raises:
            ArtifactsUnavailableError: As many are on their way as may.
        """
        if sha256 is None:
            raise UnknownArtifactError("a file for a bucket has its digest before it is written")
        key = _key(sha256)
        if not self._incoming.acquire(blocking=False):
            raise ArtifactsUnavailableError(f"{_MOST_INCOMING} files are on their way to it")
        return IncomingObject(self, sha256, key, self._incoming)

    def add(self, path: Path) -> tuple[str, int]:
        """Put a copy of a file into the bucket and return its digest and size.

        Raises:
            OSError: It cannot be read.
            ArtifactsUnavailableError: The bucket does not take it.
        """
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            file.seek(0)
            with self.explained("put a file"):
                self._moved.put(
                    _key(sha256), file, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE
                )
        return sha256, size

    def remove(self, sha256: str) -> None:
        """Remove a file; one that is not there is gone already."""
        key = _key(sha256)
        with suppress(FileNotFoundError), self.explained("remove a file", missing_is_away=False):
            self._asked.delete(key)

    def remove_older(self, sha256: str, seconds: float) -> None:
        """Remove a file that was put in its place longer ago than so many seconds."""
        key = _key(sha256)
        with suppress(FileNotFoundError), self.explained("look at a file", missing_is_away=False):
            made = self._asked.head(key)["last_modified"]
            if (datetime.now(UTC) - made).total_seconds() > seconds:
                self._asked.delete(key)

    def digests(self) -> Iterator[str]:
        """Yield the digest of every file that is there; other objects are left alone."""
        pages = iter(self._asked.list(chunk_size=_PAGE))
        while True:
            with self.explained("list the bucket"):
                page = next(pages, None)
            if page is None:
                return
            for entry in page:
                found = _KEY.fullmatch(entry["path"])
                if found is not None:
                    yield found[1]

    def owner(self) -> str | None:
        """Return the identity of the database that lists what is there; None where none is told."""
        try:
            with self.explained("tell whose it is", missing_is_away=False):
                found = bytes(self._asked.get_range(_OWNER, start=0, length=_IDENTITY))
        except FileNotFoundError:
            return None
        return found.decode("ascii", "replace")

    def claim(self, identity: str) -> bool:
        """Tell whether that is a database; the first that asks becomes it."""
        found = self.owner()
        if found is None:
            with (
                suppress(AlreadyExistsError),
                self.explained("become somebody's"),
            ):
                self._asked.put(_OWNER, identity.encode(), mode="create")
            found = self.owner()
        return found == identity

    def fetch(self, sha256: str, part: range) -> bytes:
        """Return some bytes of a file.

        Raises:
            DamagedFileError: It is not there any more, or is shorter.
            ArtifactsUnavailableError: The bucket does not answer.
        """
        key = _key(sha256)
        try:
            with self.explained("read a file", missing_is_away=False):
                found = self._moved.get_range(key, start=part.start, end=part.stop)
        except FileNotFoundError:
            raise DamagedFileError("a file is gone while it is read") from None
        if len(found) != len(part):
            raise DamagedFileError("a file ends too soon")
        return bytes(found)

    def writer(self, key: str) -> WritableFile:
        """Return what sends an object in parts, and shows it when it is closed."""
        return obstore.open_writer(
            self._moved, key, buffer_size=_PART, max_concurrency=_PARTS_AT_ONCE
        )

    def _size(self, sha256: str) -> int:
        key = _key(sha256)
        with self.explained("look at a file", missing_is_away=False):
            return self._asked.head(key)["size"]

    @contextmanager
    def explained(self, doing: str, *, missing_is_away: bool = True) -> Iterator[None]:
        """Make every error of the library one of ours, which tells nothing of credentials.

        Args:
            doing: What is done.
            missing_is_away: Whether what is not there is the bucket, and not the file.

        Raises:
            FileNotFoundError: The file is not there; where it is to be told, the bucket.
            AlreadyExistsError: It is there, and was to be made.
            ArtifactsUnavailableError: Whatever else went wrong.
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
            # The message of the library has the request, and the answer that names the key.
            raise ArtifactsUnavailableError(
                f"{self.where} did not {doing}: {reason_of(text)}"
            ) from None


class OpenObject:
    """A file in a bucket, fetched in windows; what is read from end to end has its digest."""

    def __init__(self, bucket: Bucket, sha256: str, size: int) -> None:
        self._bucket = bucket
        self._sha256 = sha256
        self._size = size
        self._at = 0
        self._window, self._begin = b"", 0
        self._next = _SMALLEST_WINDOW
        self._digest, self._digested = hashlib.sha256(), 0

    def seek(self, offset: int, /) -> int:
        """Have the next piece begin at a byte."""
        self._at = offset
        return offset

    def read(self, size: int, /) -> bytes:
        """Return the next piece, the last one only if all before it had the right digest.

        Raises:
            DamagedFileError: The file is another than it was, or gone.
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
        """Forget what was fetched."""
        self._window = b""

    def _fetch(self, at: int) -> None:
        part = range(at, min(at + self._next, self._size))
        self._window, self._begin = self._bucket.fetch(self._sha256, part), at
        # Who reads on is given more at a time; who wants a part is not.
        self._next = min(2 * self._next, self._bucket.window())

    def _compare(self, piece: bytearray) -> None:
        if self._digested != self._at:
            return
        self._digest.update(piece)
        self._digested += len(piece)
        if self._digested == self._size and self._digest.hexdigest() != self._sha256:
            raise DamagedFileError("a file has not the digest that it should have")


class IncomingObject:
    """A file on its way into a bucket; used as a context manager, which ends what was not kept.

    Args:
        sha256: The digest that it is said to have.
        place: Released at the end.

    Attributes:
        size: Bytes so far.
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
        # Whoever asked for it may have gone before it had it.
        self._give_place_back()

    def __exit__(self, *_: object) -> None:
        self._give_place_back()
        # Nothing has been sent of what is shorter than a part.
        if not self._kept and self.size >= _PART:
            # Whoever leaves may be the event loop; what cannot be ended, a rule of the bucket ends.
            threading.Thread(target=self._abort, name="broken upload", daemon=True).start()

    @property
    def sha256(self) -> str:
        """Digest of what was written so far."""
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """Write the next piece.

        Raises:
            ArtifactsUnavailableError: The bucket does not take it.
        """
        with self._bucket.explained("take a file"):
            self._writer.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def keep(self) -> str:
        """Complete the file, which is there from then on, and return its digest.

        Raises:
            DamagedFileError: It has another digest than was said.
            ArtifactsUnavailableError: The bucket does not take it.
        """
        if self.sha256 != self._stated:
            raise DamagedFileError("a file has not the digest that was stated")
        with self._bucket.explained("complete a file"):
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
    refuse_no_digest(sha256)
    return f"{sha256[:2]}/{sha256}"
