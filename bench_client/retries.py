"""When to ask again, and after how long."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, TypeAlias

import httpx

from bench_client.bodies import Reply
from bench_client.untrusted import retry_seconds

__all__ = ["LONGEST_PAUSE", "RETRIED_STATUS", "Outcome", "Retries"]

Outcome: TypeAlias = Reply | httpx.RequestError
"""What came of sending a request."""

RETRIED_STATUS: Final = frozenset({429, 502, 503, 504})
"""Too many requests; no answer from behind a proxy; overloaded."""

_UNAVAILABLE: Final = 503
_FINAL: Final = (b":problem:time-budget-exceeded", b":problem:database-unusable")
"""Ends of the types of problems that stay however often the question is asked."""

LONGEST_PAUSE: Final = 30.0
"""Seconds; a server that asks for a longer pause is not asked again."""

_FIRST_PAUSE: Final = 0.2
"""Seconds; the longest pause before the first retry, doubled for each that follows."""

_DOUBLINGS: Final = 8
"""After so many the pause is past its bound."""

_BROKEN_CONNECTION: Final = (
    httpx.ConnectTimeout,
    httpx.NetworkError,
    httpx.ProxyError,
    httpx.RemoteProtocolError,
)
"""All questions are reads, so one whose answer was cut off may be asked again. A read that timed
out is not: the next would most likely do the same, after as long a wait."""


@dataclass(frozen=True, slots=True)
class Retries:
    """Bounded retries with full jitter: pauses are uniform between zero and a doubling bound.

    Full jitter spreads the clients that one overload has turned away at the same moment (AWS
    Architecture Blog, "Exponential Backoff And Jitter").

    Args:
        limit: How many times a question is asked again.
    """

    limit: int

    def pause(self, attempt: int, outcome: Outcome) -> float | None:
        """Return how long to wait before asking again, in seconds; None: do not.

        Args:
            attempt: How many attempts preceded this one.
            outcome: What came of this one.
        """
        if attempt >= self.limit or not _is_passing(outcome):
            return None
        asked = None
        if not isinstance(outcome, httpx.RequestError):
            asked = retry_seconds(outcome.headers.get("Retry-After"))
        if asked is not None and asked > LONGEST_PAUSE:
            return None
        bound = min(LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempt, _DOUBLINGS))
        jitter = random.uniform(0, bound)  # noqa: S311 - spreads callers, keeps no secret
        return min(LONGEST_PAUSE, (asked or 0.0) + jitter)


def _is_passing(outcome: Outcome) -> bool:
    if isinstance(outcome, httpx.RequestError):
        return isinstance(outcome, _BROKEN_CONNECTION)
    return outcome.status_code in RETRIED_STATUS and not _is_final(outcome)


def _is_final(response: Reply) -> bool:
    """Tell whether asking again is of no use: the question takes too long, or a file is damaged."""
    if response.status_code != _UNAVAILABLE:
        return False
    return any(kind in response.content for kind in _FINAL)
