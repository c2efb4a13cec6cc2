"""Waits in tests: for a state, never for a time, and never for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["PATIENCE", "until"]

T = TypeVar("T")

PATIENCE: Final = 240.0
"""Seconds in which whatever is waited for happens on a machine that has much else to do."""
SHOWN: Final = 3_000
LONGEST_PAUSE: Final = 0.2
PART: Final = 0.05
"""Of the time that was waited, which the next pause takes: what looks leaves time to who works."""


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
        pause: Seconds between two looks at first; it grows to a fifth of a second.

    Raises:
        AssertionError: With what was waited for and what was seen last.
    """
    begun = time.monotonic()
    while not holds(seen := look()):
        waited = time.monotonic() - begun
        if waited > patience:
            # Logs end with what matters, records begin with it: both ends are shown.
            shown = seen if isinstance(seen, str) else repr(seen)
            if len(shown) > 2 * SHOWN:
                shown = f"{shown[:SHOWN]} … {shown[-SHOWN:]}"
            raise AssertionError(f"{what}: not within {patience:g} s; last seen: {shown}")
        time.sleep(max(pause, min(PART * waited, LONGEST_PAUSE)))
    return seen
