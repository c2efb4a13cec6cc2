"""Executors: each runs one job at a time on a device, from its lease to its recorded outcome.

An executor polls for a job, starts an attempt in a process of its own, and supervises it: it renews
the lease, records progress, and ends the attempt at a limit, on cancellation or at shutdown.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from service.jobs import Jobs
from service.jobs.errors import LostLeaseError, StoreUnavailableError
from service.jobs.leases import LeaseStore
from service.jobs.records import Capabilities, Claim, DeviceState, Failure, Progress
from service.jobs.settings import JobSettings
from service.worker.attempt import Attempt, Crashed, Event, Failed, Made, Payload

__all__ = ["Executor"]

_LOOK_SECONDS: Final = 1.0
"""How long work can lie there when the message about it was lost."""


_LISTEN_SECONDS: Final = 0.1
_MEMORY_SECONDS: Final = 1.0
_REPORT_SECONDS: Final = 0.2
"""Progress is written down five times a second at most."""
_RENEWALS: Final = 3
"""In the time of a lease; so many words may get lost."""
_LONG_AGO: Final = float("-inf")


class Executor:
    """Runs jobs on a device, one at a time, until it is told to stop.

    Args:
        jobs: Where jobs come from.
        worker_id: Its worker.
        device: Where jobs run.
        threads: Processor cores they may use.
        scratch: A folder for the files of attempts.
        datasets: Returns the data sets at hand, by name.
        stop: Set when it is to stop: the job that runs is handed back.
    """

    def __init__(
        self,
        *,
        jobs: Jobs,
        worker_id: str,
        device: DeviceState,
        threads: int,
        scratch: Path,
        datasets: Callable[[], dict[str, Path]],
        stop: threading.Event,
    ) -> None:
        self._jobs = jobs
        self._worker_id = worker_id
        self._device = device
        self._threads = threads
        self._scratch = scratch
        self._datasets = datasets
        self._stop = stop
        self._log = structlog.get_logger().bind(worker=worker_id, device=device.name)
        self.running: str | None = None

    def run(self) -> None:
        """Take and do jobs until told to stop."""
        while not self._stop.is_set():
            claim = self._claim()
            if claim is None:
                self._jobs.notifier.wait(_LOOK_SECONDS, self._stop.is_set)
            else:
                self._do(claim)

    def _claim(self) -> Claim | None:
        try:
            can = Capabilities(device=self._device.kind, datasets=frozenset(self._datasets()))
            return self._jobs.leases.claim(self._worker_id, can)
        except OSError as error:
            # A database that is damaged or away, or data sets that cannot be listed.
            self._log.warning("no jobs", reason=str(error))
            return None

    def _do(self, claim: Claim) -> None:
        job = claim.job
        self.running = job.id
        log = self._log.bind(job_id=job.id, request_id=job.request_id, attempt=job.attempts)
        log.info("job begun", kind=job.kind)
        started = time.monotonic()
        try:
            verdict = self._attempt(claim)
            self._deliver(verdict)
            log.info("job ended", outcome=verdict.outcome, seconds=time.monotonic() - started)
        except LostLeaseError as error:
            log.warning("job taken away", reason=str(error))
        finally:
            self.running = None

    def _attempt(self, claim: Claim) -> Verdict:
        folder = self._scratch / f"{claim.job.id}-{claim.token}"
        supervisor = Supervisor(
            claim,
            leases=self._jobs.leases,
            settings=self._jobs.settings,
            stopping=self._stop.is_set,
        )
        try:
            folder.mkdir(parents=True)
            with Attempt(self._payload(claim, folder)) as attempt:
                return supervisor.supervise(attempt)
        except OSError as error:
            self._log.exception("job could not be begun", job_id=claim.job.id)
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            failure = Failure(kind="system", message=f"the worker's system refused: {reason}")
            return supervisor.crashed(failure)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _payload(self, claim: Claim, folder: Path) -> Payload:
        job, settings = claim.job, self._jobs.settings
        return Payload(
            job_id=job.id,
            request_id=job.request_id,
            kind=job.kind,
            spec=job.spec,
            folder=folder,
            artifacts=settings.artifacts_dir,
            checkpoints=settings.checkpoints_dir,
            device=self._device.name,
            datasets=self._datasets(),
            threads=self._threads,
        )

    def _deliver(self, verdict: Verdict) -> None:
        """Say how an attempt ended, again and again while the store does not answer.

        Raises:
            LostLeaseError: The job was taken away meanwhile.
        """
        while True:
            try:
                verdict.say()
            except StoreUnavailableError as error:
                self._log.warning("no word to the store", reason=str(error))
                if self._stop.wait(_LOOK_SECONDS):
                    return
            else:
                return


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
