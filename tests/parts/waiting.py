"""Waits in tests: for a state, never for a time, and never for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["PATIENCE", "until"]

T = TypeVar("T")

PATIENCE: Final = 120.0
"""Seconds in which whatever is waited for happens on a machine that has much else to do."""
SHOWN: Final = 3_000


def until(
    look: Callable[[], T],
    holds: Callable[[T], object] = bool,
    *,
    what: str,
    patience: float = PATIENCE,
    pause: float = 0.02,
) -> T:
    """Look again and again until what is seen is what is waited for, and return it.

    Args:
        look: Sees something.
        holds: Whether that is it; by default whatever is true.
        what: What is waited for, for whoever reads the failure.
        patience: Seconds after which the test fails.
        pause: Seconds between two looks.

    Raises:
        AssertionError: With what was waited for and what was seen last.
    """
    deadline = time.monotonic() + patience
    while not holds(seen := look()):
        if time.monotonic() > deadline:
            # Logs end with what matters, records begin with it: both ends are shown.
            shown = seen if isinstance(seen, str) else repr(seen)
            if len(shown) > 2 * SHOWN:
                shown = f"{shown[:SHOWN]} … {shown[-SHOWN:]}"
            raise AssertionError(f"{what}: not within {patience:g} s; last seen: {shown}")
        time.sleep(pause)
    return seen
