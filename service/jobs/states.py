"""The states of a job, and which of them are the end.

queued ⇄ running → succeeded → expired
   │        ├───→ failed       the request cannot be done
   │        ├───→ parked       three attempts crashed or took too long, or ten workers fell silent
   └────────┴───→ cancelled
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["ANSWERING", "FINISHED", "JobKind", "JobState"]


class JobKind(StrEnum):
    """What a job does."""

    MODEL = "model"
    EVALUATION = "evaluation"
    LATENCY = "latency"


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


FINISHED: Final = frozenset(JobState) - {JobState.QUEUED, JobState.RUNNING}
"""States in which nothing more happens, but that artifacts of a succeeded job may be evicted."""

ANSWERING: Final = (JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED)
"""States in which a job answers another submission of the same request."""
