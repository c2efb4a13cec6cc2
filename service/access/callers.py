"""Who a caller is, how many requests it may have in progress, and how often it may ask.

A caller is a key, or an address where no key was shown. `Shares` bounds what is in progress at the
same time, `RateLimits` what is asked in a window of time.

The rate is that of a sliding window: the count of the present window and a share of the one before,
two numbers a caller instead of the time of every request. Where there is Redis, all workers and
replicas count in it. While it does not answer, each worker counts alone: nobody is refused because
a counter is out of order, and the limits stay; a caller may then ask as often as the limit says of
every worker. Its library is loaded where a rate is set, and not before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final

import structlog

from service.access.keys import Key

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.storage import Storage
    from limits.aio.strategies import SlidingWindowCounterRateLimiter

__all__ = ["NoPlaceError", "RateLimits", "Refusal", "Shares", "caller_of", "neighborhood"]

_NEIGHBORHOOD: Final = 64
"""Bits of an IPv6 address that tell callers apart; the others are the caller's to choose."""
_LONGEST_NAME: Final = 64


def caller_of(scope: Mapping[str, Any]) -> str:
    """Return what stands for the caller of a request: the name of its key or its address."""
    name = scope.get("key_name")
    return f"key {name}" if name else neighborhood(scope.get("client"))


def neighborhood(client: tuple[str, int] | None) -> str:
    """Return what stands for the caller at an address."""
    host = client[0] if client else ""
    if ":" not in host:
        return host[:_LONGEST_NAME]
    try:
        address = ip_address(host)
    except ValueError:
        return host[:_LONGEST_NAME]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, _NEIGHBORHOOD), strict=False))
    return host


class NoPlaceError(Exception):
    """There is no place.

    Attributes:
        most: How many there are for this caller.
        of_caller: Whether the caller itself has all that one may have.
    """

    def __init__(self, most: int, *, of_caller: bool) -> None:
        super().__init__(most)
        self.most = most
        self.of_caller = of_caller


class Shares:
    """A number of places. Belongs to one event loop.

    Args:
        most: How many there are.
        share: What part of them one caller may take; at least one.

    Attributes:
        most: How many there are.
        taken: How many are taken.
    """

    def __init__(self, most: int, share: float) -> None:
        self.most = most
        self._most_of_one = max(1, int(most * share))
        self.taken = 0
        self._by_caller: dict[str, int] = {}

    def take(self, caller: str, number: int = 1) -> None:
        """Take places.

        Raises:
            NoPlaceError: There are not as many; none is taken.
        """
        has = self._by_caller.get(caller, 0) + number
        if has > self._most_of_one < self.most:
            raise NoPlaceError(self._most_of_one, of_caller=True)
        if self.taken + number > self.most:
            raise NoPlaceError(self.most, of_caller=False)
        self.taken += number
        self._by_caller[caller] = has

    def give_back(self, caller: str, number: int = 1) -> None:
        """Give back places that the caller has."""
        self.taken -= number
        has = self._by_caller[caller] - number
        if has:
            self._by_caller[caller] = has
        else:
            del self._by_caller[caller]


_REDIS_PATIENCE: Final = 0.25
"""Seconds that Redis may take: a request waits for it."""
_SECONDS_ALONE: Final = 5.0
"""Seconds after which a Redis that did not answer is asked again."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """That someone asked too often.

    Attributes:
        limit: How many requests are allowed.
        window: In how many seconds.
        retry_after: Seconds after which one is allowed again.
        policy: Whose requests are counted together: `key` or `address`.
    """

    limit: int
    window: int
    retry_after: int
    policy: str

    @property
    def described(self) -> str:
        """What is allowed, in words."""
        return f"{self.limit} requests in {self.window} s"

    def headers(self) -> dict[str, str]:
        """Return the headers that tell programs, as draft-ietf-httpapi-ratelimit-headers has it."""
        return {
            "Retry-After": str(self.retry_after),
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={self.window}',
            "RateLimit": f'"{self.policy}";r=0;t={self.retry_after}',
        }


class RateLimits:
    """The counts of callers.

    Args:
        per_key: Requests of one key, as `limits` writes it: `1000/minute`; None for any number.
        per_address: Requests without a key from one address; None for any number.
        redis_url: Redis in which to count; None to count in this process.
    """

    def __init__(
        self, *, per_key: str | None, per_address: str | None, redis_url: str | None
    ) -> None:
        from limits import parse  # noqa: PLC0415 - slow to load, and most servers have no limit
        from limits.aio.storage import MemoryStorage  # noqa: PLC0415
        from limits.aio.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415

        self._per_key = parse(per_key) if per_key else None
        self._per_address = parse(per_address) if per_address else None
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._together = SlidingWindowCounterRateLimiter(_redis(redis_url)) if redis_url else None
        self._alone_until = 0.0

    async def count(self, key: Key | None, client: tuple[str, int] | None) -> Refusal | None:
        """Count a request; return why it is refused where it is."""
        from limits.errors import StorageError  # noqa: PLC0415 - loaded by then

        if key is not None:
            limit, policy, caller = self._per_key, "key", key.id
        else:
            limit, policy, caller = self._per_address, "address", neighborhood(client)
        if limit is None:
            return None
        if self._together is not None and time.monotonic() >= self._alone_until:
            try:
                return await _refusal(self._together, limit, policy, caller)
            except StorageError as error:
                self._alone_until = time.monotonic() + _SECONDS_ALONE
                structlog.get_logger().warning(
                    "Redis does not answer: each worker counts requests alone",
                    reason=type(error.storage_error).__name__,
                )
        return await _refusal(self._alone, limit, policy, caller)


async def _refusal(
    counter: SlidingWindowCounterRateLimiter, limit: RateLimitItem, policy: str, caller: str
) -> Refusal | None:
    if await counter.hit(limit, "nasbench", policy, caller):
        return None
    window = await counter.get_window_stats(limit, "nasbench", policy, caller)
    return Refusal(
        limit=limit.amount,
        window=limit.get_expiry(),
        retry_after=max(1, math.ceil(window.reset_time - time.time())),
        policy=policy,
    )


def _redis(url: str) -> Storage:
    from limits.aio.storage import Storage  # noqa: PLC0415 - as above
    from limits.storage import storage_from_string  # noqa: PLC0415

    # `limits` has names of its own for the same addresses.
    address = f"redis+{url}" if url.startswith("unix://") else url
    storage = storage_from_string(
        f"async+{address}",
        wrap_exceptions=True,
        implementation="redispy",
        socket_timeout=_REDIS_PATIENCE,
        socket_connect_timeout=_REDIS_PATIENCE,
    )
    assert isinstance(storage, Storage)  # noqa: S101 - the address says so
    return storage
