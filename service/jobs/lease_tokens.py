"""Fencing tokens: the proof that a worker holds the lease of a job.

A token is an integer of 63 bits. The upper 23 bits count the leases of the job, so that each token
is larger than the earlier ones. The lower 40 bits are random, so that no worker can guess the token
of another. On the wire a token is 16 hexadecimal digits, because JSON readers disagree about
numbers above 2^53.
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
"""The least token of the last possible lease: a job that has had 8,388,607 leases is parked."""

TOKEN_PATTERN: Final = f"^[0-7][0-9a-f]{{{_DIGITS - 1}}}$"


def draw() -> int:
    """Return the random bits of a new token."""
    return secrets.randbits(_RANDOM_BITS)


def next_token(column: Field, drawn: Any) -> Expression:
    """Return the SQL expression for the next token of a job, larger than its last one.

    Args:
        column: The column with the last token.
        drawn: The result of `draw`, or a placeholder for it in a statement.
    """
    token: Expression = (column / _STEP + 1) * _STEP + drawn
    return token


def leases_of(token: int) -> int:
    """Return how many leases the job had when it got a token."""
    return token // _STEP


def text_of(token: int) -> str:
    """Return a token as text, as it is sent."""
    return f"{token:0{_DIGITS}x}"


def token_of(text: str) -> int:
    """Return the token from a text that matches `TOKEN_PATTERN`."""
    return int(text, 16)


def is_current(lease: Lease) -> Expression:
    """Return the SQL condition that a lease holds."""
    return (
        (JobRow.id == lease.job.id)
        & (JobRow.token == lease.token)
        & (JobRow.state == JobState.RUNNING)
    )


def is_same(one: int, other: int) -> bool:
    """Compare two tokens in constant time."""
    return hmac.compare_digest(text_of(one), text_of(other))
