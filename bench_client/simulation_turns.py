"""Turns: tasks that wait for answers side by side are charged in the order in which they began."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

__all__ = ["Turn", "Turns"]


class Turn:
    """A place in a queue, left by whoever took it at the end of its `with` block.

    Args:
        before: Done when all who came earlier have left; None when there is nobody.
        left: To be made done when this one has left and all who came earlier.
    """

    def __init__(self, before: asyncio.Future[None] | None, left: asyncio.Future[None]) -> None:
        self._before = before
        self._left = left

    async def comes(self) -> None:
        """Wait until all who came earlier have left."""
        if self._before is not None:
            # Not awaited itself: to cancel this task would cancel the future of others.
            await asyncio.wait([self._before])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is None:
            self._left.set_result(None)
        else:
            # One who gives up early does not let those behind pass those before.
            self._before.add_done_callback(self._leave)

    def _leave(self, _before: asyncio.Future[None]) -> None:
        self._left.set_result(None)


class Turns:
    """The queue of the tasks of one event loop."""

    def __init__(self) -> None:
        self._last: asyncio.Future[None] | None = None

    def take(self) -> Turn:
        """Return the place behind all that were taken before."""
        before = self._last
        self._last = asyncio.get_running_loop().create_future()
        return Turn(None if before is None or before.done() else before, self._last)
