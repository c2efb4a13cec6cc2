"""One question of a client of either kind, which is opened for it and closed behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from bench_client import AsyncBenchClient, BenchClient

__all__ = ["EVERY_MODE", "TWO_MODES", "Ask", "asked_awaited", "asked_blocking", "asking"]

Ask: TypeAlias = Callable[[Callable[[Any], Any]], Any]
"""Puts a question to a client."""

EVERY_MODE: Final = ("over HTTP", "over HTTP, awaited", "local", "local, awaited")
TWO_MODES: Final = (EVERY_MODE[0], EVERY_MODE[3])
"""Both clients, both transports: for what is asked. That modes agree shows test_contract.py."""


def asking(mode: str, url: str, folder: Path) -> Ask:
    """Return a function that puts a question to a client of this mode.

    Args:
        mode: One of EVERY_MODE.
        url: The address of a server of the databases.
        folder: Where they are.
    """
    remote = "HTTP" in mode

    def blocking(question: Callable[[Any], Any]) -> Any:
        with BenchClient(url) if remote else BenchClient.local(folder) as bench:
            return question(bench)

    async def awaited(question: Callable[[Any], Any]) -> Any:
        client = AsyncBenchClient(url) if remote else AsyncBenchClient.local(folder)
        async with client as bench:
            return await question(bench)

    if "awaited" in mode:
        return lambda question: asyncio.run(awaited(question))
    return blocking


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
