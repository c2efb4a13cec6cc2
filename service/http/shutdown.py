"""The time between being told to stop and stopping, in which a proxy sends its requests elsewhere.

Uvicorn closes its listener at once, and a request that is under way to it fails. So the signal is
held back for a while in which `/readyz` answers 503 and everything else is answered as ever, each
answer being the last of its connection.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Shutdown"]


class Shutdown:
    """Whether this worker is about to stop.

    Args:
        seconds: How long it is, before it does.

    Attributes:
        begun: Whether it was told to.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begun = False

    @contextmanager
    def holding_back(self) -> Iterator[None]:
        """Hold back SIGTERM from whoever handles it now; a second one goes through at once.

        Must be entered in a running event loop. Outside the main thread, where Python lets nobody
        handle signals, it does nothing.
        """
        handler = signal.getsignal(signal.SIGTERM)
        if not self._seconds or not callable(handler):
            yield
            return
        hold = self._held_back(handler)
        try:
            signal.signal(signal.SIGTERM, hold)
        except ValueError:
            yield
            return
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGTERM) is hold:
                signal.signal(signal.SIGTERM, handler)

    def _held_back(
        self, handler: Callable[[int, FrameType | None], Any]
    ) -> Callable[[int, FrameType | None], None]:
        loop = asyncio.get_running_loop()

        def hold(number: int, frame: FrameType | None) -> None:
            if self.begun:
                handler(number, frame)
                return
            self.begun = True
            # The signal arrives between any two instructions, those of the loop among them.
            loop.call_soon_threadsafe(loop.call_later, self._seconds, handler, number, None)

        return hold
