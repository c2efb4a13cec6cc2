"""How long an answer may be used again, and whether it must be checked first: RFC 9111.

Of the rules for caches those of a private one that keeps answers to GET apply. An answer is fresh
for `max-age` less its `Age`, counted from when it was asked for; one without `max-age` is checked
each time. No answer is used past that: a server that cannot be reached is an error as ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import httpx

from bench_client.bodies import Reply
from bench_client.retries import Outcome
from bench_client.untrusted import entity_tag

__all__ = ["Copy", "confirmed", "copy_of"]

_OK: Final = 200
_NOT_MODIFIED: Final = 304


@dataclass(frozen=True, slots=True)
class Copy:
    """An answer at hand.

    Attributes:
        body: The answer, uncompressed.
        etag: What the server knows it by; empty when it did not say.
        lifetime: For how many seconds it may be used without asking.
        checked: When it was last asked for: Unix time, in seconds.
    """

    body: bytes
    etag: str
    lifetime: float
    checked: float

    def is_fresh(self, now: float) -> bool:
        """Tell whether it may be used without asking; not when the clock was set back."""
        return 0 <= now - self.checked < self.lifetime


def copy_of(response: Outcome, asked: float) -> Copy | None:
    """Return an answer as it may be kept (RFC 9111, section 3); None: it may not, or to no use.

    Args:
        response: What came of asking.
        asked: When that was.
    """
    if isinstance(response, httpx.RequestError):
        return None
    etag = entity_tag(response.headers)
    lifetime = _lifetime(response)
    usable = bool(etag) or lifetime > 0
    forbidden = "no-store" in _directives(response) or "*" in response.headers.get("Vary", "")
    if response.status_code != _OK or forbidden or not usable:
        return None
    return Copy(response.content, etag, lifetime, asked)


def confirmed(copy: Copy, response: Outcome, asked: float) -> Copy | None:
    """Return an answer with its time renewed by a 304 (RFC 9111, section 4.3.4).

    Args:
        copy: The answer that was asked about.
        response: What came of asking.
        asked: When that was.

    Returns:
        None when the server did not say that this very answer still holds.
    """
    if isinstance(response, httpx.RequestError) or response.status_code != _NOT_MODIFIED:
        return None
    if not copy.etag or _opaque(response.headers.get("ETag", copy.etag)) != _opaque(copy.etag):
        return None
    says_how_long = "Cache-Control" in response.headers
    lifetime = _lifetime(response) if says_how_long else copy.lifetime
    return replace(copy, lifetime=lifetime, checked=asked)


def _lifetime(response: Reply) -> float:
    directives = _directives(response)
    if "no-cache" in directives:
        return 0.0
    return max(0.0, _seconds(directives.get("max-age")) - _seconds(response.headers.get("Age")))


def _directives(response: Reply) -> dict[str, str]:
    """Return the directives of `Cache-Control`, the first of each name, in lower case."""
    found: dict[str, str] = {}
    for directive in response.headers.get("Cache-Control", "").split(","):
        name, _, value = directive.partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def _seconds(text: str | None) -> float:
    """Return a number of seconds; 0 for what is none, so that the answer is checked."""
    return float(text) if text is not None and text.isascii() and text.isdecimal() else 0.0


def _opaque(etag: str) -> str:
    return etag.removeprefix("W/")
