"""Stopping a worker without losing requests.

`when_told_to_stop` runs a function the moment a signal arrives: uvicorn waits for the answers under
way before it ends the application, and a stream that goes on as long as its reader stays must be
told before that.

`Shutdown` holds SIGTERM back for a while, so that a proxy sends its requests elsewhere: uvicorn
closes its listener at once, and a request that is under way to it would fail. Meanwhile `/readyz`
answers 503 and everything else is answered as ever, each answer being the last of its connection.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from types import FrameType
from typing import Any, Final, TypeAlias

__all__ = ["Shutdown", "when_told_to_stop"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_Handler: TypeAlias = Callable[[int, FrameType | None], Any]


@contextmanager
def when_told_to_stop(act: Callable[[], None]) -> Iterator[None]:
    """Call a function in the event loop as soon as a signal tells the process to stop.

    Whoever handled the signal before still does. Must be entered in a running event loop; outside
    the main thread, where Python lets nobody handle signals, it does nothing.
    """
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for number in _SIGNALS:
            stack.enter_context(_noticed(number, lambda: loop.call_soon_threadsafe(act)))
        yield


def _noticed(number: signal.Signals, act: Callable[[], object]) -> AbstractContextManager[None]:
    before = signal.getsignal(number)
    if not callable(before):
        return nullcontext()

    def handle(given: int, frame: FrameType | None) -> None:
        act()
        before(given, frame)

    return _handling(number, handle)


@contextmanager
def _handling(number: signal.Signals, handle: _Handler) -> Iterator[None]:
    """Handle a signal within the context, as far as this thread may."""
    before = signal.getsignal(number)
    try:
        signal.signal(number, handle)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        if signal.getsignal(number) is handle:
            signal.signal(number, before)


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

    def holding_back(self) -> AbstractContextManager[None]:
        """Hold back SIGTERM from whoever handles it now; a second one goes through at once.

        Must be entered in a running event loop. Outside the main thread, where Python lets nobody
        handle signals, it does nothing.
        """
        handler = signal.getsignal(signal.SIGTERM)
        if not self._seconds or not callable(handler):
            return nullcontext()
        return _handling(signal.SIGTERM, self._held_back(handler))

    def _held_back(self, handler: _Handler) -> _Handler:
        loop = asyncio.get_running_loop()

        def hold(number: int, frame: FrameType | None) -> None:
            if self.begun:
                handler(number, frame)
                return
            self.begun = True
            # The signal arrives between any two instructions, those of the loop among them.
            loop.call_soon_threadsafe(loop.call_later, self._seconds, handler, number, None)

        return hold
