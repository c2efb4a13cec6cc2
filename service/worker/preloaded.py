"""Loads the handlers of jobs in the process that attempts are forked from, or records why not.

A library that is installed but broken raises anything; here it would end that process.
"""

from __future__ import annotations

import importlib
from contextlib import suppress

__all__ = ["failure"]

_LONGEST: int = 300

failure: str | None = None
"""Why what jobs need cannot be loaded."""

try:
    from service.worker.work import handlers

    handlers()
except Exception as error:  # noqa: BLE001 - whatever a broken library raises
    failure = f"{type(error).__name__}: {error}"[:_LONGEST]
# The first optimizer of a process loads it, which would take each training 1.7 seconds. Where it is
# broken, trainings say so; other jobs do without.
with suppress(Exception):
    importlib.import_module("torch._dynamo")
