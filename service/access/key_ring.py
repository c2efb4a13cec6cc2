"""The keys as a server knows them: those of the file, a second old at most."""

from __future__ import annotations

import time
from typing import Final, TypeAlias

import structlog

from service.access.key_file import KeyFile, KeyFileError
from service.access.keys import NO_DIGEST, Key, id_of, matches

__all__ = ["KeyRing"]

_SECONDS_BETWEEN_LOOKS: Final = 1.0

_Stamp: TypeAlias = tuple[int, int, int] | None


class KeyRing:
    """The keys that are taken.

    A file that is damaged or removed while a server runs opens nothing: of a damaged one the keys
    read before it stay, of a removed one none, and requests that need a key go on needing one.

    Args:
        file: The keys.
        required: Whether keys are needed even where there is no file.

    Raises:
        KeyFileError: The file is no file of keys.
    """

    def __init__(self, file: KeyFile, *, required: bool) -> None:
        self._file = file
        self._keys: dict[str, Key] = {}
        self._configured = required
        self._stamp: _Stamp = None
        self._looked_at = time.monotonic()
        self._take_over(self._stamp_now())

    def configured(self) -> bool:
        """Tell whether what needs a key is refused without one."""
        self._look_again()
        return self._configured

    def find(self, token: str) -> Key | None:
        """Return a key that is taken; None for any other.

        What is compared, and how long that takes, is the same for every key that is refused.
        """
        self._look_again()
        key = self._keys.get(id_of(token) or "")
        return key if matches(token, key.digest if key else NO_DIGEST) else None

    def _look_again(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked_at = now
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        try:
            self._take_over(stamp)
        except KeyFileError as error:
            self._stamp = stamp
            structlog.get_logger().error("the keys stay as they were", reason=str(error))

    def _take_over(self, stamp: _Stamp) -> None:
        keys = self._file.read()
        self._stamp = stamp
        self._configured = self._configured or keys is not None
        self._keys = {key.id: key for key in keys or () if key.revoked_at is None}

    def _stamp_now(self) -> _Stamp:
        try:
            status = self._file.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
