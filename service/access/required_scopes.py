"""The scope that each request needs; the only place where this is decided.

The decision uses method and path, before routing, so that a new route is protected by default: any
request not listed below as open or as a query needs the scope `jobs`.
"""

from __future__ import annotations

import re
from typing import Final

from benchmark_spec import RESERVED_NAMES
from service.access.keys import KeyScope

__all__ = ["OPEN", "WORKER_ROUTES", "is_query", "required_scope"]

OPEN: Final = frozenset({"/livez", "/readyz"})
"""Paths of health checks, which have no key and no limits."""

_DOCUMENTATION: Final = frozenset({"/", "/docs", "/openapi.json", "/explore", "/guide"})
_DOCUMENTATION_FILES: Final = ("/swagger/", "/explore/", "/assets/", "/guide/")
"""Documentation, and pages that contain no data; users learn here that they need a key."""

_QUESTION_ENDINGS: Final = (
    "architecture",
    "architectures/neighbors",
    "computed-stats/query",
    "hash",
)
_QUESTION: Final = re.compile(rf"/v1/([a-z0-9-]+)/({'|'.join(_QUESTION_ENDINGS)})")
"""Paths whose POST changes nothing: queries that are too long for a URL."""

WORKER_ROUTES: Final = "/v1/worker/"
"""Prefix of the routes of workers, which need the scope `worker` even for reading."""

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_UPLOADS: Final = "/v1/checkpoints"
_PLANS: Final = "/v1/plans"


def is_query(path: str) -> bool:
    """Tell whether a POST to a path is a query on a benchmark or declared table."""
    found = _QUESTION.fullmatch(path)
    return found is not None and found[1] not in RESERVED_NAMES


def required_scope(method: str, path: str) -> KeyScope | None:
    """Return the scope that a request needs; None if it needs no key.

    Args:
        method: The HTTP method, in capitals.
        path: The path, percent-decoded.
    """
    if path.startswith(WORKER_ROUTES):
        return KeyScope.WORKER
    if method in _READING:
        documentation = path in _DOCUMENTATION or path.startswith(_DOCUMENTATION_FILES)
        return None if documentation or path in OPEN else KeyScope.READ
    if method == "POST" and is_query(path):
        return KeyScope.READ
    if path == _UPLOADS or path.startswith(f"{_UPLOADS}/"):
        return KeyScope.ADMIN
    if path == _PLANS or path.startswith(f"{_PLANS}/"):
        return KeyScope.PLANS
    return KeyScope.JOBS
