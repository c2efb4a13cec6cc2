"""What a request needs, decided here and nowhere else.

By method and path, before any route is looked for, so that a new route is covered on the day it is
written: whatever is not declared below as open or as a question needs the scope `jobs`.
"""

from __future__ import annotations

import re
from typing import Final

from benchmark_spec import RESERVED_NAMES
from service.access.keys import KeyScope

__all__ = ["OPEN", "WORKER_ROUTES", "is_question", "required_scope"]

OPEN: Final = frozenset({"/livez", "/readyz"})
"""Asked by what watches the server, which has no key; not limited either."""

_DOCUMENTATION: Final = frozenset({"/", "/docs", "/openapi.json", "/explore", "/guide"})
_DOCUMENTATION_FILES: Final = ("/swagger/", "/explore/", "/assets/", "/guide/")
"""What says how to ask, and pages that hold no data and ask themselves: whoever needs a key learns
it here."""

_QUESTION_ENDINGS: Final = (
    "architecture",
    "architectures/neighbors",
    "computed-stats/query",
    "hash",
)
_QUESTION: Final = re.compile(rf"/v1/([a-z0-9-]+)/({'|'.join(_QUESTION_ENDINGS)})")
"""Paths whose POST changes nothing: questions that are too long for an address."""

WORKER_ROUTES: Final = "/v1/worker/"
"""Begin of the paths by which workers get jobs and hand over results, reading included."""

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_UPLOADS: Final = "/v1/checkpoints"
_PLANS: Final = "/v1/plans"


def is_question(path: str) -> bool:
    """Tell whether what is posted to a path is a question about a benchmark or declared table."""
    found = _QUESTION.fullmatch(path)
    return found is not None and found[1] not in RESERVED_NAMES


def required_scope(method: str, path: str) -> KeyScope | None:
    """Return the scope that a request needs; None where it needs no key.

    Args:
        method: Of the request, in capitals.
        path: Of the request, its escapes replaced.
    """
    if path.startswith(WORKER_ROUTES):
        return KeyScope.WORKER
    if method in _READING:
        documentation = path in _DOCUMENTATION or path.startswith(_DOCUMENTATION_FILES)
        return None if documentation or path in OPEN else KeyScope.READ
    if method == "POST" and is_question(path):
        return KeyScope.READ
    if path == _UPLOADS or path.startswith(f"{_UPLOADS}/"):
        return KeyScope.ADMIN
    if path == _PLANS or path.startswith(f"{_PLANS}/"):
        return KeyScope.PLANS
    return KeyScope.JOBS
