"""Loads the handlers of jobs in the process that attempts are forked from, or records why not.

A library that is installed but broken raises anything; here it would end that process.
"""

from __future__ import annotations

import importlib

__all__ = ["failure"]

_LONGEST: int = 300

failure: str | None = None
"""Why what jobs need cannot be loaded."""

try:
    from service.worker.work import handlers

    handlers()
    # The first optimizer of a process loads it, which would take each training 1.7 seconds.
    importlib.import_module("torch._dynamo")
except Exception as error:  # noqa: BLE001 - whatever a broken library raises
    failure = f"{type(error).__name__}: {error}"[:_LONGEST]
