"""Where the attempts of a worker run: by default in processes of its own machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.jobs.records import DeviceState
from service.worker.attempt import Attempt
from service.worker.attempt_events import Payload, RunningAttempt

__all__ = ["Places"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Devices, what an attempt may use of one, and what begins attempts there.

    Args:
        devices: What is computed on.
        slots: Attempts at a time on each device.
        cores: Processor cores that an attempt may use; None: its share of all but one, which is
            left to whatever answers beside it.
        start: Makes an attempt of what it is to do.
    """

    devices: Sequence[DeviceState]
    slots: int = 1
    cores: int | None = None
    start: Callable[[Payload], RunningAttempt] = Attempt

    @property
    def threads(self) -> int:
        """Processor cores that an attempt may use."""
        # A machine whose cores are all busy answers late, however readily a job gives way.
        others = len(os.sched_getaffinity(0)) - 1
        return self.cores or max(1, others // max(1, len(self.devices) * self.slots))
