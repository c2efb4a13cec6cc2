"""Imports the handlers of jobs in the process that attempts are forked from, or records an error.

A broken library may raise anything, which would end that process.
"""

from __future__ import annotations

import importlib
from contextlib import suppress

__all__ = ["failure"]

_LONGEST: int = 300

failure: str | None = None
"""Why the handlers cannot be imported; None: they are imported."""

try:
    from service.worker.work import handlers

    handlers()
except Exception as error:  # noqa: BLE001 - whatever a broken library raises
    failure = f"{type(error).__name__}: {error}"[:_LONGEST]
# Each process imports this with its first optimizer, which would cost each training 1.7 seconds. If
# it is broken, only trainings fail.
with suppress(Exception):
    importlib.import_module("torch._dynamo")
