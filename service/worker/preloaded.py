"""Loads what jobs need, in the process that attempts are forked from, and keeps why it cannot.

A library that is installed but broken raises anything; here it would end that process.
"""

from __future__ import annotations

__all__ = ["failure"]

_LONGEST: int = 300

failure: str | None = None
"""Why what jobs need cannot be loaded."""

try:
    import service.worker.perform  # noqa: F401 - PyTorch takes two seconds
except Exception as error:  # noqa: BLE001 - whatever a broken library raises
    failure = f"{type(error).__name__}: {error}"[:_LONGEST]
