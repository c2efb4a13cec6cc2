"""The devices and slots for the attempts of a worker; by default processes of its machine."""

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
    """Devices, the resources of an attempt on them, and how attempts are started.

    Args:
        devices: The devices to use.
        slots: Attempts at a time per device.
        cores: Number of processor cores per attempt; None: its share of all but one, which is left
            to other programs such as the server.
        start: Creates the attempt for a payload.
    """

    devices: Sequence[DeviceState]
    slots: int = 1
    cores: int | None = None
    start: Callable[[Payload], RunningAttempt] = Attempt

    @property
    def threads(self) -> int:
        """Number of processor cores that an attempt may use."""
        # With all cores busy, other programs respond late even to low-priority jobs.
        others = len(os.sched_getaffinity(0)) - 1
        return self.cores or max(1, others // max(1, len(self.devices) * self.slots))
