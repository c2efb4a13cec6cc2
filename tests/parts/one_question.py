"""One question of a client of either kind, which is opened for it and closed behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bench_client import AsyncBenchClient, BenchClient

__all__ = ["asked_awaited", "asked_blocking"]


def asked_blocking(url: str, what: Callable[[Any], Any], **options: Any) -> Any:
    """Return what a blocking client answers."""
    with BenchClient(url, **options) as bench:
        return what(bench)


def asked_awaited(url: str, what: Callable[[Any], Any], **options: Any) -> Any:
    """Return what an async client answers."""

    async def asked() -> Any:
        async with AsyncBenchClient(url, **options) as bench:
            return await what(bench)

    return asyncio.run(asked())
