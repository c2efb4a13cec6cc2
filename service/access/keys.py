"""API keys: drawn, kept in a file as digests, and looked up by a server.

A key is 256 random bits that this program drew. What is kept is its SHA-256: slow hashes (argon2,
bcrypt) exist because people choose passwords that can be guessed. Nobody guesses 256 bits, and a
slow hash would let anyone keep a server busy by showing it wrong keys.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = [
    "NO_DIGEST",
    "Key",
    "KeyFile",
    "KeyFileError",
    "KeyRing",
    "KeyScope",
    "digest_of",
    "draw_token",
    "id_of",
    "matches",
]

_PREFIX: Final = "nbs"
"""What makes a key that was published by accident recognisable to programs that look for them."""
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_TOKEN: Final = re.compile(rf"{_PREFIX}_([0-9a-f]{{{2 * _ID_BYTES}}})_[A-Za-z0-9_-]{{43}}")

NO_DIGEST: Final = "0" * 64
"""What a key that does not exist is compared with, so that it takes as long as one that does."""


class KeyScope(StrEnum):
    """What a key allows; each allows reading, and `admin` allows all."""

    READ = "read"
    JOBS = "jobs"
    PLANS = "plans"
    WORKER = "worker"
    ADMIN = "admin"

    def allows(self, needed: KeyScope) -> bool:
        """Tell whether a key of this scope may do what needs another."""
        return needed in {KeyScope.READ, self} or self is KeyScope.ADMIN


@dataclass(frozen=True, kw_only=True)
class Key:
    """What is known of a key.

    Attributes:
        name: What people call it, and what logs and limits call its holder.
        scope: What it allows.
        id: The part of it that is no secret, by which it is found.
        digest: SHA-256 of the whole key, in hex.
        created_at: Seconds since 1970.
        revoked_at: Since when it is no longer taken; None while it is.
    """

    name: str
    scope: KeyScope
    id: str
    digest: str
    created_at: float
    revoked_at: float | None = None


def draw_token() -> str:
    """Return a new key: a prefix, an id and a secret."""
    return f"{_PREFIX}_{secrets.token_hex(_ID_BYTES)}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def id_of(token: str) -> str | None:
    """Return the id in a key; None where it is none."""
    match = _TOKEN.fullmatch(token)
    return match and match[1]


def digest_of(token: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(token.encode()).hexdigest()


def matches(token: str, digest: str) -> bool:
    """Tell whether a key has a digest, in a time that does not depend on either."""
    return hmac.compare_digest(digest_of(token), digest)


_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class KeyFileError(ValueError):
    """The keys cannot be read, or cannot be changed as asked."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=rf"^{_NAME.pattern}$")]
    scope: KeyScope
    id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    created_at: float
    revoked_at: float | None


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    keys: list[_Entry]


class KeyFile:
    """The keys in a file.

    Args:
        path: The file; without it there are no keys.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Key] | None:
        """Return all keys, revoked ones too, oldest first; None where there is no file.

        Raises:
            KeyFileError: It is no file of keys, or may not be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyFileError(f"{self.path} cannot be read: {error.strerror}") from error
        try:
            document = _Document.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise KeyFileError(f"{self.path} is no file of keys: {place}: {first['msg']}") from None
        return [Key(**dict(entry)) for entry in document.keys]

    def create(self, name: str, scope: KeyScope) -> str:
        """Add a key and return it; nobody can tell it again.

        Raises:
            KeyFileError: The name is malformed or taken, or the file is no file of keys.
        """
        if not _NAME.fullmatch(name):
            raise KeyFileError(
                f"{name!r:.80} cannot name a key: up to 64 letters, digits and ._@- are allowed, "
                "the first a letter or digit"
            )
        token = draw_token()
        key_id = id_of(token)
        assert key_id is not None  # noqa: S101 - it was just made
        with self._alone():
            keys = self.read() or []
            if any(key.name == name for key in keys):
                raise KeyFileError(
                    f"there is, or was, a key {name!r}; take another name, so that logs tell whose "
                    "requests they show"
                )
            key = Key(
                name=name,
                scope=scope,
                id=key_id,
                digest=digest_of(token),
                created_at=time.time(),
            )
            self._replace([*keys, key])
        return token

    def revoke(self, name: str) -> None:
        """Take a key no more. Revoking it again changes nothing.

        Raises:
            KeyFileError: There is no such key.
        """
        with self._alone():
            keys = self.read() or []
            if not any(key.name == name for key in keys):
                raise KeyFileError(f"there is no key {name!r:.80} in {self.path}")
            now = time.time()
            self._replace(
                [
                    replace(key, revoked_at=now)
                    if key.name == name and key.revoked_at is None
                    else key
                    for key in keys
                ]
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from changing the keys meanwhile."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The file itself is replaced, so that a lock on it would be one on the old file.
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _replace(self, keys: Sequence[Key]) -> None:
        content = json.dumps({"version": 1, "keys": [asdict(key) for key in keys]}, indent=2)
        # Made with mode 0600.
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}-", dir=self.path.parent)
        try:
            with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - an open file
                file.write(content + "\n")
                file.flush()
                os.fsync(handle)
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


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

    def has(self, name: str) -> bool:
        """Tell whether a key of a name is taken."""
        self._look_again()
        return any(key.name == name for key in self._keys.values())

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
            import structlog  # noqa: PLC0415 - `nbs keys` needs none

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
