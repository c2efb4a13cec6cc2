"""The file of the keys: JSON, for its owner alone, replaced whole."""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.access.keys import Key, KeyScope, digest_of, draw_token, id_of

__all__ = ["KeyFile", "KeyFileError"]

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
