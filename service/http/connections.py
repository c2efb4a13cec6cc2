"""Open connections of a worker: their largest number, and the deadlines of those that wait.

All deadlines are checked in one pass twice a second, so that no request pays for a timer.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import ip_address
from typing import Final, Protocol

from service.http.request_middleware import RequestCounter
from service.settings import Settings

__all__ = ["Connection", "Connections"]

_LOOK_SECONDS: Final = 0.5
_STALLED_SECONDS: Final = 1.0
"""After which a reader that takes nothing is closed where too much waits to be read."""
_AT_A_TIME: Final = 32
"""The part of the connections that make room at a time: to look for them takes looking at all."""


class Connection(Protocol):
    """What `Connections` needs to know of a connection.

    Attributes:
        address: Of the other end.
    """

    address: str

    @property
    def waits_for(self) -> int | None:
        """What the other end should do next; the lower, the less is lost by closing it.

        None where it waits for its answer.
        """

    @property
    def since(self) -> float:
        """When it began to wait for that, by the clock of the connections."""

    @property
    def unsent(self) -> int:
        """Bytes that wait for the other end to read, as of the last look."""

    @property
    def stalled(self) -> float:
        """Seconds in which it has read none of them."""

    def look(self, step: float) -> None:
        """Close the connection where a deadline is over, `step` seconds after the last look."""

    def drop(self, reason: str) -> None:
        """Close the connection at once."""


class Connections:
    """All connections of one worker. Belongs to one event loop.

    Args:
        settings: How many there may be, and how long each may wait.
        counter: Where what is refused before it is a request is counted.

    Attributes:
        now: A clock that stands still while the event loop is busy: what has arrived meanwhile
            was not read, and its sender is not to blame.
    """

    def __init__(self, settings: Settings, counter: RequestCounter) -> None:
        self.settings = settings
        self.counter = counter
        self.now = 0.0
        self._open: dict[str, dict[Connection, None]] = {}
        self._number = 0

    def admit(self, connection: Connection) -> bool:
        """Take note of a new connection; where there are too many, others make room for it.

        Returns:
            Whether there was room. `forget` it in any case.
        """
        most = self.settings.max_connections
        mine = self._open.setdefault(connection.address, {})
        most_of_one = max(1, int(most * self.settings.caller_share))
        has_room = True
        if len(mine) >= most_of_one and not self._is_proxy(connection.address):
            has_room = _make_room(mine)
        if has_room and self._number >= most:
            has_room = _make_room(max(self._open.values(), key=len))
        mine[connection] = None
        self._number += 1
        return has_room

    def forget(self, connection: Connection) -> None:
        """Take note that a connection is closed, or about to be."""
        mine = self._open.get(connection.address, {})
        if connection not in mine:
            return
        del mine[connection]
        self._number -= 1
        if not mine:
            del self._open[connection.address]

    async def watch(self) -> None:
        """Look at all connections regularly, for ever."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            step = min(loop.time() - before, 2 * _LOOK_SECONDS)
            before = loop.time()
            self.now += step
            everyone = [connection for mine in self._open.values() for connection in mine]
            for connection in everyone:
                connection.look(step)
            self._relieve(everyone)

    def _relieve(self, everyone: list[Connection]) -> None:
        """Close those that read nothing, where too much waits for them."""
        excess = sum(connection.unsent for connection in everyone) - self.settings.unread_bytes
        if excess <= 0:
            return
        stalled = [one for one in everyone if one.unsent and one.stalled >= _STALLED_SECONDS]
        for connection in sorted(stalled, key=lambda one: -one.unsent):
            if excess <= 0:
                return
            excess -= connection.unsent
            connection.drop("too much waits for readers, of whom this one takes nothing")

    def _is_proxy(self, address: str) -> bool:
        with suppress(ValueError):
            parsed = ip_address(address)
            return any(parsed in network for network in self.settings.proxies)
        return False


def _make_room(connections: dict[Connection, None]) -> bool:
    """Close some of the connections that wait for the other end; return whether there were any."""
    waiting = [one for one in connections if one.waits_for is not None]
    waiting.sort(key=lambda one: (one.waits_for, one.since))
    number = max(1, len(connections) // _AT_A_TIME)
    for connection in waiting[:number]:
        connection.drop("it makes room for others")
    return bool(waiting)
