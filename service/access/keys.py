"""Keys: what callers show, and what is kept of it.

A key is 256 random bits that this program drew. What is kept is its SHA-256: slow hashes (argon2,
bcrypt) exist because people choose passwords that can be guessed. Nobody guesses 256 bits, and a
slow hash would let anyone keep a server busy by showing it wrong keys.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["NO_DIGEST", "Key", "KeyScope", "digest_of", "draw_token", "id_of", "matches"]

_PREFIX: Final = "nbs"
"""What makes a key that was published by accident recognisable to programs that look for them."""
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_TOKEN: Final = re.compile(rf"{_PREFIX}_([0-9a-f]{{{2 * _ID_BYTES}}})_[A-Za-z0-9_-]{{43}}")

NO_DIGEST: Final = "0" * 64
"""What a key that does not exist is compared with, so that it takes as long as one that does."""


class KeyScope(StrEnum):
    """What a key allows; each allows what the ones before it allow."""

    READ = "read"
    JOBS = "jobs"
    ADMIN = "admin"

    def allows(self, needed: KeyScope) -> bool:
        """Tell whether a key of this scope may do what needs another."""
        order = list(KeyScope)
        return order.index(self) >= order.index(needed)


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
