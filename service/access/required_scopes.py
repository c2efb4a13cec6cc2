"""What a request needs, decided here and nowhere else.

By method and path, before any route is looked for, so that a new route is covered on the day it is
written: whatever is not declared below as open or as a question needs the scope `jobs`.
"""

from __future__ import annotations

from typing import Final

from benchmark_db.catalog import BENCHMARKS
from service.access.keys import KeyScope

__all__ = ["OPEN", "QUESTIONS", "required_scope"]

OPEN: Final = frozenset({"/livez", "/readyz"})
"""Asked by what watches the server, which has no key; not limited either."""

_DOCUMENTATION: Final = frozenset({"/", "/docs", "/openapi.json"})
_DOCUMENTATION_FILES: Final = "/swagger/"
"""What says how to ask, of which nothing is a secret: whoever needs a key learns it here."""

_QUESTION_ENDINGS: Final = (
    "architecture",
    "architectures/neighbors",
    "computed-stats/query",
    "hash",
)
QUESTIONS: Final = frozenset(
    f"/v1/{benchmark}/{ending}" for benchmark in BENCHMARKS for ending in _QUESTION_ENDINGS
)
"""Paths whose POST changes nothing: questions that are too long for an address."""

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_UPLOADS: Final = "/v1/checkpoints"


def required_scope(method: str, path: str) -> KeyScope | None:
    """Return the scope that a request needs; None where it needs no key.

    Args:
        method: Of the request, in capitals.
        path: Of the request, its escapes replaced.
    """
    if method in _READING:
        documentation = path in _DOCUMENTATION or path.startswith(_DOCUMENTATION_FILES)
        return None if documentation or path in OPEN else KeyScope.READ
    if method == "POST" and path in QUESTIONS:
        return KeyScope.READ
    if path == _UPLOADS or path.startswith(f"{_UPLOADS}/"):
        return KeyScope.ADMIN
    return KeyScope.JOBS
