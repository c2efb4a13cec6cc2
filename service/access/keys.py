"""API keys: generated here, stored in a file as digests, and looked up by a server.

A key has 256 random bits, and its SHA-256 is stored. Slow password hashes (argon2, bcrypt) exist
because people choose guessable passwords. 256 random bits cannot be guessed, and a slow hash would
let anyone keep a server busy by sending wrong keys.
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
"""Prefix by which secret scanners recognise a key that was published by accident."""
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_TOKEN: Final = re.compile(rf"{_PREFIX}_([0-9a-f]{{{2 * _ID_BYTES}}})_[A-Za-z0-9_-]{{43}}")

NO_DIGEST: Final = "0" * 64
"""Digest that an unknown key is compared with, so that its refusal takes as long as any other."""


class KeyScope(StrEnum):
    """The scope of a key; each scope allows reading, and `admin` allows everything."""

    READ = "read"
    JOBS = "jobs"
    PLANS = "plans"
    WORKER = "worker"
    ADMIN = "admin"

    def allows(self, needed: KeyScope) -> bool:
        """Tell whether a key of this scope allows requests that need another scope."""
        return needed in {KeyScope.READ, self} or self is KeyScope.ADMIN


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key without its secret.

    Attributes:
        name: Its name, which also identifies its holder in logs and limits.
        scope: What it allows.
        id: The public part of the key, by which it is looked up.
        digest: SHA-256 of the whole key, in hexadecimal.
        created_at: Seconds since 1970.
        revoked_at: When it was revoked, in seconds since 1970; None if it is valid.
    """

    name: str
    scope: KeyScope
    id: str
    digest: str
    created_at: float
    revoked_at: float | None = None


def draw_token() -> str:
    """Generate a new key: a prefix, an id and a secret."""
    return f"{_PREFIX}_{secrets.token_hex(_ID_BYTES)}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def id_of(token: str) -> str | None:
    """Return the id in a key; None if the text is not a key."""
    match = _TOKEN.fullmatch(token)
    return match and match[1]


def digest_of(token: str) -> str:
    """Return the digest of a key."""
    return hashlib.sha256(token.encode()).hexdigest()


def matches(token: str, digest: str) -> bool:
    """Compare a key with a digest in constant time."""
    return hmac.compare_digest(digest_of(token), digest)


_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class KeyFileError(ValueError):
    """The key file cannot be read, or cannot be changed as requested."""


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
        path: The file; if it does not exist, there are no keys.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Key] | None:
        """Return all keys, revoked ones included, oldest first; None if the file does not exist.

        Raises:
            KeyFileError: The file is not a key file, or cannot be read.
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
            raise KeyFileError(f"{self.path} is not a key file: {place}: {first['msg']}") from None
        return [Key(**dict(entry)) for entry in document.keys]

    def create(self, name: str, scope: KeyScope) -> str:
        """Add a key and return it; only its digest is stored.

        Raises:
            KeyFileError: The name is malformed or taken, or the file is not a key file.
        """
        if not _NAME.fullmatch(name):
            raise KeyFileError(
                f"{name!r:.80} cannot name a key: up to 64 letters, digits and ._@- are allowed, "
                "the first a letter or digit"
            )
        token = draw_token()
        key_id = id_of(token)
        assert key_id is not None  # noqa: S101 - it was just made
        with self._locked():
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
        """Revoke a key; revoking it again changes nothing.

        Raises:
            KeyFileError: No key has this name.
        """
        with self._locked():
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
    def _locked(self) -> Iterator[None]:
        """Lock the keys against changes by other processes."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The folder is locked, because the file is replaced and a lock would be on the old one.
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _replace(self, keys: Sequence[Key]) -> None:
        content = json.dumps({"version": 1, "keys": [asdict(key) for key in keys]}, indent=2)
        # mkstemp creates it with mode 0600.
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


_CHECK_SECONDS: Final = 1.0

_Stamp: TypeAlias = tuple[int, int, int] | None


class KeyRing:
    """The valid keys of a key file, which is re-read when it changes.

    A damaged or removed file grants no access while the server runs: if it is damaged, the keys
    read before stay valid; if it is removed, no key is valid. Requests that need a key still do.

    Args:
        file: The key file.
        required: Whether keys are needed even if the file does not exist.

    Raises:
        KeyFileError: The file is not a key file.
    """

    def __init__(self, file: KeyFile, *, required: bool) -> None:
        self._file = file
        self._keys: dict[str, Key] = {}
        self._configured = required
        self._stamp: _Stamp = None
        self._checked_at = time.monotonic()
        self._load(self._current_stamp())

    def configured(self) -> bool:
        """Tell whether keys are needed."""
        self._reload_if_changed()
        return self._configured

    def find(self, token: str) -> Key | None:
        """Return the valid key with a token; None if there is none.

        The comparison takes the same time for every refused key.
        """
        self._reload_if_changed()
        key = self._keys.get(id_of(token) or "")
        return key if matches(token, key.digest if key else NO_DIGEST) else None

    def has(self, name: str) -> bool:
        """Tell whether a valid key has a name."""
        self._reload_if_changed()
        return any(key.name == name for key in self._keys.values())

    def _reload_if_changed(self) -> None:
        now = time.monotonic()
        if now - self._checked_at < _CHECK_SECONDS:
            return
        self._checked_at = now
        stamp = self._current_stamp()
        if stamp == self._stamp:
            return
        try:
            self._load(stamp)
        except KeyFileError as error:
            self._stamp = stamp
            import structlog  # noqa: PLC0415 - `nbs keys` works without it

            structlog.get_logger().error("the keys stay as they were", reason=str(error))

    def _load(self, stamp: _Stamp) -> None:
        keys = self._file.read()
        self._stamp = stamp
        self._configured = self._configured or keys is not None
        self._keys = {key.id: key for key in keys or () if key.revoked_at is None}

    def _current_stamp(self) -> _Stamp:
        try:
            status = self._file.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
