"""What is to be done the moment the server is told to stop.

Uvicorn waits for the answers under way before it ends the application; one that goes on as long as
its reader stays must be told before that.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Final

__all__ = ["when_told_to_stop"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


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


@contextmanager
def _noticed(number: signal.Signals, act: Callable[[], object]) -> Iterator[None]:
    before = signal.getsignal(number)

    def handle(given: int, frame: FrameType | None) -> None:
        act()
        if callable(before):
            before(given, frame)

    try:
        if not callable(before):
            yield
            return
        signal.signal(number, handle)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        if signal.getsignal(number) is handle:
            signal.signal(number, before)
