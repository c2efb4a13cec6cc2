"""A line that tells people how far a job is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, TextIO, TypeAlias

from bench_client.models.jobs import Job
from bench_client.untrusted import cleaned

__all__ = ["WatchJob", "progress_line"]

WatchJob: TypeAlias = Callable[[Job], object]
"""Told of a job whenever it has changed."""

_BAR: Final = 24
_WIDEST: Final = 200
_GOING_ON: Final = frozenset({"queued", "running"})


def progress_line(stream: TextIO | None = None) -> WatchJob:
    """Return what draws a job as one line, over and over; nothing where no person watches.

    Args:
        stream: Where; standard error by default.
    """
    out = stream or sys.stderr
    if not out.isatty():
        return lambda _: None

    def draw(job: Job) -> None:
        end = "" if job.state in _GOING_ON else "\n"
        # The rest of a longer line before it is erased.
        out.write(f"\r{cleaned(_described(job))[:_WIDEST]}\x1b[K{end}")
        out.flush()

    return draw


def _described(job: Job) -> str:
    progress = job.progress
    if job.state != "running" or progress is None:
        return f"{job.kind} {job.id[:8]} {job.state}"
    if not progress.total:
        return f"{job.kind} {job.id[:8]} {progress.stage} {progress.done or ''}".rstrip()
    full = max(0, min(_BAR, _BAR * progress.done // progress.total))
    bar = "█" * full + "·" * (_BAR - full)
    return f"{job.kind} {job.id[:8]} {progress.stage} {bar} {progress.done}/{progress.total}"
