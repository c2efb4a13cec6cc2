"""An attempt from its beginning to its end: its news, its lease, its limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from service.jobs.errors import StoreUnavailableError
from service.jobs.leases import LeaseStore
from service.jobs.records import Claim, Failure, Progress
from service.jobs.settings import JobSettings
from service.worker.attempt import Attempt
from service.worker.messages import Crashed, Event, Failed, Made

__all__ = ["Supervisor", "Verdict"]

_LISTEN_SECONDS: Final = 0.1
_MEMORY_SECONDS: Final = 1.0
_REPORT_SECONDS: Final = 0.2
"""Progress is written down five times a second at most."""
_RENEWALS: Final = 3
"""In the time of a lease; so many words may get lost."""
_LONG_AGO: Final = float("-inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """How an attempt ended.

    Args:
        outcome: In a word, for the log.
        say: Tells the store.
    """

    outcome: str
    say: Callable[[], object]


class Supervisor:
    """An attempt that is followed to its end.

    Args:
        claim: The right to speak for its job.
        leases: Where that is told.
        settings: Its limits.
        stopping: Tells whether the worker is to stop.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        leases: LeaseStore,
        settings: JobSettings,
        stopping: Callable[[], bool],
    ) -> None:
        self._claim = claim
        self._leases = leases
        self._settings = settings
        self._stopping = stopping
        self._begun = time.monotonic()
        self._said = self._weighed = _LONG_AGO
        self._progress: Progress | None = Progress(stage="starting")

    def supervise(self, attempt: Attempt) -> Verdict:
        """Follow it, keep its lease, and break it off where a limit or somebody says so.

        Raises:
            LostLeaseError: The job was taken away.
        """
        verdict: Verdict | None = None
        while verdict is None:
            verdict = self._spoken() or self._handle(attempt.next_event(_LISTEN_SECONDS))
            verdict = verdict or self._broken_off(attempt)
        return verdict

    def crashed(self, failure: Failure) -> Verdict:
        """Return the verdict on an attempt that went wrong."""
        return Verdict(
            outcome=f"crashed: {failure.kind}",
            say=partial(self._leases.crash, self._claim, failure),
        )

    def _spoken(self) -> Verdict | None:
        """Renew the lease and tell progress where that is due; the job may be cancelled."""
        lease = self._settings.lease_seconds / _RENEWALS
        due = lease if self._progress is None else min(lease, _REPORT_SECONDS)
        if time.monotonic() - self._said < due:
            return None
        self._said = time.monotonic()
        try:
            cancelled = self._leases.renew(self._claim, self._progress)
        except StoreUnavailableError as error:
            # The lease may hold until the store is back; if it does not, its token tells.
            log = structlog.get_logger().bind(job_id=self._claim.job.id)
            log.warning("no word to the store", reason=str(error))
            return None
        self._progress = None
        if cancelled:
            return Verdict(outcome="cancelled", say=partial(self._leases.give_up, self._claim))
        return None

    def _handle(self, event: Event | None) -> Verdict | None:
        match event:
            case Made():
                say = partial(self._leases.succeed, self._claim, event.result, event.artifacts)
                return Verdict(outcome="succeeded", say=say)
            case Failed():
                say = partial(self._leases.fail, self._claim, event.failure)
                return Verdict(outcome=f"failed: {event.failure.kind}", say=say)
            case Crashed():
                return self.crashed(event.failure)
            case Progress():
                self._progress = event
        return None

    def _broken_off(self, attempt: Attempt) -> Verdict | None:
        now = time.monotonic()
        if self._stopping():
            hand_back = partial(self._leases.hand_back, self._claim)
            return Verdict(outcome="handed back", say=hand_back)
        limit = min(self._claim.job.time_limit or float("inf"), self._settings.job_seconds)
        if now - self._begun > limit:
            return self.crashed(_too_long(limit))
        if now - self._weighed >= _MEMORY_SECONDS:
            self._weighed = now
            if attempt.takes_more_than(self._settings.job_memory):
                return self.crashed(_too_much(self._settings.job_memory))
        return None


def _too_long(seconds: float) -> Failure:
    return Failure(
        kind="time-limit", message=f"the attempt took longer than its {seconds:g} s and was ended"
    )


def _too_much(limit: int) -> Failure:
    return Failure(
        kind="memory-limit",
        message=f"the attempt took more than the {limit / 2**20:.0f} MiB of NASBENCH_JOB_MEMORY "
        "and was ended",
    )
