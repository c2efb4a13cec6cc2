"""Headers that tell browsers what they may not do with an answer."""

from __future__ import annotations

from typing import Final, TypeAlias

__all__ = ["security_headers"]

_Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

_ALWAYS: Final[_Headers] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_POLICY: Final = b"content-security-policy"
_NOTHING: Final[_Headers] = (
    *_ALWAYS,
    # An answer is data: opened as a page it runs, loads and is framed nowhere.
    (_POLICY, b"default-src 'none'; frame-ancestors 'none'; sandbox"),
)
_TLS: Final = (b"strict-transport-security", b"max-age=31536000")
_DATA: Final = "/v1/"


def security_headers(path: str, scheme: str, headers: _Headers) -> _Headers:
    """Return what to add to the headers of an answer.

    A page brings a policy of its own; below `/v1/` there are none.

    Args:
        path: What was asked for.
        scheme: How the caller reached the service: `https` where a trusted proxy says so.
        headers: Those that the answer has.
    """
    brought = not path.startswith(_DATA) and any(name == _POLICY for name, _ in headers)
    added = _ALWAYS if brought else _NOTHING
    return (*added, _TLS) if scheme == "https" else added
