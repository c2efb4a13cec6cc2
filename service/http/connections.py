"""The open connections of a worker: their largest number, and the deadlines of waiting ones.

All deadlines are checked in one pass twice a second, so that requests need no timers.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import ip_address
from typing import Final, Protocol

from service.http.request_middleware import RequestCounter
from service.settings import Settings

__all__ = ["Connection", "Connections"]

_CHECK_SECONDS: Final = 0.5
_STALLED_SECONDS: Final = 1.0
"""Seconds without reading after which a client may be disconnected to free memory."""
_CLOSED_SHARE: Final = 32
"""The inverse share of connections that are closed at a time, as finding them scans all."""


class Connection(Protocol):
    """The interface of a connection for `Connections`.

    Attributes:
        address: Address of the client.
    """

    address: str

    @property
    def waits_for(self) -> int | None:
        """What the client has to send next; lower values are closed first.

        None while the client waits for its response.
        """

    @property
    def since(self) -> float:
        """When it began to wait for that, by the clock of `Connections`."""

    @property
    def unsent(self) -> int:
        """Bytes that the client has not read, as of the last check."""

    @property
    def stalled(self) -> float:
        """Seconds during which the client has read none of them."""

    def look(self, step: float) -> None:
        """Close the connection if a deadline is over; `step` seconds since the last check."""

    def drop(self, reason: str) -> None:
        """Close the connection at once."""


class Connections:
    """All connections of one worker. Belongs to one event loop.

    Args:
        settings: The limits of connections.
        counter: Counts connections that are refused before a request.

    Attributes:
        now: A clock that stops while the event loop is busy, because data that arrived meanwhile
            was not read, which is not the client's fault.
    """

    def __init__(self, settings: Settings, counter: RequestCounter) -> None:
        self.settings = settings
        self.counter = counter
        self.now = 0.0
        self._open: dict[str, dict[Connection, None]] = {}
        self._number = 0

    def admit(self, connection: Connection) -> bool:
        """Record a new connection, closing others if there are too many.

        Returns:
            Whether there is room. `forget` must be called in any case.
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
        """Record that a connection is closed or closing."""
        mine = self._open.get(connection.address, {})
        if connection not in mine:
            return
        del mine[connection]
        self._number -= 1
        if not mine:
            del self._open[connection.address]

    async def watch(self) -> None:
        """Check all connections periodically, forever."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            step = min(loop.time() - before, 2 * _CHECK_SECONDS)
            before = loop.time()
            self.now += step
            everyone = [connection for mine in self._open.values() for connection in mine]
            for connection in everyone:
                connection.look(step)
            self._disconnect_stalled(everyone)

    def _disconnect_stalled(self, everyone: list[Connection]) -> None:
        """Disconnect clients that read nothing, if too many bytes wait for clients."""
        excess = sum(connection.unsent for connection in everyone) - self.settings.unread_bytes
        if excess <= 0:
            return
        stalled = [one for one in everyone if one.unsent and one.stalled >= _STALLED_SECONDS]
        for connection in sorted(stalled, key=lambda one: -one.unsent):
            if excess <= 0:
                return
            excess -= connection.unsent
            connection.drop("too many bytes wait for clients, and this client reads nothing")

    def _is_proxy(self, address: str) -> bool:
        with suppress(ValueError):
            parsed = ip_address(address)
            return any(parsed in network for network in self.settings.proxies)
        return False


def _make_room(connections: dict[Connection, None]) -> bool:
    """Close some connections that wait for their clients; return whether there were any."""
    waiting = [one for one in connections if one.waits_for is not None]
    waiting.sort(key=lambda one: (one.waits_for, one.since))
    number = max(1, len(connections) // _CLOSED_SHARE)
    for connection in waiting[:number]:
        connection.drop("closed to make room for other connections")
    return bool(waiting)
