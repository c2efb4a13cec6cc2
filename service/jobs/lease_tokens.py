"""Fencing tokens: what proves to the store that a worker has the lease of a job.

A token is an integer of 63 bits. The upper 23 count the leases of the job, so that each token is
larger than those before it; the lower 40 are random, so that nobody guesses the token of a lease
that he was not given. On the wire it is 16 hexadecimal digits: a JSON number above 2^53 is not the
same number for every reader.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any, Final

from peewee import Expression, Field

from service.jobs.records import JobState, Lease
from service.jobs.tables import JobRow

__all__ = [
    "LAST_TOKEN",
    "TOKEN_PATTERN",
    "draw",
    "is_current",
    "is_same",
    "leases_of",
    "next_token",
    "text_of",
    "token_of",
]

_RANDOM_BITS: Final = 40
_STEP: Final = 1 << _RANDOM_BITS
_DIGITS: Final = 16

LAST_TOKEN: Final = (1 << 63) - _STEP
"""From here on no token follows: a job that had 8,388,607 leases is parked."""

TOKEN_PATTERN: Final = f"^[0-7][0-9a-f]{{{_DIGITS - 1}}}$"


def draw() -> int:
    """Return the random bits of a token; each token has its own."""
    return secrets.randbits(_RANDOM_BITS)


def next_token(column: Field, drawn: Any) -> Expression:
    """Return the expression for the token of the next lease of a job: larger than its last one.

    Args:
        column: Its last token.
        drawn: What `draw` returned, or the name of that in a statement.
    """
    token: Expression = (column / _STEP + 1) * _STEP + drawn
    return token


def leases_of(token: int) -> int:
    """Return how many leases a job had when it got a token."""
    return token // _STEP


def text_of(token: int) -> str:
    """Return a token as it is sent."""
    return f"{token:0{_DIGITS}x}"


def token_of(text: str) -> int:
    """Return the token of a text that matches `TOKEN_PATTERN`."""
    return int(text, 16)


def is_current(lease: Lease) -> Expression:
    """Return the condition on jobs that a lease holds."""
    return (
        (JobRow.id == lease.job.id)
        & (JobRow.token == lease.token)
        & (JobRow.state == JobState.RUNNING)
    )


def is_same(one: int, other: int) -> bool:
    """Tell whether two tokens are the same, in a time that tells nothing of either."""
    return hmac.compare_digest(text_of(one), text_of(other))
