"""Graceful shutdown of a worker.

`on_stop_signal` calls a function as soon as a signal arrives. uvicorn waits for responses in
progress before it ends the application, so a stream without an end must be told earlier.

`Shutdown` delays SIGTERM, so that a proxy sends new requests elsewhere: uvicorn closes its listener
at once, and requests on their way to it would fail. During the delay `/readyz` answers 503 and all
other requests are handled, each response being the last one of its connection.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from types import FrameType
from typing import Any, Final, TypeAlias

__all__ = ["Shutdown", "on_stop_signal"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_Handler: TypeAlias = Callable[[int, FrameType | None], Any]


@contextmanager
def on_stop_signal(act: Callable[[], None]) -> Iterator[None]:
    """Call a function on the event loop as soon as a signal tells the process to stop.

    Earlier handlers of the signal are called, too. Must be entered in a running event loop; it does
    nothing outside the main thread, where Python does not allow signal handlers.
    """
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for number in _SIGNALS:
            stack.enter_context(_chained(number, lambda: loop.call_soon_threadsafe(act)))
        yield


def _chained(number: signal.Signals, act: Callable[[], object]) -> AbstractContextManager[None]:
    before = signal.getsignal(number)
    if not callable(before):
        return nullcontext()

    def handle(given: int, frame: FrameType | None) -> None:
        act()
        before(given, frame)

    return _signal_handler(number, handle)


@contextmanager
def _signal_handler(number: signal.Signals, handle: _Handler) -> Iterator[None]:
    """Handle a signal within the context, if this thread is allowed to."""
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
    """The shutdown state of a worker.

    Args:
        seconds: Delay between SIGTERM and the shutdown.

    Attributes:
        begun: Whether SIGTERM has arrived.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begun = False

    def delay_sigterm(self) -> AbstractContextManager[None]:
        """Delay SIGTERM for the current handler; a second SIGTERM is not delayed.

        Must be entered in a running event loop. It does nothing outside the main thread, where
        Python does not allow signal handlers.
        """
        handler = signal.getsignal(signal.SIGTERM)
        if not self._seconds or not callable(handler):
            return nullcontext()
        return _signal_handler(signal.SIGTERM, self._delayed(handler))

    def _delayed(self, handler: _Handler) -> _Handler:
        loop = asyncio.get_running_loop()

        def hold(number: int, frame: FrameType | None) -> None:
            if self.begun:
                handler(number, frame)
                return
            self.begun = True
            # Scheduled thread-safely, as the signal may interrupt the event loop itself.
            loop.call_soon_threadsafe(loop.call_later, self._seconds, handler, number, None)

        return hold
