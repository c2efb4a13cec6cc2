"""How often one may ask: counted for each key, and for each address without one.

The count slides: it is that of the present window and a share of the one before, two numbers for
each caller instead of the time of every request.

Where there is Redis, all workers and replicas count in it. While it does not answer, each worker
counts alone: neither is everyone refused because a counter is out of order, nor does its absence
lift the limits; a caller may ask as often as the limit says of every worker.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Final

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string

from service.access.callers import neighborhood
from service.access.keys import Key

__all__ = ["RateLimits", "Refusal"]

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
        self._per_key = parse(per_key) if per_key else None
        self._per_address = parse(per_address) if per_address else None
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._together = SlidingWindowCounterRateLimiter(_redis(redis_url)) if redis_url else None
        self._alone_until = 0.0

    async def count(self, key: Key | None, client: tuple[str, int] | None) -> Refusal | None:
        """Count a request; return why it is refused where it is."""
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
