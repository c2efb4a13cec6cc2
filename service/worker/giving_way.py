"""How a job lets everything else on its machine go first.

A server beside it answers in milliseconds and must not wait for what takes hours.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

__all__ = ["give_way"]

_NICENESS: Final = 19


def give_way() -> None:
    """Let other processes go first; called before there are threads.

    Niceness alone is too little: a thread that wakes up keeps its core for a slice, some 3 ms,
    however nice it is, and the threads of a network wake up for every layer. Those of the idle
    class are driven off by whatever else wakes up.
    """
    os.nice(_NICENESS)
    # Forbidden in some containers, where the shares of the container decide.
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
